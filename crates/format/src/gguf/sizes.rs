//! Reads the sizes and constants of a model from the metadata of its architecture.

use super::architecture::{Extent, GgufArchitecture, HeadDim, Heads, Window};
use super::reader::{Gguf, Problem};
use super::{GgufDamage, GgufLimit};

/// Values of the architecture's keys.
#[derive(Clone, Debug)]
pub struct GgufSizes {
    pub(super) architecture: GgufArchitecture,
    /// Number of layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    pub(super) intermediate: usize,
    /// Number of query heads.
    pub heads: usize,
    pub(super) kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    pub(super) context: u64,
    pub(super) rms_eps: f64,
    pub(super) rope_theta: f64,
    /// Factor of linear position scaling.
    pub(super) rope_linear: Option<f64>,
    /// Rotary base of the layers with a window.
    pub rope_theta_local: f64,
    /// Number of dimensions of a head that are rotated.
    pub rotary_dims: usize,
    /// Context length before LongRoPE extended it.
    pub original_context: Option<u64>,
    /// Number of positions that a layer with a window sees, and the period of the layers without one.
    pub window: Option<(u64, u64)>,
}

/// Limits far above any existing model and far below what overflows.
const MAX_LAYERS: u64 = 4096;
const MAX_WIDTH: u64 = 1 << 24;
/// No model with a longer context would be loaded.
const MAX_CONTEXT: u64 = 1 << 31;

/// Keys that describe a file rather than its arithmetic. All other keys are either read here or
/// refused, because an ignored hyper-parameter would make wrong answers.
const HARMLESS: &[&str] = &[
    "vocab_size",
    "tensor_data_layout",
    "rope.scaling.finetuned",
    // Follows from the contexts; mlx-lm computes it.
    "rope.scaling.attn_factor",
];

impl GgufSizes {
    pub(super) fn read(gguf: &Gguf, architectures: &[GgufArchitecture]) -> Result<Self, Problem> {
        let name = gguf
            .str("general.architecture")?
            .ok_or_else(|| GgufDamage::Missing("general.architecture".to_owned()))?;
        let architecture = *architectures
            .iter()
            .find(|architecture| architecture.name == name)
            .ok_or_else(|| GgufLimit::architecture(name, architectures))?;
        let mut keys = Keys { gguf, architecture: architecture.name, read: HARMLESS.to_vec() };
        let hidden = keys.size("embedding_length", MAX_WIDTH)?;
        let heads = keys.size("attention.head_count", MAX_WIDTH)?;
        let head_dim = match keys.optional_size("attention.key_length", MAX_WIDTH)? {
            Some(size) => size,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => return Err(keys.wrong("attention.head_count", "a divisor of the hidden size")),
        };
        let kv_heads = keys.optional_size("attention.head_count_kv", MAX_WIDTH)?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(keys.wrong("attention.head_count_kv", "a divisor of the head count"));
        }
        if !head_dim.is_multiple_of(2) {
            return Err(keys.wrong("attention.key_length", "an even number"));
        }
        let context = keys.required("context_length", MAX_CONTEXT)?;
        let rotary_dims =
            keys.optional_size("rope.dimension_count", MAX_WIDTH)?.unwrap_or(head_dim);
        let window = keys.window(architecture.window, context)?;
        let sizes = Self {
            architecture,
            layers: keys.size("block_count", MAX_LAYERS)?,
            hidden,
            intermediate: keys.size("feed_forward_length", MAX_WIDTH)?,
            heads,
            kv_heads,
            head_dim,
            context,
            rms_eps: keys
                .f64("attention.layer_norm_rms_epsilon")?
                .ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))?,
            rope_theta: keys.f64("rope.freq_base")?.unwrap_or(10_000.0),
            rope_linear: keys.rope_linear(architecture.long_rope)?,
            rope_theta_local: keys.f64("rope.freq_base_swa")?.unwrap_or(10_000.0),
            rotary_dims,
            original_context: keys.optional("rope.scaling.original_context_length", MAX_CONTEXT)?,
            window,
        };
        if architecture.head_dim == HeadDim::Derived {
            keys.only("attention.key_length", |value| value as usize * heads == hidden)?;
        }
        keys.only("attention.value_length", |value| value == head_dim as u64)?;
        let partial = architecture.long_rope;
        keys.only("rope.dimension_count", |value| {
            value == head_dim as u64
                || partial && value < head_dim as u64 && value.is_multiple_of(2)
        })?;
        keys.only("expert_count", |value| value == 0)?;
        keys.only("expert_used_count", |value| value == 0)?;
        keys.refuse_others()?;
        Ok(sizes)
    }

    /// Returns the length of an axis.
    pub(super) fn extent(&self, extent: Extent) -> usize {
        let (queries, keys) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        match extent {
            Extent::Hidden => self.hidden,
            Extent::Intermediate => self.intermediate,
            Extent::GateAndUp => 2 * self.intermediate,
            Extent::Head => self.head_dim,
            Extent::Queries => queries,
            Extent::Keys => keys,
            Extent::QueriesKeysValues => queries + 2 * keys,
        }
    }

    /// Returns a number of heads.
    pub(super) fn count(&self, heads: Heads) -> usize {
        match heads {
            Heads::Query => self.heads,
            Heads::KeyValue => self.kv_heads,
        }
    }
}

/// The keys under the architecture's name, with a note of which were read.
struct Keys<'a> {
    gguf: &'a Gguf,
    architecture: &'static str,
    read: Vec<&'static str>,
}

impl Keys<'_> {
    fn key(&mut self, name: &'static str) -> String {
        self.read.push(name);
        self.full(name)
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn missing(&self, name: &str) -> Problem {
        GgufDamage::Missing(self.full(name)).into()
    }

    fn wrong(&self, name: &str, expected: &'static str) -> Problem {
        GgufDamage::Value { key: self.full(name), expected }.into()
    }

    fn f64(&mut self, name: &'static str) -> Result<Option<f64>, Problem> {
        let key = self.key(name);
        match self.gguf.f64(&key)? {
            Some(value) if value <= 0.0 => Err(self.wrong(name, "a positive number")),
            value => Ok(value),
        }
    }

    fn optional(&mut self, name: &'static str, limit: u64) -> Result<Option<u64>, Problem> {
        let key = self.key(name);
        match self.gguf.u64(&key)? {
            Some(value) if value == 0 || value > limit => {
                Err(self.wrong(name, "a positive number of sensible size"))
            }
            value => Ok(value),
        }
    }

    fn required(&mut self, name: &'static str, limit: u64) -> Result<u64, Problem> {
        self.optional(name, limit)?.ok_or_else(|| self.missing(name))
    }

    fn size(&mut self, name: &'static str, limit: u64) -> Result<usize, Problem> {
        Ok(self.required(name, limit)? as usize)
    }

    fn optional_size(&mut self, name: &'static str, limit: u64) -> Result<Option<usize>, Problem> {
        Ok(self.optional(name, limit)?.map(|value| value as usize))
    }

    /// Refuses a key if its value would need features that this import lacks.
    fn only(
        &mut self,
        name: &'static str,
        allowed: impl FnOnce(u64) -> bool,
    ) -> Result<(), Problem> {
        let key = self.key(name);
        match self.gguf.u64(&key)? {
            Some(value) if !allowed(value) => {
                Err(GgufLimit::Parameter { key, value: value.to_string() }.into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the length of a window and the period of the layers without one.
    fn window(&mut self, rule: Window, context: u64) -> Result<Option<(u64, u64)>, Problem> {
        match rule {
            Window::AllButEvery { default } => {
                let period = self.optional("attention.sliding_window_pattern", MAX_LAYERS)?;
                let window = self.optional("attention.sliding_window", MAX_CONTEXT)?;
                Ok(window.map(|window| (window, period.unwrap_or(default))))
            }
            Window::Ignored => {
                self.optional("attention.sliding_window", MAX_CONTEXT)?;
                Ok(None)
            }
            Window::Refused => {
                self.only("attention.sliding_window", |value| value == 0 || value >= context)?;
                Ok(None)
            }
        }
    }

    fn rope_linear(&mut self, long_rope: bool) -> Result<Option<f64>, Problem> {
        let factor = match self.f64("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.f64("rope.scale_linear")?,
        };
        let key = self.key("rope.scaling.type");
        let kind = self.gguf.str(&key)?;
        match (kind, factor) {
            (Some("none"), _) | (None, None) => Ok(None),
            // The factors are tensors, and the other values follow from them.
            (Some("longrope"), _) if long_rope => Ok(None),
            (None | Some("linear"), Some(factor)) => Ok(Some(factor)),
            (Some("linear"), None) => Err(self.missing("rope.scaling.factor")),
            (Some(kind), _) => Err(GgufLimit::Parameter { key, value: format!("`{kind}`") }.into()),
        }
    }

    fn refuse_others(&self) -> Result<(), Problem> {
        let prefix = self.full("");
        let unread = self.gguf.metadata.iter().find(|(key, _)| {
            key.strip_prefix(&prefix).is_some_and(|name| !self.read.contains(&name))
        });
        match unread {
            Some((key, value)) => {
                let value = value.as_f64().map_or_else(|| "it has".to_owned(), |v| v.to_string());
                Err(GgufLimit::Parameter { key: key.clone(), value }.into())
            }
            None => Ok(()),
        }
    }
}
