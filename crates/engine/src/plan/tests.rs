use super::*;
use mlxk_ops::{KvFormat, LayerCache};

fn plan_with(
    cache: CacheSpec,
    available: Option<u64>,
    context: Option<usize>,
) -> Result<MemoryPlan, EngineError> {
    let bounds = SequenceBounds { step_rows: 10, checkpoints: 2 };
    let cost = cache.cost(KvFormat::F16, bounds);
    let shape = Shape {
        cache,
        output: Output::Logits,
        hidden: 16,
        vocab_size: 1000,
        max_positions: 4096,
        activation_values: 100,
    };
    MemoryPlan::new(&Needs {
        shape: &shape,
        weights_bytes: 100_000_000,
        cost,
        rows: 10,
        outputs: 1,
        available_bytes: available,
        context,
    })
}

fn plan(available: Option<u64>, context: Option<usize>) -> Result<MemoryPlan, EngineError> {
    plan_with(CacheSpec::uniform(10, 5, 10, 10), available, context)
}

#[test]
fn windowed_layers_and_states_do_not_grow_with_the_context() {
    let pages = |window| LayerCache::Pages { kv_heads: 5, head_dim: 10, value_dim: 10, window };
    let layers = [vec![pages(Some(64)); 8], vec![pages(None); 2]].concat();
    let windowed = plan_with(CacheSpec { layers: layers.clone() }, None, None).unwrap();
    let full = plan(None, None).unwrap();
    assert_eq!(windowed.kv_bytes_per_position, full.kv_bytes_per_position);
    // A short sequence takes as much; a long one takes two layers more for each position.
    assert_eq!(windowed.sequence_bytes(64), full.sequence_bytes(64));
    let bytes = [1000, 2000, 3000].map(|len| windowed.sequence_bytes(len));
    assert_eq!(bytes[2] - bytes[1], 1000 * 2 * 200);
    assert_eq!(bytes[1] - bytes[0], 1000 * 2 * 200);
    // So a longer context fits into the same memory.
    let budget = full.bytes_for(1000);
    let fits = plan_with(CacheSpec { layers: layers.clone() }, Some(budget), None).unwrap();
    assert!(fits.context > 2000 && fits.sequence_bytes(fits.positions) <= fits.kv_bytes);
    let layers = [layers, vec![LayerCache::State { values: 100 }]].concat();
    let with_state = plan_with(CacheSpec { layers }, None, None).unwrap();
    // As it is, and at two checkpoints.
    assert_eq!(with_state.sequence_bytes(3000), windowed.sequence_bytes(3000) + 3 * 400);
}

#[test]
fn the_context_is_the_models_or_what_fits() {
    assert_eq!(plan(None, None).unwrap().context, 4096);
    assert_eq!(plan(Some(1 << 30), None).unwrap().context, 4096);
    let tight = plan(Some(180_000_000), None).unwrap();
    assert!((512..4096).contains(&tight.context), "{tight:?}");
    assert_eq!(tight.kv_bytes_per_position, 2000);
    assert_eq!(plan(Some(1 << 30), Some(77)).unwrap().context, 77);
}

#[test]
fn memory_for_a_number_of_positions_holds_them() {
    let large = plan(Some(1 << 40), None).unwrap();
    for positions in [512, 1000, 4097] {
        let found = plan(Some(large.bytes_for(positions)), None).unwrap().positions;
        assert!((positions..positions + 40).contains(&found), "{found} for {positions}");
    }
}

#[test]
fn refusals_have_the_numbers() {
    let message = plan(Some(180_000_000), Some(4096)).unwrap_err().to_string();
    assert!(message.contains("100 MB for its weights"), "{message}");
    assert!(message.contains("8 MB for a context of 4096"), "{message}");
    assert!(message.contains("only 180 MB is available; a context of 1"), "{message}");
    let message = plan(Some(90_000_000), None).unwrap_err().to_string();
    assert!(message.contains("a context of 512") && !message.contains("would fit"), "{message}");
    assert!(message.ends_with("choose a smaller model"), "{message}");
    let message = plan(None, Some(5000)).unwrap_err().to_string();
    assert!(message.contains("5000") && message.contains("4096"), "{message}");
    assert!(plan(None, Some(1)).is_err());
}
