//! Libraries that can't be used are refused in one sentence. None of these tests needs MLX.

use mlxk_mlx::{Mlx, MlxOptions};
use mlxk_ops::KvFormat;

fn refusal(options: MlxOptions) -> String {
    match Mlx::open(options) {
        Ok(mlx) => panic!("{} was opened", mlx.name()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_that_is_missing_or_no_library_is_named() {
    let folder = std::env::temp_dir();
    for path in [folder.join("no-such-file"), std::env::current_exe().unwrap().with_extension("d")]
    {
        let said = refusal(MlxOptions { library: Some(path.clone()), ..MlxOptions::default() });
        assert!(said.starts_with(&format!("`{}` can't be loaded: ", path.display())), "{said}");
    }
}

#[test]
fn a_cache_of_codes_is_refused_before_a_library_is_looked_for() {
    for (kv, bits) in [(KvFormat::Affine8, 8), (KvFormat::Affine4, 4)] {
        let said = refusal(MlxOptions { kv: Some(kv), ..MlxOptions::default() });
        let expected =
            format!("MLX keeps keys and values in 16 or 32 bits; {bits} bits need another device");
        assert_eq!(said, expected);
    }
}
