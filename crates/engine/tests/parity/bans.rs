//! Tokens that a family never chooses. Goldens have too small a vocabulary for them.

use std::ops::ControlFlow;

use mlxk_cpu::{Cpu, CpuOptions};
use mlxk_format::Checkpoint;
use mlxk_ops::{Batch, Cache, Compute};

use crate::golden;
use crate::made::Made;

/// Tokens that mlx-lm excludes, before the range at the end.
const BANNED: [usize; 6] = [100_256, 100_258, 100_259, 100_260, 100_264, 100_265];

#[test]
fn phi3small_never_chooses_tokens_that_its_tokenizer_does_not_have() {
    let (vocab, ids) = (100_352, [3, 1, 4]);
    let mut golden = golden::read("phi3small-unscaled-bf16");
    golden.config["vocab_size"] = vocab.into();
    let embedding =
        golden.tensors.iter_mut().find(|it| it.name == "model.embed_tokens.weight").unwrap();
    embedding.shape[0] = vocab;
    let folder = Made::new(&golden).write();
    let mut ops =
        Cpu::new(CpuOptions { threads: Some(2), exact: true, ..CpuOptions::default() }).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let mut quietly = |_, _| ControlFlow::Continue(());
    let model = mlxk_models::load(&checkpoint, &mut ops, &mut quietly).unwrap();
    ops.configure_cache(model.cache());
    let (sequence, mut batch) = (ops.new_sequence(), Batch::default());
    batch.push(sequence, 0, &ids, false);
    batch.outputs = vec![1, 2];
    let logits = model.forward(&mut ops, &batch).unwrap();
    for row in ops.read(logits).unwrap().chunks_exact(vocab) {
        for (id, logit) in row.iter().enumerate() {
            let is_banned = BANNED.contains(&id) || id >= 100_267;
            assert_eq!(logit.is_finite(), !is_banned, "{id}: {logit}");
        }
    }
}
