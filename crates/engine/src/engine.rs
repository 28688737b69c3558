//! [`Engine`]: a loaded model and the thread that runs it.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mlxk_format::Checkpoint;
use mlxk_models::{Model, ModelError, Output, Progress};
use mlxk_ops::{Batch, Ops};
use mlxk_text::tools::{ToolHints, ToolSupport};
use mlxk_text::{ChatTemplate, TextError, Thinking, Tokenizer};

use crate::cache::disk::{DiskCache, Source};
use crate::cache::saved::{CacheAction, CacheJob};
use crate::choices::ChoicesJob;
use crate::device::Device;
use crate::draft::DraftModel;
use crate::embed::{EmbedJob, EmbedSide};
use crate::error::EngineError;
use crate::generation::{CancelHandle, Generation, Recipient};
use crate::grammar::{CompiledFormat, Compiling, Grammars};
use crate::load_options::{self, LoadOptions};
use crate::output::Clock;
use crate::placed::Placed;
use crate::plan::MemoryPlan;
use crate::prompt::{self, Prepared, Prompt};
use crate::request::Request;
use crate::sampling::SamplingDefaults;
use crate::scheduler::{Limits, Scheduler};
use crate::score::{ScoreJob, Turn};
use crate::task::Task;
use crate::text_side::TextSide;
use crate::worker::{Command, Worker};
use crate::{AnswerFormat, PromptInput, Tools};

/// A loaded model. Dropping it ends all requests.
pub struct Engine {
    path: PathBuf,
    worker: Worker,
    text: TextSide,
    embed: EmbedSide,
    output: Output,
    plan: MemoryPlan,
    kv_bytes: Arc<AtomicU64>,
    device: String,
    is_on_gpu: bool,
    load_time: Duration,
}

impl Engine {
    /// Loads a checkpoint onto the device of the options.
    pub fn load(options: &LoadOptions, progress: &mut Progress<'_>) -> Result<Self, EngineError> {
        let started = Instant::now();
        let settled = options.settled(&mut |_, _| progress(0, 0))?;
        let device = settled.device.open();
        let loaded =
            device.and_then(|device| Self::load_since(started, device, &settled, progress));
        let error = match loaded {
            Err(EngineError::Model(ModelError::Cancelled)) | Ok(_) => return loaded,
            Err(error) => error,
        };
        let Some(options) = options.without_gpu().filter(|_| settled.device.is_gpu()) else {
            return Err(error);
        };
        load_options::tell_failure(&error);
        Self::load_since(started, options.device.open()?, &options, progress)
    }

    /// Loads a checkpoint onto a device that you opened yourself.
    pub fn load_on(
        device: Device,
        options: &LoadOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Self, EngineError> {
        Self::load_since(Instant::now(), device, options, progress)
    }

    fn load_since(
        started: Instant,
        device: Device,
        options: &LoadOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Self, EngineError> {
        check(options)?;
        let text = read_text(&options.path)?;
        let defaults = SamplingDefaults::open(&options.path)?;
        let Placed { checkpoint, shape, plan, mut ops, model, name, is_gpu } =
            Placed::load(device, options, progress)?;
        let mut embed = EmbedSide::load(&checkpoint, &shape, plan.context, &mut *ops)?;
        ops.configure_cache(model.cache());
        if !text.is_finished() {
            warm_up(&*model, &mut *ops);
        }
        let text = text.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (tokenizer, template, tool_hints) = text?;
        embed.complete(&tokenizer)?;
        let draft_model = options
            .draft_model
            .as_deref()
            .map(|path| DraftModel::load(path, options, &tokenizer, shape.vocab_size));
        let limits = limits(options, &plan);
        let spill =
            options.spill.as_ref().filter(|_| limits.kept_positions > 0 && plan.cpu_layers == 0);
        let spill = spill.map(|spill| {
            let source = Source {
                fingerprint: checkpoint.fingerprint(),
                cache: &shape.cache,
                vocab_size: shape.vocab_size,
                positions: plan.context,
            };
            DiskCache::open(spill, &source, &*ops)
        });
        let (draft_model, spill) = (draft_model.transpose()?, spill.transpose()?);
        let kv_bytes = Arc::new(AtomicU64::new(0));
        let (cost, bytes) = (plan.cost.clone(), Arc::clone(&kv_bytes));
        let scheduler = Scheduler::new(model, ops, draft_model, spill, limits, cost, bytes);
        let text = TextSide {
            tokenizer,
            template,
            tool_hints,
            tool_support: OnceLock::new(),
            grammars: Grammars::default(),
            defaults,
            context: plan.context,
            vocab_size: shape.vocab_size,
        };
        let worker = Worker::start(scheduler)?;
        let (path, load_time) = (options.path.clone(), started.elapsed());
        let output = shape.output;
        Ok(Self {
            path,
            worker,
            text,
            embed,
            output,
            plan,
            kv_bytes,
            device: name,
            is_on_gpu: is_gpu,
            load_time,
        })
    }

    /// Starts a request. Its events arrive at the returned [`Generation`].
    pub fn submit(&self, request: Request) -> Result<Generation, EngineError> {
        let mut generations = self.submit_many(request, 1)?;
        generations.pop().ok_or(EngineError::Stopped)
    }

    /// Starts `count` answers to one request, whose prompt is rendered and encoded once. The answers are
    /// drawn with consecutive seeds, beginning with the request's.
    pub fn submit_many(
        &self,
        request: Request,
        count: usize,
    ) -> Result<Vec<Generation>, EngineError> {
        let (recipients, events): (Vec<_>, Vec<_>) =
            (0..count).map(|_| Recipient::channel()).unzip();
        let handles: Vec<_> = recipients.iter().map(|it| it.cancel.clone()).collect();
        let prompt_tokens = self.submit_to(request, recipients)?;
        let ends = events.into_iter().zip(handles);
        Ok(ends.map(|(events, cancel)| Generation { events, cancel, prompt_tokens }).collect())
    }

    /// Starts one answer for each recipient, as [`Engine::submit_many`] does. Returns the number of
    /// tokens of the prompt.
    pub fn submit_to(
        &self,
        request: Request,
        recipients: Vec<Recipient>,
    ) -> Result<usize, EngineError> {
        self.check_generates()?;
        if self.embed.settings.is_dedicated {
            return Err(EngineError::NotGenerative);
        }
        let clock = Clock { load: self.load_time, submitted: Instant::now() };
        let mut prepared = Prepared::new(&self.text, request)?;
        let has_left = || recipients.iter().all(|recipient| recipient.cancel.is_cancelled());
        prepared.compile(&has_left)?;
        let answers = recipients.into_iter().enumerate();
        let tasks: Vec<Task> =
            answers.map(|(number, recipient)| prepared.answer(number, recipient, clock)).collect();
        for task in tasks {
            self.worker.send(Command::Run(Box::new(task)))?;
        }
        Ok(prepared.prompt_tokens())
    }

    /// Starts to compile a format and the calls of tools for [`Request::compiled`], on a thread of its own. `done` gets
    /// the result there, unless the returned value is dropped before. Returns `None` if there is nothing to compile.
    pub fn compile(
        &self,
        format: Option<&AnswerFormat>,
        tools: Option<&Tools>,
        done: impl FnOnce(Result<CompiledFormat, EngineError>) + Send + 'static,
    ) -> Result<Option<Compiling>, EngineError> {
        let TextSide { tokenizer, grammars, vocab_size, .. } = &self.text;
        let Some(job) = prompt::job(&self.text, format, tools)? else { return Ok(None) };
        grammars.start(tokenizer, *vocab_size, job, done).map(Some)
    }

    /// Loads a file that [`Engine::save_prompt_cache`] wrote, so that requests with the same beginning don't
    /// compute it again. Returns the number of tokens.
    pub fn load_prompt_cache(&self, path: &Path) -> Result<usize, EngineError> {
        self.cache(path, CacheAction::Load)
    }

    /// Writes the first `tokens` of the last request to a file, with their part of the KV cache. The request has
    /// to be finished. Returns the number of tokens.
    pub fn save_prompt_cache(&self, path: &Path, tokens: usize) -> Result<usize, EngineError> {
        self.cache(path, CacheAction::Save { tokens })
    }

    fn cache(&self, path: &Path, action: CacheAction) -> Result<usize, EngineError> {
        let fingerprint = Checkpoint::open(&self.path)?.fingerprint();
        let (reply, result) = sync_channel(1);
        let job = CacheJob { path: path.to_owned(), action, fingerprint, reply };
        self.worker.send(Command::Cache(job))?;
        result.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Returns the tokens of a prompt without tools, encoded as in [`Engine::submit`].
    pub fn encode(&self, input: &PromptInput) -> Result<Vec<u32>, EngineError> {
        Ok(Prompt::encode(&self.text, input, &serde_json::Map::new(), None)?.ids)
    }

    /// Returns the tokens of a request's prompt, encoded as in [`Engine::submit`].
    pub fn encode_request(&self, request: &Request) -> Result<Vec<u32>, EngineError> {
        let Request { prompt, template_variables, tools, .. } = request;
        Ok(Prompt::encode(&self.text, prompt, template_variables, tools.as_ref())?.ids)
    }

    /// Returns how the model supports tools.
    pub fn tool_support(&self) -> ToolSupport {
        self.text.tool_support()
    }

    /// Scores given tokens: calls `visit` for each position from `from` on, with the `[vocab]` natural
    /// log-probabilities of the token after it. Takes turns with running requests.
    pub fn score(
        &self,
        ids: Vec<u32>,
        from: usize,
        mut visit: impl FnMut(usize, &[f32]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let end = ids.len();
        let mut rows = self.score_rows(ids, from, None)?.into_iter();
        for position in from..end {
            let row = rows.next().ok_or(EngineError::Stopped)??;
            if visit(position, &row).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the rows of [`Engine::score`] as they are computed. Dropping the receiver ends the job.
    pub(crate) fn score_rows(
        &self,
        ids: Vec<u32>,
        from: usize,
        turn: Option<Turn>,
    ) -> Result<Receiver<Result<Vec<f32>, EngineError>>, EngineError> {
        self.check_generates()?;
        prompt::check(&ids, self.text.vocab_size, self.text.context + 1)?;
        // Rows are large, so only a few are buffered.
        let (rows, receiver) = sync_channel(2);
        self.worker.send(Command::Score(ScoreJob { ids, from, rows, turn }))?;
        Ok(receiver)
    }

    /// Starts to compute the log-likelihoods of `choices` after `text`, none of which may be empty.
    pub(crate) fn score_choices(
        &self,
        text: Vec<u32>,
        choices: Vec<Vec<u32>>,
        cancel: CancelHandle,
    ) -> Result<Receiver<Result<Vec<f64>, EngineError>>, EngineError> {
        self.check_generates()?;
        for ids in choices.iter().chain([&text]) {
            prompt::check(ids, self.text.vocab_size, self.text.context + 1)?;
        }
        let (reply, result) = sync_channel(1);
        self.worker.send(Command::Choices(ChoicesJob { text, choices, reply, cancel }))?;
        Ok(result)
    }

    /// Starts to turn texts into vectors.
    pub(crate) fn start_embedding(&self, job: EmbedJob) -> Result<(), EngineError> {
        self.worker.send(Command::Embed(job))
    }

    pub(crate) fn embed_side(&self) -> &EmbedSide {
        &self.embed
    }

    /// Returns the kind of the model's results.
    pub fn output(&self) -> Output {
        self.output
    }

    fn check_generates(&self) -> Result<(), EngineError> {
        if self.output == Output::Logits { Ok(()) } else { Err(EngineError::NotGenerative) }
    }

    /// Returns all rows of [`Engine::score`]: `[positions, vocab]` log-probabilities.
    pub fn logits_for(&self, ids: Vec<u32>, from: usize) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut rows = Vec::new();
        self.score(ids, from, |_, row| {
            rows.push(row.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Returns the model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.text.tokenizer
    }

    /// Returns the model's chat template, if it has one.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.text.template.as_ref()
    }

    /// Returns what the chat template says about thinking.
    pub fn thinking(&self) -> Thinking {
        self.text.template.as_ref().map(ChatTemplate::thinking).unwrap_or_default()
    }

    /// Returns the values for sampling parameters that a request leaves out.
    pub fn defaults(&self) -> &SamplingDefaults {
        &self.text.defaults
    }

    /// Returns the context length: most tokens of prompt and answer together.
    pub fn context(&self) -> usize {
        self.text.context
    }

    /// Returns the memory plan.
    pub fn memory(&self) -> &MemoryPlan {
        &self.plan
    }

    /// Returns the current size of the KV cache in bytes.
    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes.load(Ordering::Relaxed)
    }

    /// Returns the number of token ids.
    pub fn vocab_size(&self) -> usize {
        self.text.vocab_size
    }

    /// Returns the name of the device, to show to the user.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Returns `true` if the model is on a GPU, or some of its layers are.
    pub fn is_on_gpu(&self) -> bool {
        self.is_on_gpu
    }

    /// Returns the bytes of weights and KV cache that are in the memory of a GPU now.
    pub fn gpu_bytes(&self) -> u64 {
        if self.is_on_gpu { self.plan.gpu_bytes(self.kv_bytes()) } else { 0 }
    }

    /// Returns `true` if the device stopped working, so that every request fails. Loading the model again may help.
    pub fn is_lost(&self) -> bool {
        self.worker.is_lost()
    }

    /// Returns the time that loading took.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }
}

/// Refuses values that no model can honour.
fn check(options: &LoadOptions) -> Result<(), EngineError> {
    for (option, value) in
        [("prefill_chunk", options.chunk()), ("max_sequences", options.max_sequences)]
    {
        if value == 0 {
            return Err(EngineError::BadOption { option, value, expected: "at least 1" });
        }
    }
    Ok(())
}

type TextFiles = Result<(Tokenizer, Option<ChatTemplate>, ToolHints), TextError>;

/// Reads tokenizer and chat template on a thread of their own, because that takes as long as mapping the
/// model.
fn read_text(folder: &Path) -> std::io::Result<JoinHandle<TextFiles>> {
    let folder = folder.to_owned();
    std::thread::Builder::new().name("mlxk-tokenizer".to_owned()).spawn(move || {
        let tokenizer = Tokenizer::open(&folder)?;
        Ok((tokenizer, ChatTemplate::open(&folder)?, ToolHints::open(&folder)?))
    })
}

fn limits(options: &LoadOptions, plan: &MemoryPlan) -> Limits {
    Limits {
        chunk: options.chunk(),
        sequences: options.max_sequences,
        kv_bytes: plan.kv_bytes,
        kept_positions: if options.reuse_prefixes { kept_positions(plan) } else { 0 },
        context: plan.context,
        // Several rows must give the bits of single ones, or a draft would change an answer.
        prompt_lookup: options.prompt_lookup && options.device.computes_rows_alike(),
        draft_always: options.draft_always,
        migrate_weights: options.migrate_weights,
    }
}

/// Returns how many positions are kept for later requests: a few whole contexts, because several agents may take
/// turns, or fewer if the memory has no room for them.
fn kept_positions(plan: &MemoryPlan) -> usize {
    const CONTEXTS: usize = 4;
    plan.positions.min(plan.context.saturating_mul(CONTEXTS))
}

/// Computes a token and discards it. That brings weights into memory and wakes the threads while the
/// tokenizer is still being read.
fn warm_up(model: &dyn Model, ops: &mut dyn Ops) {
    let mut step = || {
        let sequence = ops.new_sequence();
        let mut batch = Batch::default();
        batch.push(sequence, 0, &[0], true);
        let result = match model.shape().output {
            Output::Logits => model.forward(ops, &batch),
            Output::States | Output::Score => model.states(ops, &batch),
        };
        ops.free_sequence(sequence);
        result
    };
    // A failure here repeats, and is reported, when a request runs.
    let _ = catch_unwind(AssertUnwindSafe(&mut step));
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("device", &self.device)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
