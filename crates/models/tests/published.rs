//! Names of tensors in published checkpoints.

use mlxk_format::convert::{ModuleRule, Naming, Placement};
use mlxk_models::{PublishedNames, published_names};
use mlxk_tensor::Mode;
use serde_json::json;

fn names(model_type: &str, tied: bool) -> PublishedNames {
    published_names(&json!({"model_type": model_type, "tie_word_embeddings": tied}))
        .expect("the type is supported")
}

fn kept(name: &str) -> Placement {
    Placement::As(name.to_owned())
}

#[test]
fn tensors_are_kept_or_dropped() {
    let q = "model.layers.0.self_attn.q_proj.weight";
    assert_eq!(names("llama", true).place(q), kept(q));
    assert_eq!(names("llama", true).place("lm_head.weight"), Placement::Drop);
    assert_eq!(names("llama", false).place("lm_head.weight"), kept("lm_head.weight"));
    let inv_freq = "model.layers.0.self_attn.rotary_emb.inv_freq";
    assert_eq!(names("llama", false).place(inv_freq), Placement::Drop);
}

#[test]
fn experts_are_stacked() {
    let w2 = "model.layers.3.block_sparse_moe.experts.7.w2.weight";
    let stack = "model.layers.3.block_sparse_moe.switch_mlp.down_proj.weight".to_owned();
    assert_eq!(names("mixtral", false).place(w2), Placement::Stacked(stack, 7));
    let gate = "model.layers.3.mlp.experts.12.gate_proj.weight";
    let stack = "model.layers.3.mlp.switch_mlp.gate_proj.weight".to_owned();
    assert_eq!(names("qwen3_moe", false).place(gate), Placement::Stacked(stack, 12));
    let odd = "model.layers.3.mlp.experts.012.gate_proj.weight";
    assert_eq!(names("qwen3_moe", false).place(odd), kept(odd));
}

#[test]
fn gpt_oss_alternates_rows_of_gate_and_up() {
    let packed = "model.layers.3.mlp.experts.gate_up_proj_blocks";
    let of_both = ["gate_proj", "up_proj"];
    let weights = of_both.map(|module| format!("model.layers.3.mlp.experts.{module}.weight"));
    assert_eq!(names("gpt_oss", false).place(packed), Placement::ByTurns(weights));
    let down = "model.layers.3.mlp.experts.down_proj";
    assert_eq!(
        names("gpt_oss", false).place(&format!("{down}_scales")),
        kept(&format!("{down}.scales"))
    );
    assert_eq!(names("gpt_oss", false).place("a.down_proj.bias"), kept("a.down_proj.bias"));
}

#[test]
fn language_models_of_a_wrapper_get_its_prefix() {
    let names = names("mistral3", false);
    let expected = kept("language_model.model.norm.weight");
    for name in ["model.language_model.norm.weight", "language_model.model.norm.weight"] {
        assert_eq!(names.place(name), expected);
    }
    assert_eq!(names.place("model.norm.weight"), expected);
    assert!(!names.is_other_modality("model.norm.weight"));
    for name in ["model.vision_tower.x.weight", "multi_modal_projector.linear_1"] {
        assert!(names.is_other_modality(name), "{name}");
        assert_eq!(names.module(name), ModuleRule::Never);
    }
}

#[test]
fn routers() {
    let gate = "model.layers.0.mlp.gate";
    let eight = ModuleRule::Own(Mode::Affine { bits: 8, group_size: 64 });
    assert_eq!(names("qwen3_moe", false).module(gate), eight);
    assert_eq!(names("deepseek_v3", false).module(gate), ModuleRule::Never);
    assert_eq!(names("mixtral", false).module(gate), ModuleRule::Usual);
    let correction = "model.layers.0.mlp.gate.e_score_correction_bias";
    assert!(names("deepseek_v3", false).keeps_type(correction));
    assert!(!names("deepseek_v2", false).keeps_type(correction));
    assert!(published_names(&json!({"model_type": "nosuch"})).is_err());
}
