//! Widths of keys and values in the cache.

use mlxk_ops::LayerCache;

/// Keys and values that one part keeps of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KvWidths {
    pub(crate) kv_heads: usize,
    /// Width of a key.
    pub(crate) head_dim: usize,
    /// Width of a value.
    pub(crate) value_dim: usize,
}

impl KvWidths {
    pub(super) const fn cache(self, window: Option<usize>) -> LayerCache {
        let Self { kv_heads, head_dim, value_dim } = self;
        LayerCache::Pages { kv_heads, head_dim, value_dim, window }
    }
}
