//! MLX through the C library that `MLXK_MLX_LIBRARY` names.
#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by it, and says what it skips"
)]

use mlxk_mlx::{Mlx, MlxError, MlxOptions};
use mlxk_ops::KvFormat;

pub(crate) type Device = Mlx;

/// Bound of the error of a rotation. MLX computes angles in f32.
pub(crate) const TURN_BOUND: f32 = 1e-3;
/// Bound of the error of a product of many rows without exact mode. Its values are of 16 bits.
pub(crate) const FAST_BOUND: f32 = 3e-2;

/// Opens it in exact mode or not. Returns `None` and says so if it isn't here, or lacks the format.
pub(crate) fn open(kv: KvFormat, exact: bool) -> Option<Device> {
    let Some(library) = std::env::var_os("MLXK_MLX_LIBRARY") else {
        eprintln!("skipped: MLXK_MLX_LIBRARY does not name the C library of MLX");
        return None;
    };
    match Mlx::open(MlxOptions { library: Some(library.into()), exact, kv: Some(kv) }) {
        Err(MlxError::NoSuchCache { bits }) => {
            eprintln!("skipped: MLX has no cache of {bits} bits");
            None
        }
        result => Some(result.unwrap()),
    }
}
