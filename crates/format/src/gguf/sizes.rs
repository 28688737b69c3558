//! Reads the sizes and constants of a model from the metadata of its architecture.

use std::collections::BTreeMap;

use super::architecture::{Extent, GgufArchitecture, GgufRope, HeadDim, Heads, Window};
use super::reader::{Gguf, Problem};
use super::value::Value;
use super::{GgufDamage, GgufLimit};

/// Values of the architecture's keys.
#[derive(Clone, Debug)]
pub struct GgufSizes {
    pub(super) architecture: GgufArchitecture,
    /// Number of layers.
    pub layers: usize,
    /// The same with the layers after them, which predict further tokens and are not imported.
    pub(super) all_layers: usize,
    /// Number of rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward part; 0 if the file states none.
    pub intermediate: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key/value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    pub(super) context: u64,
    pub(super) norm_eps: f64,
    /// Rotary base.
    pub rope_theta: f64,
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
    /// Values of [`GgufArchitecture::keys`] that the file has.
    given: BTreeMap<&'static str, Given>,
}

/// Value of a key.
#[derive(Clone, Debug)]
enum Given {
    Number(f64),
    Flag(bool),
    Text(String),
    /// One for each layer, or for each of something else.
    Numbers(Vec<f64>),
}

/// Limits far above any existing model and far below what overflows.
const MAX_LAYERS: u64 = 4096;
const MAX_WIDTH: u64 = 1 << 24;
/// Products of several such numbers don't overflow.
const MAX_NUMBER: f64 = (1 << 20) as f64 * 1e6;
/// No model with a longer context would be loaded.
const MAX_CONTEXT: u64 = 1 << 31;

/// Keys that describe a file rather than its arithmetic. All other keys are either read here or
/// refused, because an ignored hyper-parameter would make wrong answers.
const HARMLESS: &[&str] = &[
    "vocab_size",
    "tensor_data_layout",
    "attention.causal",
    "nextn_predict_layers",
    "rope.scaling.finetuned",
    // Follows from the contexts; mlx-lm computes it.
    "rope.scaling.attn_factor",
];

/// Beginnings of the keys of other modalities, which Ollama keeps in the same file.
const OTHER_MODALITIES: &[&str] = &["vision.", "audio.", "mm."];

impl GgufSizes {
    pub(super) fn read(gguf: &Gguf, architectures: &[GgufArchitecture]) -> Result<Self, Problem> {
        let name = gguf
            .str("general.architecture")?
            .ok_or_else(|| GgufDamage::Missing("general.architecture".to_owned()))?;
        let architecture = *architectures
            .iter()
            .find(|architecture| architecture.name == name)
            .ok_or_else(|| GgufLimit::architecture(name, architectures))?;
        let embedding = gguf
            .tensor("token_embd.weight")
            .ok_or_else(|| GgufDamage::Missing("token_embd.weight".to_owned()))?;
        let mut keys = Keys { gguf, architecture: architecture.name, read: HARMLESS.to_vec() };
        let hidden = keys.size("embedding_length", MAX_WIDTH)?;
        let heads = keys.size("attention.head_count", MAX_WIDTH)?;
        let head_dim = match keys.optional_size("attention.key_length", MAX_WIDTH)? {
            Some(size) => size,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => return Err(keys.wrong("attention.head_count", "a divisor of the hidden size")),
        };
        let kv_heads = keys
            .greatest("attention.head_count_kv", MAX_WIDTH)?
            .map_or(heads, |heads| heads as usize);
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
        let all_layers = keys.size("block_count", MAX_LAYERS)?;
        let extra = keys.count("nextn_predict_layers")? as usize;
        if extra >= all_layers {
            return Err(keys.wrong("nextn_predict_layers", "less than the number of layers"));
        }
        let norm_eps = match keys.f64("attention.layer_norm_rms_epsilon")? {
            Some(eps) => eps,
            None => keys
                .f64("attention.layer_norm_epsilon")?
                .or(architecture.usual_eps)
                .ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))?,
        };
        let sizes = Self {
            architecture,
            layers: all_layers - extra,
            all_layers,
            vocabulary: embedding.shape.first().copied().unwrap_or(0),
            hidden,
            intermediate: keys.greatest("feed_forward_length", MAX_WIDTH)?.unwrap_or(0) as usize,
            heads,
            kv_heads,
            head_dim,
            context,
            norm_eps,
            rope_theta: keys.f64("rope.freq_base")?.unwrap_or(10_000.0),
            rope_linear: keys.rope_linear(architecture.rope)?,
            rope_theta_local: match keys.f64("rope.freq_base_swa")? {
                Some(theta) => theta,
                None => keys.f64("rope.local.freq_base")?.unwrap_or(10_000.0),
            },
            rotary_dims,
            original_context: keys.optional("rope.scaling.original_context_length", MAX_CONTEXT)?,
            window,
            given: keys.given(architecture.keys)?,
        };
        sizes.check_keys(&mut keys)?;
        Ok(sizes)
    }

    /// Checks keys whose values follow from others, and refuses those that nothing reads.
    fn check_keys(&self, keys: &mut Keys<'_>) -> Result<(), Problem> {
        let Self { architecture, heads, head_dim, hidden, .. } = *self;
        if let Some(key) = architecture.required.iter().find(|&&key| !self.given.contains_key(key))
        {
            return Err(keys.missing(key));
        }
        let reads = |key| architecture.keys.contains(&key);
        if architecture.head_dim == HeadDim::Derived {
            keys.only("attention.key_length", |value| value as usize * heads == hidden)?;
        }
        if !reads("attention.value_length") {
            keys.only("attention.value_length", |value| value == head_dim as u64)?;
        }
        let partial = matches!(architecture.rope, GgufRope::Partial | GgufRope::Long);
        if !reads("rope.dimension_count") {
            keys.only("rope.dimension_count", |value| {
                value == head_dim as u64
                    || partial && value < head_dim as u64 && value.is_multiple_of(2)
            })?;
        }
        if !reads("expert_count") {
            keys.only("expert_count", |value| value == 0)?;
            keys.only("expert_used_count", |value| value == 0)?;
        }
        keys.refuse_others()
    }

    /// Returns the context length.
    pub fn context(&self) -> u64 {
        self.context
    }

    /// Returns the number that a key of the architecture has, if the file has it.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.given.get(key)? {
            Given::Number(number) => Some(*number),
            Given::Numbers(numbers) => numbers.iter().copied().reduce(f64::max),
            _ => None,
        }
    }

    /// Returns the whole number that a key has, or 0. The greatest one of a list.
    pub fn whole(&self, key: &str) -> usize {
        self.number(key).map_or(0, |number| number as usize)
    }

    /// Returns the flag that a key has.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.given.get(key)? {
            Given::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Returns the text that a key has.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.given.get(key)? {
            Given::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number that a key has for a layer: the same for all, or that of a list. Flags are 0 and 1.
    pub fn of_layer(&self, key: &str, layer: usize) -> Option<f64> {
        match self.given.get(key)? {
            Given::Numbers(numbers) => numbers.get(layer).copied(),
            Given::Number(number) => Some(*number),
            Given::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Given::Text(_) => None,
        }
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
            Extent::Vocabulary => self.vocabulary,
            Extent::Key(key) => self.whole(key),
            Extent::Of(size) => size(self),
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

    /// Like [`Keys::optional`], for a number or a list of one per layer, of which it returns the greatest.
    fn greatest(&mut self, name: &'static str, limit: u64) -> Result<Option<u64>, Problem> {
        let key = self.key(name);
        if !matches!(self.gguf.metadata.get(&key), Some(Value::Numbers(..))) {
            return self.optional(name, limit);
        }
        let numbers = self.gguf.whole_numbers(&key)?.unwrap_or_default();
        let is_wrong = |&number: &i64| u64::try_from(number).map_or(true, |it| it > limit);
        match numbers.iter().max() {
            Some(&greatest) if greatest > 0 && !numbers.iter().any(is_wrong) => {
                Ok(Some(greatest as u64))
            }
            _ => Err(self.wrong(name, "positive numbers of sensible size")),
        }
    }

    /// Returns a number that may be 0, which it is if the file doesn't state it.
    fn count(&mut self, name: &'static str) -> Result<u64, Problem> {
        let key = self.key(name);
        Ok(self.gguf.u64(&key)?.unwrap_or(0))
    }

    /// Returns the values of the keys that the file has.
    fn given(
        &mut self,
        names: &'static [&'static str],
    ) -> Result<BTreeMap<&'static str, Given>, Problem> {
        let mut given = BTreeMap::new();
        for &name in names {
            let key = self.key(name);
            let value = match self.gguf.metadata.get(&key) {
                None => continue,
                Some(Value::Bool(flag)) => Given::Flag(*flag),
                Some(Value::String(_)) => {
                    Given::Text(self.gguf.str(&key)?.unwrap_or_default().to_owned())
                }
                Some(Value::Numbers(..)) => Given::Numbers(self.gguf.numbers(&key)?),
                Some(value) => match value.as_f64().filter(|&value| value.abs() <= MAX_NUMBER) {
                    Some(number) => Given::Number(number),
                    None => return Err(self.wrong(name, "a number of sensible size")),
                },
            };
            if let Given::Numbers(numbers) = &value
                && numbers.iter().any(|number| number.is_finite() && number.abs() > MAX_NUMBER)
            {
                return Err(self.wrong(name, "numbers of sensible size"));
            }
            given.insert(name, value);
        }
        Ok(given)
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

    /// Returns the period of the layers without a window: a number, or the place of the first of a flag per layer.
    fn window_period(&mut self) -> Result<Option<u64>, Problem> {
        const NAME: &str = "attention.sliding_window_pattern";
        let key = self.key(NAME);
        if !matches!(self.gguf.metadata.get(&key), Some(Value::Numbers(..))) {
            return self.optional(NAME, MAX_LAYERS);
        }
        let flags = self.gguf.numbers(&key)?;
        let first = flags.iter().position(|&flag| flag <= 0.0).unwrap_or(flags.len());
        let is_regular = flags
            .iter()
            .enumerate()
            .all(|(i, &flag)| (flag <= 0.0) == (i + 1).is_multiple_of(first + 1));
        if is_regular {
            Ok(Some(first as u64 + 1))
        } else {
            Err(GgufLimit::Parameter { key, value: "it has".to_owned() }.into())
        }
    }

    /// Returns the length of a window and the period of the layers without one.
    fn window(&mut self, rule: Window, context: u64) -> Result<Option<(u64, u64)>, Problem> {
        match rule {
            Window::AllButEvery { default } => {
                let period = self.window_period()?;
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

    fn rope_linear(&mut self, rope: GgufRope) -> Result<Option<f64>, Problem> {
        if rope == GgufRope::Yarn {
            return self.only_yarn().map(|()| None);
        }
        let factor = match self.f64("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.f64("rope.scale_linear")?,
        };
        let key = self.key("rope.scaling.type");
        let kind = self.gguf.str(&key)?;
        match (kind, factor) {
            (Some("none"), _) | (None, None) => Ok(None),
            // The factors are tensors, and the other values follow from them.
            (Some("longrope"), _) if rope == GgufRope::Long => Ok(None),
            (None | Some("linear"), Some(factor)) => Ok(Some(factor)),
            (Some("linear"), None) => Err(self.missing("rope.scaling.factor")),
            (Some(kind), _) => Err(GgufLimit::Parameter { key, value: format!("`{kind}`") }.into()),
        }
    }

    /// Refuses scalings of positions other than YaRN.
    fn only_yarn(&mut self) -> Result<(), Problem> {
        let key = self.key("rope.scaling.type");
        match self.gguf.str(&key)? {
            None | Some("yarn" | "none") => Ok(()),
            Some(kind) => Err(GgufLimit::Parameter { key, value: format!("`{kind}`") }.into()),
        }
    }

    fn refuse_others(&self) -> Result<(), Problem> {
        let prefix = self.full("");
        let unread = self.gguf.metadata.iter().find(|(key, _)| {
            key.strip_prefix(&prefix).is_some_and(|name| {
                !self.read.contains(&name)
                    && !OTHER_MODALITIES.iter().any(|start| name.starts_with(start))
            })
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
