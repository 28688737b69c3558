//! How families name their tensors elsewhere, and which of their modules stay out of quantization:
//! what a conversion has to know.
//!
//! The facts are mlx-lm's, so that a conversion gives the same tensors under the same names.

use mlxk_format::convert::{ModuleRule, Naming, Placement};
use mlxk_tensor::Mode;
use serde_json::Value;

use crate::{ModelError, registry};

/// The names of one model's tensors.
#[derive(Clone, Debug)]
pub struct FamilyNaming {
    model_type: String,
    /// Whether the output matrix is the embedding.
    tied: bool,
}

/// What mlx-lm gives the routers of some families, whatever the other modules get.
const ROUTER: Mode = Mode::Affine { bits: 8, group_size: 64 };
const EIGHTS: [(&str, &str); 2] = [("qwen3_moe", "mlp.gate"), ("gpt_oss", "router")];
/// Routers that are no modules of matrix products in MLX.
const RAW_ROUTERS: [&str; 2] = ["deepseek_v2", "deepseek_v3"];
/// Other modalities, which a conversion of the language model leaves out.
const OTHER_MODALITIES: [&str; 2] = ["vision_tower", "multi_modal_projector"];

/// The naming of the model that `config.json` describes; an error for one that does not run here.
pub fn naming(config: &Value) -> Result<FamilyNaming, ModelError> {
    let model_type = registry::model_type(config)?.to_owned();
    let flag = |config: &Value| config.get("tie_word_embeddings").and_then(Value::as_bool);
    let tied = flag(config).or_else(|| config.get("text_config").and_then(flag));
    Ok(FamilyNaming { model_type, tied: tied.unwrap_or(false) })
}

impl FamilyNaming {
    /// Where a tensor of the language model is under MLX's names.
    fn prefixed<'a>(&self, name: &'a str) -> std::borrow::Cow<'a, str> {
        if self.model_type != "mistral3" {
            return name.into();
        }
        let inner = match name.strip_prefix("model.language_model.") {
            Some(rest) => format!("model.{rest}"),
            None => name.strip_prefix("language_model.").unwrap_or(name).to_owned(),
        };
        format!("language_model.{inner}").into()
    }
}

impl Naming for FamilyNaming {
    fn place(&self, name: &str) -> Placement {
        if OTHER_MODALITIES.iter().any(|part| name.contains(part))
            || name.ends_with(".rotary_emb.inv_freq")
        {
            return Placement::Drop;
        }
        let name = self.prefixed(name);
        let head = name.strip_prefix("language_model.").unwrap_or(&name);
        if self.tied && head.starts_with("lm_head.") {
            return Placement::Drop;
        }
        let published = (self.model_type == "gpt_oss").then(|| gpt_oss(&name)).flatten();
        published.or_else(|| stacked(&name)).unwrap_or_else(|| Placement::As(name.into_owned()))
    }

    fn module(&self, path: &str) -> ModuleRule {
        if RAW_ROUTERS.contains(&self.model_type.as_str()) && path.ends_with("mlp.gate") {
            return ModuleRule::Never;
        }
        let special =
            |(family, end): &(&str, &str)| *family == self.model_type && path.ends_with(end);
        if EIGHTS.iter().any(special) { ModuleRule::Own(ROUTER) } else { ModuleRule::Usual }
    }

    fn keeps_type(&self, name: &str) -> bool {
        self.model_type == "deepseek_v3" && name.contains("e_score_correction_bias")
    }
}

/// The place of the experts' tensors as gpt-oss is published, gates and values in rows by turns.
fn gpt_oss(name: &str) -> Option<Placement> {
    let (before, tensor) = name.rsplit_once('.')?;
    let (module, part) = tensor.rsplit_once('_')?;
    let part = match part {
        "blocks" => "weight",
        "scales" | "bias" => part,
        _ => return None,
    };
    let place = |module: &str| format!("{before}.{module}.{part}");
    match module {
        "gate_up_proj" => Some(Placement::ByTurns([place("gate_proj"), place("up_proj")])),
        "down_proj" => Some(Placement::As(place("down_proj"))),
        _ => None,
    }
}

/// The place of one expert's tensor, `….experts.INDEX.MODULE.SUFFIX`, in the stack of all of them.
fn stacked(name: &str) -> Option<Placement> {
    let (before, rest) = name.split_once(".experts.")?;
    let mut words = rest.split('.');
    let (index, module, suffix) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !matches!(suffix, "weight" | "scales" | "biases") {
        return None;
    }
    let number: usize = index.parse().ok().filter(|number: &usize| number.to_string() == index)?;
    let module = match module {
        "w1" => "gate_proj",
        "w2" => "down_proj",
        "w3" => "up_proj",
        "gate_proj" | "down_proj" | "up_proj" => module,
        _ => return None,
    };
    Some(Placement::Stacked(format!("{before}.switch_mlp.{module}.{suffix}"), number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(model_type: &str, tied: bool) -> FamilyNaming {
        naming(&json!({"model_type": model_type, "tie_word_embeddings": tied})).unwrap()
    }

    #[test]
    fn names_of_other_origins() {
        let kept = |name: &str| Placement::As(name.to_owned());
        let q = "model.layers.0.self_attn.q_proj.weight";
        assert_eq!(of("llama", true).place(q), kept(q));
        assert_eq!(of("llama", true).place("lm_head.weight"), Placement::Drop);
        assert_eq!(of("llama", false).place("lm_head.weight"), kept("lm_head.weight"));
        let inv_freq = "model.layers.0.self_attn.rotary_emb.inv_freq";
        assert_eq!(of("llama", false).place(inv_freq), Placement::Drop);
        let w2 = "model.layers.3.block_sparse_moe.experts.7.w2.weight";
        let stack = "model.layers.3.block_sparse_moe.switch_mlp.down_proj.weight".to_owned();
        assert_eq!(of("mixtral", false).place(w2), Placement::Stacked(stack, 7));
        let gate = "model.layers.3.mlp.experts.12.gate_proj.weight";
        let stack = "model.layers.3.mlp.switch_mlp.gate_proj.weight".to_owned();
        assert_eq!(of("qwen3_moe", false).place(gate), Placement::Stacked(stack, 12));
        let odd = "model.layers.3.mlp.experts.012.gate_proj.weight";
        assert_eq!(of("qwen3_moe", false).place(odd), kept(odd));
        let packed = "model.layers.3.mlp.experts.gate_up_proj_blocks";
        let of_both = ["gate_proj", "up_proj"];
        let weights = of_both.map(|module| format!("model.layers.3.mlp.experts.{module}.weight"));
        assert_eq!(of("gpt_oss", false).place(packed), Placement::ByTurns(weights));
        let down = "model.layers.3.mlp.experts.down_proj";
        assert_eq!(
            of("gpt_oss", false).place(&format!("{down}_scales")),
            kept(&format!("{down}.scales"))
        );
        assert_eq!(of("gpt_oss", false).place("a.down_proj.bias"), kept("a.down_proj.bias"));
        let wrapped = of("mistral3", false);
        let expected = "language_model.model.norm.weight";
        for name in ["model.language_model.norm.weight", expected, "model.norm.weight"] {
            assert_eq!(wrapped.place(name), kept(expected), "{name}");
        }
        assert_eq!(wrapped.place("model.vision_tower.x.weight"), Placement::Drop);
    }

    #[test]
    fn routers() {
        let gate = "model.layers.0.mlp.gate";
        assert_eq!(of("qwen3_moe", false).module(gate), ModuleRule::Own(ROUTER));
        assert_eq!(of("deepseek_v3", false).module(gate), ModuleRule::Never);
        assert_eq!(of("mixtral", false).module(gate), ModuleRule::Usual);
        assert!(naming(&json!({"model_type": "nosuch"})).is_err());
    }
}
