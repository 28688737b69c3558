//! Defects that the comparison has to notice, planted in a checkpoint or its configuration.

use mlxk_format::ElementType;
use serde_json::{Value, json};

use crate::made::{Made, Stored};

/// A defect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    RopeBase,
    SwappedKvHead,
    NoQNorm,
    Window(i64),
    ScaleSign,
    SwappedNibble,
    /// Chunks that are this much longer.
    Chunk(i64),
    /// The taps of a convolution in reverse.
    ReversedFilter,
    /// Decays without their bias.
    NoDecayBias,
    /// A sign of a rotation.
    FlippedSign,
    /// Two residual streams in the place of each other.
    SwappedStreams,
    /// This many more positions that an indexer chooses.
    Keep(i64),
    /// A bound of queries, keys and values that is 1 % off.
    Clip,
    /// The tables of n-grams in the place of each other.
    SwappedNgrams,
}

impl Fault {
    pub(crate) fn plant(self, made: &mut Made) {
        match self {
            Self::RopeBase => {
                let theta = made.config["rope_theta"].as_f64().unwrap();
                made.config["rope_theta"] = json!(theta * 1.01);
            }
            Self::SwappedKvHead => {
                let heads = size(&made.config, "num_key_value_heads");
                for part in module(made, "model.layers.1.self_attn.k_proj") {
                    let head = part.data.len() / heads;
                    let (first, rest) = part.data.split_at_mut(head);
                    first.swap_with_slice(&mut rest[..head]);
                }
            }
            Self::NoQNorm => {
                let norm = module(made, "model.layers.1.self_attn.q_norm").next().unwrap();
                assert_eq!(norm.dtype, ElementType::F32);
                norm.data = norm.data.chunks(4).flat_map(|_| 1.0_f32.to_le_bytes()).collect();
            }
            Self::Window(change) => {
                let window = size(&made.config, "sliding_window") as i64;
                made.config["sliding_window"] = json!(window + change);
            }
            Self::Chunk(change) => {
                let chunk = &mut made.config["text_config"]["attention_chunk_size"];
                *chunk = json!(chunk.as_i64().unwrap() + change);
            }
            Self::ReversedFilter => {
                let filter = find(made, "backbone.layers.1.mixer.conv1d.weight");
                let taps = filter.shape[1];
                for column in filter.data.chunks_exact_mut(4 * taps) {
                    let reversed: Vec<u8> = column.rchunks(4).flatten().copied().collect();
                    column.copy_from_slice(&reversed);
                }
            }
            Self::NoDecayBias => find(made, "model.layers.0.self_attn.dt_bias").data.fill(0),
            Self::FlippedSign => {
                let path = "language_model.model.layers.1.mlp.down_proj.signs";
                let data = &mut find(made, path).data;
                // The sign of a little-endian F32.
                data[3] ^= 0x80;
            }
            Self::SwappedStreams => {
                let path = "model.language_model.altup_projections";
                let first = find(made, &format!("{path}.0.weight")).data.clone();
                let second = find(made, &format!("{path}.1.weight"));
                let other = std::mem::replace(&mut second.data, first);
                find(made, &format!("{path}.0.weight")).data = other;
            }
            Self::Keep(change) => {
                let keep = size(&made.config, "index_topk") as i64;
                made.config["index_topk"] = json!(keep + change);
            }
            Self::Clip => {
                let clip = &mut made.config["attn_config"]["clip_qkv"];
                *clip = json!(clip.as_f64().unwrap() * 1.01);
            }
            Self::SwappedNgrams => {
                let path = "model.ngram_embeddings.post_projs";
                let first = find(made, &format!("{path}.0.weight")).data.clone();
                let second = find(made, &format!("{path}.1.weight"));
                let other = std::mem::replace(&mut second.data, first);
                find(made, &format!("{path}.0.weight")).data = other;
            }
            // One group of one row.
            Self::ScaleSign => {
                let scales = find(made, "model.layers.1.mlp.down_proj.scales");
                // The sign of a little-endian BF16, and of an E4M3.
                let sign = usize::from(scales.dtype == ElementType::Bf16);
                scales.data[sign] ^= 0x80;
            }
            // One byte: two neighbouring weights.
            Self::SwappedNibble => {
                let packed = find(made, "model.layers.1.mlp.down_proj.weight");
                let byte =
                    packed.data.iter_mut().find(|byte| (**byte & 15).abs_diff(**byte >> 4) > 4);
                let byte = byte.unwrap();
                *byte = byte.rotate_left(4);
            }
        }
    }
}

fn size(config: &Value, key: &str) -> usize {
    config[key].as_u64().unwrap() as usize
}

/// All tensors of a module.
fn module<'a>(made: &'a mut Made, path: &'a str) -> impl Iterator<Item = &'a mut Stored> {
    made.tensors
        .iter_mut()
        .filter(move |part| part.name.rsplit_once('.').is_some_and(|(parent, _)| parent == path))
}

fn find<'a>(made: &'a mut Made, name: &str) -> &'a mut Stored {
    made.tensors.iter_mut().find(|part| part.name == name).unwrap()
}
