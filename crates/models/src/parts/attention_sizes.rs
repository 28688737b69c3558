//! Numbers of heads and their width.

use crate::config::{Config, limit};
use crate::error::ModelError;

/// Number of heads and their width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionSizes {
    /// Query heads.
    pub(crate) heads: usize,
    /// Key/value heads; divides `heads`.
    pub(crate) kv_heads: usize,
    /// Width of a head; even.
    pub(crate) head_dim: usize,
}

impl AttentionSizes {
    /// Returns `[heads, kv_heads]` heads that are together as wide as the residual stream. `keys` are
    /// those of its width and of the number of heads.
    pub(crate) fn parts_of(
        config: &Config<'_>,
        keys: [&str; 2],
        hidden: usize,
        [heads, kv_heads]: [usize; 2],
    ) -> Result<Self, ModelError> {
        let sizes = Self { heads, kv_heads, head_dim: hidden / heads };
        let (is_part, widths) = (hidden.is_multiple_of(heads), 2..=limit::HEAD_DIM);
        if is_part && sizes.head_dim.is_multiple_of(2) && widths.contains(&sizes.head_dim) {
            return Ok(sizes);
        }
        let most = limit::HEAD_DIM;
        let expected = format!("an even number up to {most} times `{}` ({heads})", keys[1]);
        Err(config.bad(keys[0], expected))
    }

    /// Reads and checks the usual keys, but for `head_dim`: a family without this key divides the
    /// hidden width by the number of heads.
    pub(crate) fn from_hidden(config: &Config<'_>) -> Result<Self, ModelError> {
        let hidden = config.size("hidden_size", limit::WIDTH)?;
        let heads = config.size("num_attention_heads", limit::HEADS)?;
        let kv_heads = config.optional_size("num_key_value_heads", limit::HEADS)?.unwrap_or(heads);
        let sizes = Self { heads, kv_heads, head_dim: part_of_hidden(config, hidden, heads)? };
        sizes.check(config)?;
        Ok(sizes)
    }

    /// Reads and checks the usual keys.
    pub(crate) fn from_config(config: &Config<'_>) -> Result<Self, ModelError> {
        Self::from_heads(config, config.size("num_attention_heads", limit::HEADS)?)
    }

    /// Reads and checks the usual keys for this number of heads.
    pub(crate) fn from_heads(config: &Config<'_>, heads: usize) -> Result<Self, ModelError> {
        let hidden = config.size("hidden_size", limit::WIDTH)?;
        let kv_heads = config.optional_size("num_key_value_heads", limit::HEADS)?.unwrap_or(heads);
        check_groups(config, heads, kv_heads)?;
        let head_dim = match config.optional_size("head_dim", limit::HEAD_DIM)? {
            Some(head_dim) => head_dim,
            None => part_of_hidden(config, hidden, heads)?,
        };
        let sizes = Self { heads, kv_heads, head_dim };
        sizes.check(config)?;
        Ok(sizes)
    }

    /// Refuses sizes that do not fit each other.
    pub(crate) fn check(&self, config: &Config<'_>) -> Result<(), ModelError> {
        let Self { heads, kv_heads, head_dim } = *self;
        check_groups(config, heads, kv_heads)?;
        if !head_dim.is_multiple_of(2) {
            let key = if config.get("head_dim").is_some() { "head_dim" } else { "hidden_size" };
            return Err(config.bad(key, format!("a head of even width (it is {head_dim})")));
        }
        Ok(())
    }
}

/// Returns the width of a head if all of them together are as wide as the residual stream.
fn part_of_hidden(config: &Config<'_>, hidden: usize, heads: usize) -> Result<usize, ModelError> {
    if hidden.is_multiple_of(heads) && hidden / heads <= limit::HEAD_DIM {
        return Ok(hidden / heads);
    }
    let most = limit::HEAD_DIM;
    let expected =
        format!("1 to {most} times `num_attention_heads` ({heads}), because `head_dim` is absent,");
    Err(config.bad("hidden_size", expected))
}

fn check_groups(config: &Config<'_>, heads: usize, kv_heads: usize) -> Result<(), ModelError> {
    if heads.is_multiple_of(kv_heads) {
        return Ok(());
    }
    let expected = format!("a divisor of `num_attention_heads` ({heads})");
    Err(config.bad("num_key_value_heads", expected))
}
