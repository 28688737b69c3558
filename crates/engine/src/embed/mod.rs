//! Embeddings: texts become vectors, and texts are ranked by a query.
//!
//! An encoder gives the states of all tokens of a text, a decoder those of its last. They are pooled to one state,
//! which the heads of the model turn into a vector. Rerankers are encoders with a head that gives one score, or
//! decoders that are asked for a yes or no.

mod files;
mod job;
mod known;
mod rerank;
mod settings;
mod side;
mod vector;

use std::sync::mpsc::channel;

use mlxk_models::Output;

pub(crate) use job::{EmbedJob, Embedding, Tokens};
pub use rerank::{Ranking, RerankRequest};
pub use settings::EmbedSettings;
pub(crate) use side::EmbedSide;
pub use vector::normalize;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::generation::CancelHandle;

/// Rule by which the states of a text become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The first, which is that of `[CLS]`.
    First,
    /// The last.
    Last,
    /// Their mean.
    Mean,
    /// The maximum of each value.
    Max,
}

impl Pooling {
    /// Returns the name in files and options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "cls",
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Max => "max",
        }
    }

    /// Returns the pooling with this [`Pooling::name`].
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::First, Self::Last, Self::Mean, Self::Max].into_iter().find(|it| it.name() == name)
    }
}

/// Text to put before the inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// The model's own, if its files name one for all texts.
    #[default]
    Default,
    /// Nothing.
    None,
    /// The model's prompt for queries, if it has one.
    Query,
    /// The model's prompt for documents, if it has one.
    Document,
    /// The prompt of this name in the model's files.
    Named(String),
    /// An instruction for queries, for decoders.
    Instruction(String),
}

/// A text to turn into a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbedInput {
    /// Text, to which prompt and special tokens are added.
    Text(String),
    /// Token ids, which are used as they are.
    Tokens(Vec<u32>),
}

/// Texts to turn into vectors.
#[derive(Clone, Debug, Default)]
pub struct EmbedRequest {
    /// The texts.
    pub inputs: Vec<EmbedInput>,
    /// Text to put before them.
    pub prompt: Prompt,
    /// `true` to cut texts that are too long. Otherwise, they are an error.
    pub truncate: bool,
    /// Most tokens of an input, with its special tokens. The model's own limit if `None` or less than this.
    pub max_tokens: Option<usize>,
    /// `true` for vectors of length 1; the model's setting if `None`.
    pub normalize: Option<bool>,
    /// Number of values to keep; all if `None`.
    pub dimensions: Option<usize>,
    /// Pooling; the model's setting if `None`.
    pub pooling: Option<Pooling>,
}

/// Vectors of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// One for each input.
    pub vectors: Vec<Vec<f32>>,
    /// Number of tokens of all inputs.
    pub tokens: usize,
    /// Number of inputs that were cut.
    pub truncated: usize,
}

impl Engine {
    /// Returns how the model turns texts into vectors.
    pub fn embed_settings(&self) -> &EmbedSettings {
        &self.embed_side().settings
    }

    /// Turns texts into vectors, and waits for them. Takes turns with running requests. `cancel` ends it from
    /// another thread with [`EngineError::Stopped`].
    pub fn embed(
        &self,
        request: &EmbedRequest,
        cancel: &CancelHandle,
    ) -> Result<Embedded, EngineError> {
        if self.output() == Output::Score {
            return Err(EngineError::NotAnEmbedder);
        }
        let settings = self.embed_settings();
        let dimensions = request.dimensions.unwrap_or(settings.dimensions);
        if !(1..=settings.dimensions).contains(&dimensions) {
            let maximum = settings.dimensions;
            return Err(EngineError::Dimensions { requested: dimensions, maximum });
        }
        let prompt = settings.prompt(&request.prompt)?;
        let mut truncated = 0;
        let mut texts = Vec::with_capacity(request.inputs.len());
        for (index, input) in request.inputs.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err(EngineError::Stopped);
            }
            let (ids, is_cut) = self.encode_input(index, input, &prompt, request)?;
            truncated += usize::from(is_cut);
            texts.push(Tokens { ids, second: None });
        }
        let tokens = texts.iter().map(|text| text.ids.len()).sum();
        let pooling = request.pooling.unwrap_or(settings.pooling);
        let mut vectors = self.pooled(texts, pooling, cancel)?;
        for vector in &mut vectors {
            vector::cut(vector, dimensions, settings.centers);
            if request.normalize.unwrap_or(settings.normalize) {
                vector::normalize(vector);
            }
        }
        Ok(Embedded { vectors, tokens, truncated })
    }

    /// Returns the tokens of an input, and `true` if it was cut.
    fn encode_input(
        &self,
        index: usize,
        input: &EmbedInput,
        prompt: &str,
        request: &EmbedRequest,
    ) -> Result<(Vec<u32>, bool), EngineError> {
        let maximum = self.embed_settings().max_tokens;
        let maximum = request.max_tokens.map_or(maximum, |most| most.min(maximum));
        let tokenizer = self.tokenizer();
        let end = self.embed_side().end;
        let (mut ids, before, after) = match input {
            EmbedInput::Tokens(ids) => (ids.clone(), &[][..], &[][..]),
            EmbedInput::Text(text) => {
                let (before, after) = tokenizer.marks()?;
                let ids = match prompt {
                    "" => tokenizer.encode(text, false)?,
                    prompt => tokenizer.encode(&format!("{prompt}{text}"), false)?,
                };
                // A tokenizer that has lost its end has nothing after a text.
                (ids, before, end.as_ref().map_or(after, std::slice::from_ref))
            }
        };
        let marks = before.len() + after.len();
        let is_cut = ids.len() + marks > maximum;
        if is_cut && (!request.truncate || maximum <= marks) {
            let tokens = ids.len() + marks;
            return Err(EngineError::InputTooLong { index, tokens, maximum });
        }
        ids.truncate(maximum.saturating_sub(marks));
        let ids = [before, &ids, after].concat();
        self.check_input(index, &ids)?;
        Ok((ids, is_cut))
    }

    fn check_input(&self, index: usize, ids: &[u32]) -> Result<(), EngineError> {
        if ids.is_empty() {
            return Err(EngineError::EmptyInput { index });
        }
        let vocab_size = self.vocab_size();
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(EngineError::UnknownToken { id, vocab_size }),
            None => Ok(()),
        }
    }

    /// Computes what the heads give for the pooled states of texts.
    fn pooled(
        &self,
        texts: Vec<Tokens>,
        pooling: Pooling,
        cancel: &CancelHandle,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut vectors = vec![Vec::new(); texts.len()];
        let (reply, replies) = channel();
        let (dense, cancel) = (self.embed_side().dense.clone(), cancel.clone());
        let job = EmbedJob { texts, pooling, dense, reply, cancel: cancel.clone() };
        self.start_embedding(job)?;
        let mut missing = vectors.len();
        while missing > 0 {
            for (index, vector) in replies.recv().map_err(|_| EngineError::Stopped)?? {
                vectors[index] = vector;
                missing -= 1;
            }
        }
        Ok(vectors)
    }
}
