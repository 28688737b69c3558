# Template of the Homebrew formula. `cargo xtask formula ADDRESS FOLDER` fills in a release.
class Mlxk < Formula
  desc "Run MLX language models on any machine"
  version "VERSION"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "URL_MACOS_ARM"
      sha256 "SHA256_MACOS_ARM"
    end
    on_intel do
      url "URL_MACOS_INTEL"
      sha256 "SHA256_MACOS_INTEL"
    end
  end

  on_linux do
    on_arm do
      url "URL_LINUX_ARM"
      sha256 "SHA256_LINUX_ARM"
    end
    on_intel do
      url "URL_LINUX_INTEL"
      sha256 "SHA256_LINUX_INTEL"
    end
  end

  def install
    bin.install "mlxk"
    # The names of MLX-Knife's programs.
    %w[mlx-knife mlx_knife mlxk2 mlxk-json mlx-run].each { |name| bin.install_symlink bin/"mlxk" => name }
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/mlxk.bash" => "mlxk"
    zsh_completion.install "completions/_mlxk"
    fish_completion.install "completions/mlxk.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/mlxk --version")
    # Compares every kernel of this processor with the portable ones.
    system bin/"mlxk", "doctor", "kernels", "numerics"
  end
end
