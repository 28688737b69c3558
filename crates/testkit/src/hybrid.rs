//! Tensors of architectures with recurrent layers.

use mlxk_format::CheckpointWriter;
use mlxk_tensor::Dtype;

use crate::{HEAD_DIM, HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, Stored, VOCAB, noise};

/// Layer that is attention; the others are recurrent.
const ATTENTION: usize = 1;
/// Tokens that a convolution sees.
pub(crate) const KERNEL: usize = 3;
/// Heads of a delta net, and their width.
pub(crate) const KEY_HEADS: usize = 2;
pub(crate) const VALUE_HEADS: usize = 4;
pub(crate) const DELTA_DIM: usize = 16;

struct Tensors<'a> {
    writer: &'a mut CheckpointWriter,
    stored: Stored,
}

impl Tensors<'_> {
    fn matrix(&mut self, path: &str, rows: usize, cols: usize) {
        let scale = 2.0 / (cols as f32).sqrt();
        let values: Vec<f32> = noise(path, rows * cols).iter().map(|x| x * scale).collect();
        match self.stored {
            Stored::Dense => {
                self.writer.dense(&format!("{path}.weight"), &[rows, cols], &values, Dtype::Bf16)
            }
            Stored::Bits(bits) => {
                self.writer.affine(path, &[rows, cols], &values, (bits, 64), Dtype::F16)
            }
        };
    }

    /// Values around `centre`.
    fn floats(&mut self, name: &str, shape: &[usize], centre: f32) {
        let count = shape.iter().product();
        let values: Vec<f32> = noise(name, count).iter().map(|x| centre + 0.3 * x).collect();
        self.writer.dense(name, shape, &values, Dtype::F32);
    }

    fn attention(&mut self, path: &str, [output, q_norm, k_norm]: [&str; 3], gates: usize) {
        let (queries, keys) = (HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM);
        self.matrix(&format!("{path}.q_proj"), (1 + gates) * queries, HIDDEN);
        self.matrix(&format!("{path}.k_proj"), keys, HIDDEN);
        self.matrix(&format!("{path}.v_proj"), keys, HIDDEN);
        self.matrix(&format!("{path}.{output}"), HIDDEN, queries);
        for norm in [q_norm, k_norm] {
            self.floats(&format!("{path}.{norm}.weight"), &[HEAD_DIM], 1.0);
        }
    }

    fn feed_forward(&mut self, path: &str, [gate, up, down]: [&str; 3]) {
        self.matrix(&format!("{path}.{gate}"), INTERMEDIATE, HIDDEN);
        self.matrix(&format!("{path}.{up}"), INTERMEDIATE, HIDDEN);
        self.matrix(&format!("{path}.{down}"), HIDDEN, INTERMEDIATE);
    }
}

/// Writes the tensors of LFM2.
pub(crate) fn short_convs(writer: &mut CheckpointWriter, stored: Stored) {
    let mut tensors = Tensors { writer, stored };
    tensors.matrix("model.embed_tokens", VOCAB, HIDDEN);
    tensors.floats("model.embedding_norm.weight", &[HIDDEN], 1.0);
    for layer in 0..LAYERS {
        let path = format!("model.layers.{layer}");
        if layer == ATTENTION {
            let names = ["out_proj", "q_layernorm", "k_layernorm"];
            tensors.attention(&format!("{path}.self_attn"), names, 0);
        } else {
            tensors.matrix(&format!("{path}.conv.in_proj"), 3 * HIDDEN, HIDDEN);
            tensors.matrix(&format!("{path}.conv.out_proj"), HIDDEN, HIDDEN);
            let name = format!("{path}.conv.conv.weight");
            tensors.floats(&name, &[HIDDEN, KERNEL, 1], 0.5);
        }
        tensors.feed_forward(&format!("{path}.feed_forward"), ["w1", "w3", "w2"]);
        for norm in ["operator_norm", "ffn_norm"] {
            tensors.floats(&format!("{path}.{norm}.weight"), &[HIDDEN], 1.0);
        }
    }
}

/// Writes the tensors of Qwen3.5.
pub(crate) fn delta_nets(writer: &mut CheckpointWriter, stored: Stored) {
    let mut tensors = Tensors { writer, stored };
    let root = "language_model.model";
    tensors.matrix(&format!("{root}.embed_tokens"), VOCAB, HIDDEN);
    tensors.floats(&format!("{root}.norm.weight"), &[HIDDEN], 1.0);
    let (keys, values) = (KEY_HEADS * DELTA_DIM, VALUE_HEADS * DELTA_DIM);
    let mixed = 2 * keys + values;
    for layer in 0..LAYERS {
        let path = format!("{root}.layers.{layer}");
        if layer == ATTENTION {
            let names = ["o_proj", "q_norm", "k_norm"];
            tensors.attention(&format!("{path}.self_attn"), names, 1);
        } else {
            let path = format!("{path}.linear_attn");
            tensors.matrix(&format!("{path}.in_proj_qkv"), mixed, HIDDEN);
            tensors.matrix(&format!("{path}.in_proj_z"), values, HIDDEN);
            tensors.matrix(&format!("{path}.in_proj_b"), VALUE_HEADS, HIDDEN);
            tensors.matrix(&format!("{path}.in_proj_a"), VALUE_HEADS, HIDDEN);
            tensors.matrix(&format!("{path}.out_proj"), HIDDEN, values);
            tensors.floats(&format!("{path}.conv1d.weight"), &[mixed, KERNEL, 1], 0.5);
            tensors.floats(&format!("{path}.A_log"), &[VALUE_HEADS], -3.0);
            tensors.floats(&format!("{path}.dt_bias"), &[VALUE_HEADS], -1.0);
            tensors.floats(&format!("{path}.norm.weight"), &[DELTA_DIM], 1.0);
        }
        tensors.feed_forward(&format!("{path}.mlp"), ["gate_proj", "up_proj", "down_proj"]);
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            tensors.floats(&format!("{path}.{norm}.weight"), &[HIDDEN], 1.0);
        }
    }
}
