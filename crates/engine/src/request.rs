//! What is asked of the engine.

use mlxk_text::Message;

/// What the answer continues.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PromptInput {
    /// A conversation, rendered by the model's chat template.
    Messages {
        /// A system prompt before all messages.
        system: Option<String>,
        /// The turns, oldest first.
        messages: Vec<Message>,
    },
    /// Text as it is; only the tokenizer's own start of a text goes before it.
    Text(String),
    /// Token ids as they are.
    Tokens(Vec<u32>),
}

/// How tokens are drawn; the model's defaults hold where a field is `None`. The formulas stand at
/// [`SamplingParameters`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Divisor of the logits; 0 takes the most probable token.
    pub temperature: Option<f32>,
    /// Number of tokens to choose from; 0 for all.
    pub top_k: Option<usize>,
    /// Probability of the tokens to choose from.
    pub top_p: Option<f32>,
    /// Least probability, relative to the most probable token.
    pub min_p: Option<f32>,
    /// The same seed gives the same answer; a fresh one is drawn where it is `None`.
    pub seed: Option<u64>,
}

/// How the tokens of one request are drawn, resolved and checked.
///
/// With logits `l`, in this order:
/// 1. **temperature** `T`: `l / T`; at 0 the largest logit wins, the lowest id among equals, and
///    nothing below applies;
/// 2. **top-k**: the `k` largest stay, of equals the lower ids (0: all stay);
/// 3. **top-p** (Holtzman et al., 2020, arXiv:1904.09751): `p = softmax` over what stays; sorted by
///    falling `p`, the shortest prefix whose sum reaches `top_p` stays;
/// 4. **min-p** (Nguyen et al., 2024, arXiv:2407.01082): tokens with `p < min_p · max(p)` go;
/// 5. **draw**: `p` is normalized again and its cumulative sum, by falling `p`, is inverted at a
///    number that depends on seed and position alone.
///
/// The best token always stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParameters {
    /// Divisor of the logits; 0 takes the most probable token.
    pub temperature: f32,
    /// Number of tokens to choose from; 0 for all.
    pub top_k: usize,
    /// Probability of the tokens to choose from.
    pub top_p: f32,
    /// Least probability, relative to the most probable token.
    pub min_p: f32,
    /// The key of the random numbers.
    pub seed: u64,
}

/// A prompt and how to continue it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the answer continues.
    pub prompt: PromptInput,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Most tokens of the answer; the context's end where `None`.
    pub max_tokens: Option<usize>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Goes on after a token that ends an answer.
    pub ignore_eos: bool,
    /// Asks for [`crate::Event::Token`] with this many alternatives each.
    pub logprobs: Option<usize>,
}

impl Request {
    /// A request with the model's defaults.
    pub fn new(prompt: PromptInput) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            max_tokens: None,
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: None,
        }
    }
}
