//! Names of tensors in published checkpoints, which are not yet in MLX's form, and the modules that
//! mlx-lm quantizes in their own way: the facts that a conversion needs.
//!
//! They are mlx-lm's, so that a conversion gives the same tensors under the same names.

use mlxk_format::Checkpoint;
use mlxk_format::convert::{Arithmetic, ModuleRule, Naming, Placement};
use mlxk_tensor::Mode;
use serde_json::Value;

/// Differences between the published checkpoints of an architecture and MLX's form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    /// Puts a name below MLX's prefix. It runs before all other rules.
    pub(crate) rename: fn(&str) -> String,
    /// Returns the place of a tensor that is stored in its own way, or `None` for all others. The first
    /// argument is the configuration of the language model.
    pub(crate) place: fn(&Value, &str) -> Option<Placement>,
    /// Modules of one expert (`….experts.INDEX.MODULE`), each with the module of its stack in MLX.
    pub(crate) experts: &'static [(&'static str, &'static str)],
    /// Ends of the paths of special modules, and how these may be quantized.
    pub(crate) modules: &'static [(&'static str, ModuleRule)],
    /// Returns `true` for further modules that are never quantized. The first argument is the configuration
    /// of the language model.
    pub(crate) never: fn(&Value, &str) -> bool,
    /// Ends of the names of tensors that keep their type.
    pub(crate) exact: &'static [&'static str],
    /// Ends of the names of filters over time, which MLX transposes and never quantizes.
    pub(crate) filters: &'static [&'static str],
    /// Arithmetic on tensors of checkpoints that are not in MLX's form.
    pub(crate) values: Option<PublishedValues>,
}

/// Values that differ from MLX's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishedValues {
    /// Returns `true` for a tensor, by name and shape, that only checkpoints have that aren't in MLX's form.
    pub(crate) sign: fn(&str, &[usize]) -> bool,
    /// Returns the arithmetic on the tensor of this name in MLX. The first argument is the configuration
    /// of the language model.
    pub(crate) arithmetic: fn(&Value, &str) -> Arithmetic,
}

impl Published {
    /// Names as in MLX, without experts.
    pub(crate) const AS_IN_MLX: Self = Self {
        rename: str::to_owned,
        place: |_, _| None,
        experts: &[],
        modules: &[],
        never: |_, _| false,
        exact: &[],
        filters: &[],
        values: None,
    };
}

/// Experts with the names that they have in MLX.
pub(crate) const USUAL_EXPERTS: &[(&str, &str)] =
    &[("gate_proj", "gate_proj"), ("up_proj", "up_proj"), ("down_proj", "down_proj")];

/// The mode in which mlx-lm quantizes the routers of some architectures, regardless of the mode of
/// the other modules.
pub(crate) const ROUTER: ModuleRule = ModuleRule::Own(Mode::Affine { bits: 8, group_size: 64 });

/// Modules for images and sound: parts of the path of a tensor.
const OTHER_MODALITIES: &[&str] = &[
    "vision_tower",
    "vision_model",
    "vision_encoder",
    "visual",
    "multi_modal_projector",
    "mm_projector",
    "audio_tower",
    "embed_vision",
    "embed_audio",
    "vision_embedder",
];

/// Filters over time, as most families name them.
pub(crate) const FILTERS: &[&str] = &["conv1d.weight"];

/// Returns `true` for filters over time in their published shape.
pub(crate) fn are_unmoved_filters(name: &str, shape: &[usize]) -> bool {
    name.ends_with(FILTERS[0]) && shape.last().is_some_and(|&last| last != 1)
}

/// Adds one to the weights of norms, but for those of the results of recurrent layers: published Qwen files
/// have them around zero.
pub(crate) fn norms_around_zero(name: &str) -> Arithmetic {
    let ends = [
        ".input_layernorm.weight",
        ".post_attention_layernorm.weight",
        "model.norm.weight",
        ".q_norm.weight",
        ".k_norm.weight",
    ];
    if ends.iter().any(|end| name.ends_with(end)) { Arithmetic::Add(1.0) } else { Arithmetic::None }
}

/// The naming of one model.
#[derive(Clone, Debug)]
pub struct PublishedNames {
    published: &'static Published,
    /// Configuration of the language model.
    config: Value,
    /// `true` if the embedding is also the output matrix.
    tied: bool,
    /// `true` if the values are not in MLX's form.
    has_published_values: bool,
}

impl PublishedNames {
    /// Returns the naming of the model that `config` describes.
    pub(crate) fn new(published: &'static Published, config: &Value) -> Self {
        let flag = |config: &Value| config.get("tie_word_embeddings").and_then(Value::as_bool);
        let tied = flag(config).or_else(|| config.get("text_config").and_then(flag));
        let text = config.get("text_config").unwrap_or(config);
        Self {
            published,
            config: text.clone(),
            tied: tied.unwrap_or(false),
            has_published_values: false,
        }
    }

    /// Returns the naming for the values of this checkpoint.
    pub(crate) fn of(self, checkpoint: &Checkpoint) -> Self {
        let has_sign = |values: PublishedValues| {
            let shape = |name| checkpoint.dense(name).map(|(shape, _)| shape).unwrap_or_default();
            // Few names need a look at the shape.
            checkpoint.names().any(|name| (values.sign)(name, &shape(name)))
        };
        let has_published_values = self.published.values.is_some_and(has_sign);
        Self { has_published_values, ..self }
    }

    /// Returns `true` if the checkpoint is not in MLX's form.
    pub(crate) fn are_foreign(&self, checkpoint: &Checkpoint) -> bool {
        let is_moved = |name: &str| match self.place(name) {
            Placement::As(place) => place != name,
            Placement::Drop => false,
            _ => true,
        };
        self.has_published_values
            || checkpoint.names().any(|name| !self.is_other_modality(name) && is_moved(name))
    }
}

impl Naming for PublishedNames {
    fn place(&self, name: &str) -> Placement {
        if name.ends_with(".rotary_emb.inv_freq") {
            return Placement::Drop;
        }
        let name = (self.published.rename)(name);
        let head = name.strip_prefix("language_model.").unwrap_or(&name);
        if self.tied && head.starts_with("lm_head.") {
            return Placement::Drop;
        }
        (self.published.place)(&self.config, &name)
            .or_else(|| stacked(&name, self.published.experts))
            .unwrap_or(Placement::As(name))
    }

    fn is_other_modality(&self, name: &str) -> bool {
        name.split('.').any(|part| OTHER_MODALITIES.contains(&part))
    }

    fn module(&self, path: &str) -> ModuleRule {
        if self.is_other_modality(path) {
            return ModuleRule::Never;
        }
        let is_filters = self.is_filters(&format!("{path}.weight"));
        if is_filters || (self.published.never)(&self.config, path) {
            return ModuleRule::Never;
        }
        let special = self.published.modules.iter().find(|(end, _)| path.ends_with(end));
        special.map_or(ModuleRule::Usual, |(_, rule)| *rule)
    }

    fn is_filters(&self, name: &str) -> bool {
        self.published.filters.iter().any(|end| name.ends_with(end))
    }

    fn arithmetic(&self, name: &str) -> Arithmetic {
        match self.published.values {
            Some(values) if self.has_published_values => (values.arithmetic)(&self.config, name),
            _ => Arithmetic::None,
        }
    }

    fn keeps_type(&self, name: &str) -> bool {
        self.published.exact.iter().any(|end| name.ends_with(end))
    }
}

/// Returns the place of stacked experts with gate and up in one tensor: `before` is replaced by `after`, and
/// the tensors have no `.weight`.
pub(crate) fn fused_experts(name: &str, [before, after]: [&str; 2]) -> Option<Placement> {
    let (path, tensor) = name.rsplit_once('.')?;
    let path = path.strip_suffix(before)?;
    let place = |module: &str| format!("{path}{after}.{module}.weight");
    match tensor {
        "gate_up_proj" => Some(Placement::Halves([place("gate_proj"), place("up_proj")])),
        "down_proj" => Some(Placement::As(place("down_proj"))),
        _ => None,
    }
}

/// Returns the place of one expert's tensor in a stack that MLX has below `experts`, too.
pub(crate) fn stacked_in_place(name: &str) -> Option<Placement> {
    match stacked(name, USUAL_EXPERTS)? {
        Placement::Stacked(stack, index) => {
            Some(Placement::Stacked(stack.replacen(".switch_mlp.", ".experts.", 1), index))
        }
        other => Some(other),
    }
}

/// Returns the name below `language_model`, MLX's prefix. Published files have the language model below
/// `model.language_model`, or without any prefix.
pub(crate) fn in_language_model(name: &str) -> String {
    let inner = match name.strip_prefix("model.language_model.") {
        Some(rest) => format!("model.{rest}"),
        None => name.strip_prefix("language_model.").unwrap_or(name).to_owned(),
    };
    format!("language_model.{inner}")
}

/// Returns the place of one expert's tensor, `….experts.INDEX.MODULE.SUFFIX`, in the stack of all
/// experts.
fn stacked(name: &str, experts: &[(&str, &str)]) -> Option<Placement> {
    let (before, rest) = name.split_once(".experts.")?;
    let mut words = rest.split('.');
    let (index, module, suffix) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !matches!(suffix, "weight" | "scales" | "biases") {
        return None;
    }
    // Comparing the text again refuses spellings such as `+1` and `01`.
    let number: usize = index.parse().ok().filter(|number: &usize| number.to_string() == index)?;
    let (_, module) = experts.iter().find(|(published, _)| *published == module)?;
    Some(Placement::Stacked(format!("{before}.switch_mlp.{module}.{suffix}"), number))
}
