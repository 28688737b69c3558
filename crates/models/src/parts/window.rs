//! Sliding windows: layers that see only the last positions of the sequence (Beltagy et al., 2020,
//! arXiv:2004.05150).

use serde_json::Value;

use crate::config::{Config, limit};
use crate::error::ModelError;

/// Returns the windows of `layers` layers, by `layer_types` if it is there. Otherwise, the layers from
/// `first_windowed` on have a window of `sliding_window`.
pub(crate) fn layer_windows(
    config: &Config<'_>,
    layers: usize,
    first_windowed: usize,
) -> Result<Vec<Option<usize>>, ModelError> {
    let Some(types) = config.get("layer_types") else {
        if first_windowed >= layers {
            return Ok(vec![None; layers]);
        }
        let window = config.optional_size("sliding_window", limit::POSITIONS)?;
        return Ok((0..layers).map(|layer| window.filter(|_| layer >= first_windowed)).collect());
    };
    let types = types
        .as_array()
        .filter(|types| types.len() == layers)
        .ok_or_else(|| config.bad("layer_types", format!("a list of {layers} names")))?;
    types
        .iter()
        .map(|name| match name.as_str() {
            Some("full_attention") => Ok(None),
            Some("sliding_attention") => config.size("sliding_window", limit::POSITIONS).map(Some),
            _ => Err(config.unsupported(
                "layer_types",
                name.as_str().unwrap_or(&Value::to_string(name)),
                "`full_attention`, `sliding_attention`",
            )),
        })
        .collect()
}
