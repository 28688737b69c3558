//! Apple's MLX as a device, through its C library (mlx-c), which is loaded when it is asked for.
//!
//! MLX builds a graph and computes what is needed of it when results are read. An activation is a node of the graph, so
//! an operation that writes one replaces the node. Values are of the type that the checkpoint has its scales in, as with
//! mlx-lm, or f32 in exact mode and without a GPU.
//!
//! MLX chooses kernels by the number of rows. So unlike other devices, this one may give other last bits if a step has
//! other rows.

mod array;
mod attention;
mod cache;
mod choice;
mod compute;
mod device;
mod error;
mod experts;
mod functions;
mod graph;
mod library;
mod operations;
mod recurrent;
mod rope;
mod sparse;
mod states;
mod weights;

pub use device::{Mlx, MlxOptions};
pub use error::MlxError;
pub use library::installed;
