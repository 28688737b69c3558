//! The layer that a tensor belongs to.

/// Returns the layer of a module by its name, such as 3 for `model.layers.3.mlp.up_proj`. `None` if it belongs to none.
pub(crate) fn layer_of(name: &str) -> Option<usize> {
    const LISTS: [&str; 3] = ["layers", "h", "blocks"];
    let mut parts = name.split('.');
    while let Some(part) = parts.next() {
        if LISTS.contains(&part)
            && let Some(layer) = parts.clone().next().and_then(|number| number.parse().ok())
        {
            return Some(layer);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_layer() {
        assert_eq!(layer_of("model.layers.3.mlp.up_proj"), Some(3));
        assert_eq!(layer_of("language_model.model.layers.17.block_sparse_moe.experts"), Some(17));
        assert_eq!(layer_of("transformer.h.0.attn.weight"), Some(0));
        assert_eq!(layer_of("lm_head"), None);
        assert_eq!(layer_of("model.embed_tokens_per_layer"), None);
        assert_eq!(layer_of("model.layers.norm"), None);
    }
}
