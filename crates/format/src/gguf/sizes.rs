//! Reads the sizes and constants of a model from the metadata of its architecture.

use super::reader::{Gguf, Problem};
use super::{GgufDamage, GgufLimit};

/// Architecture with tensors that this import can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
    Gemma3,
    Phi3,
}

impl Architecture {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "llama" => Some(Self::Llama),
            "qwen2" => Some(Self::Qwen2),
            "qwen3" => Some(Self::Qwen3),
            "gemma3" => Some(Self::Gemma3),
            "phi3" => Some(Self::Phi3),
            _ => None,
        }
    }

    /// Returns the name in GGUF.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
        }
    }
}

/// Values of the architecture's keys.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    pub(super) architecture: Architecture,
    pub(super) layers: usize,
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) context: u64,
    pub(super) rms_eps: f64,
    pub(super) rope_theta: f64,
    /// Factor of linear position scaling.
    pub(super) rope_linear: Option<f64>,
    /// Rotary base of the windowed layers (Gemma 3).
    pub(super) rope_theta_local: f64,
    /// Number of dimensions of a head that turn.
    pub(super) rotary_dims: usize,
    /// Context length before it was extended (Phi-3's LongRoPE).
    pub(super) original_context: Option<u64>,
    /// Number of positions that a windowed layer sees, and the period of the layers without a
    /// window (Gemma 3).
    pub(super) window: Option<(u64, u64)>,
}

/// Limits far above any existing model and far below what overflows.
const MAX_LAYERS: u64 = 4096;
const MAX_WIDTH: u64 = 1 << 24;
const MAX_CONTEXT: u64 = 1 << 40;

/// Keys that describe a file rather than its arithmetic. All other keys are either read here or
/// refused, because an ignored hyper-parameter would make wrong answers.
const HARMLESS: &[&str] = &[
    "vocab_size",
    "tensor_data_layout",
    "rope.scaling.finetuned",
    // Follows from the contexts; mlx-lm computes it.
    "rope.scaling.attn_factor",
];

/// Every sixth layer of Gemma 3 sees all positions.
const GEMMA3_PATTERN: u64 = 6;

impl Sizes {
    pub(super) fn read(gguf: &Gguf) -> Result<Self, Problem> {
        let name = gguf
            .str("general.architecture")?
            .ok_or_else(|| GgufDamage::Missing("general.architecture".to_owned()))?;
        let architecture = Architecture::from_name(name)
            .ok_or_else(|| GgufLimit::Architecture(name.to_owned()))?;
        let mut keys = Keys { gguf, architecture, read: HARMLESS.to_vec() };
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
        let window = match architecture {
            Architecture::Gemma3 => {
                let pattern = keys.optional("attention.sliding_window_pattern", MAX_LAYERS)?;
                keys.optional("attention.sliding_window", MAX_CONTEXT)?
                    .map(|window| (window, pattern.unwrap_or(GEMMA3_PATTERN)))
            }
            // Phi-3's files state a window that neither llama.cpp nor mlx-lm applies.
            Architecture::Phi3 => {
                keys.optional("attention.sliding_window", MAX_CONTEXT)?;
                None
            }
            _ => {
                keys.only("attention.sliding_window", |value| value == 0 || value >= context)?;
                None
            }
        };
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
            rope_linear: keys.rope_linear()?,
            rope_theta_local: keys.f64("rope.freq_base_swa")?.unwrap_or(10_000.0),
            rotary_dims,
            original_context: keys.optional("rope.scaling.original_context_length", MAX_CONTEXT)?,
            window,
        };
        if matches!(architecture, Architecture::Qwen2 | Architecture::Phi3) {
            // These model types don't support another width of a head.
            keys.only("attention.key_length", |value| value as usize * heads == hidden)?;
        }
        keys.only("attention.value_length", |value| value == head_dim as u64)?;
        let partial = architecture == Architecture::Phi3;
        keys.only("rope.dimension_count", |value| {
            value == head_dim as u64
                || partial && value < head_dim as u64 && value.is_multiple_of(2)
        })?;
        keys.only("expert_count", |value| value == 0)?;
        keys.only("expert_used_count", |value| value == 0)?;
        keys.refuse_others()?;
        Ok(sizes)
    }

    /// Returns the width of all query heads.
    pub(super) fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Returns the width of all key heads, which equals that of all value heads.
    pub(super) fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// The keys under the architecture's name, with a note of which were read.
struct Keys<'a> {
    gguf: &'a Gguf,
    architecture: Architecture,
    read: Vec<&'static str>,
}

impl Keys<'_> {
    fn key(&mut self, name: &'static str) -> String {
        self.read.push(name);
        self.full(name)
    }

    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture.name())
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

    fn rope_linear(&mut self) -> Result<Option<f64>, Problem> {
        let factor = match self.f64("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.f64("rope.scale_linear")?,
        };
        let key = self.key("rope.scaling.type");
        let kind = self.gguf.str(&key)?;
        match (kind, factor) {
            (Some("none"), _) | (None, None) => Ok(None),
            // The factors are tensors, and the other values follow from them.
            (Some("longrope"), _) if self.architecture == Architecture::Phi3 => Ok(None),
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
