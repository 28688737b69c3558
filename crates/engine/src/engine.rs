//! [`Engine`]: a loaded model and the thread that runs it.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mlxk_cpu::Cpu;
use mlxk_format::Checkpoint;
use mlxk_models::{Model, Progress};
use mlxk_ops::{Batch, Ops};
use mlxk_text::{ChatTemplate, TextError, Thinking, Tokenizer};

use crate::cache::disk::{DiskCache, Source};
use crate::cache::saved::{CacheAction, CacheJob};
use crate::draft_model::DraftModel;
use crate::event::Event;
use crate::generation::{CancelHandle, Generation};
use crate::grammar::{Grammar, Grammars};
use crate::scheduler::{Limits, Scheduler};
use crate::score::{ScoreJob, Turn};
use crate::task::{Sink, Task};
use crate::worker::{Command, serve};
use crate::{
    AnswerFormat, EngineError, LoadOptions, MemoryPlan, Request, SamplingDefaults, prompt,
};

/// A model, ready to answer. Dropping it ends all requests.
pub struct Engine {
    path: PathBuf,
    commands: Option<Sender<Command>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    grammars: Grammars,
    defaults: SamplingDefaults,
    plan: MemoryPlan,
    kv_bytes: Arc<AtomicU64>,
    vocab_size: usize,
    device: String,
    load_time: Duration,
}

impl Engine {
    /// Loads a checkpoint onto the processor.
    pub fn load(options: &LoadOptions, progress: &mut Progress<'_>) -> Result<Self, EngineError> {
        let started = Instant::now();
        if options.threads == Some(0) {
            let (option, expected) = ("threads", "at least 1");
            return Err(EngineError::BadOption { option, value: 0, expected });
        }
        let cpu = Cpu::new(options.cpu())?;
        let device = format!("{} · {} threads", cpu.instruction_set(), cpu.threads());
        Self::load_onto(Box::new(cpu), device, started, options, progress)
    }

    /// Loads a checkpoint onto a device of the caller's.
    pub fn load_on(
        ops: Box<dyn Ops>,
        device: impl Into<String>,
        options: &LoadOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Self, EngineError> {
        Self::load_onto(ops, device.into(), Instant::now(), options, progress)
    }

    fn load_onto(
        mut ops: Box<dyn Ops>,
        device: String,
        started: Instant,
        options: &LoadOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Self, EngineError> {
        for (option, value) in
            [("prefill_chunk", options.prefill_chunk), ("max_sequences", options.max_sequences)]
        {
            if value == 0 {
                return Err(EngineError::BadOption { option, value, expected: "at least 1" });
            }
        }
        // Reading a tokenizer takes as long as mapping a model, so the two go side by side.
        let folder = options.path.clone();
        let text = std::thread::Builder::new()
            .name("mlxk-tokenizer".to_owned())
            .spawn(move || Ok((Tokenizer::open(&folder)?, ChatTemplate::open(&folder)?)))?;
        let checkpoint = Checkpoint::open(&options.path)?;
        let defaults = SamplingDefaults::open(&options.path)?;
        let shape = mlxk_models::shape(&checkpoint)?;
        let plan = MemoryPlan::of(options, &checkpoint, &shape)?;
        checkpoint.will_need();
        let mut quietly = |done, total| progress(done, total);
        let model = mlxk_models::load(&checkpoint, &mut *ops, &mut quietly)?;
        ops.configure_cache(model.cache());
        if !text.is_finished() {
            warm_up(&*model, &mut *ops);
        }
        let text: Result<_, TextError> =
            text.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (tokenizer, template) = text?;
        let draft_model = options
            .draft_model
            .as_deref()
            .map(|path| DraftModel::load(path, options, &tokenizer, shape.vocab_size));

        let limits = Limits {
            chunk: options.prefill_chunk,
            sequences: options.max_sequences,
            kv_bytes: plan.kv_bytes,
            kept_positions: if options.reuse_prefixes { plan.context } else { 0 },
            prompt_lookup: options.prompt_lookup,
            draft_always: options.draft_always,
            move_weights: options.huge_pages,
        };
        let spill = options.spill.as_ref().filter(|_| limits.kept_positions > 0);
        let spill = spill.map(|spill| {
            let source = Source {
                fingerprint: checkpoint.fingerprint(),
                cache: &shape.cache,
                vocab_size: shape.vocab_size,
                positions: limits.kept_positions,
            };
            DiskCache::open(spill, &source, &*ops)
        });
        let (draft_model, spill) = (draft_model.transpose()?, spill.transpose()?);
        let kv_bytes = Arc::new(AtomicU64::new(0));
        let scheduler = Scheduler::new(
            model,
            ops,
            draft_model,
            spill,
            limits,
            plan.cost.clone(),
            Arc::clone(&kv_bytes),
        );
        let closing = Arc::new(AtomicBool::new(false));
        let (commands, receiver) = channel();
        let thread = {
            let closing = Arc::clone(&closing);
            std::thread::Builder::new()
                .name("mlxk-engine".to_owned())
                .spawn(move || serve(scheduler, &receiver, &closing))?
        };
        Ok(Self {
            path: options.path.clone(),
            commands: Some(commands),
            closing,
            thread: Some(thread),
            tokenizer,
            template,
            grammars: Grammars::default(),
            defaults,
            plan,
            kv_bytes,
            vocab_size: shape.vocab_size,
            device,
            load_time: started.elapsed(),
        })
    }

    /// Starts a request; its events come to the receiver that is returned.
    pub fn submit(&self, request: Request) -> Result<Generation, EngineError> {
        let (sender, events) = channel();
        let cancel = CancelHandle::default();
        let sink = move |event: Event| match sender.send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let prompt_tokens = self.submit_to(request, cancel.clone(), Box::new(sink))?;
        Ok(Generation { events, cancel, prompt_tokens })
    }

    /// Starts a request whose events go to `sink`, on the engine's thread; `Break` cancels it.
    /// Returns the number of tokens of the prompt.
    pub fn submit_to(
        &self,
        request: Request,
        cancel: CancelHandle,
        sink: Sink,
    ) -> Result<usize, EngineError> {
        let submitted = Instant::now();
        let order = prompt::order(self, request, cancel, sink, submitted)?;
        let prompt_tokens = order.prompt.len();
        self.send(Command::Run(Box::new(Task::new(order))))?;
        Ok(prompt_tokens)
    }

    /// Takes what [`Engine::save_prompt_cache`] wrote: requests that begin with the same tokens do
    /// not compute them again. Returns how many there are.
    pub fn load_prompt_cache(&self, path: &Path) -> Result<usize, EngineError> {
        self.cache(path, CacheAction::Load)
    }

    /// Writes the first `tokens` that the last request left in the KV cache to a file, once it has
    /// ended. Returns how many there were.
    pub fn save_prompt_cache(&self, path: &Path, tokens: usize) -> Result<usize, EngineError> {
        self.cache(path, CacheAction::Save { tokens })
    }

    fn cache(&self, path: &Path, action: CacheAction) -> Result<usize, EngineError> {
        let fingerprint = Checkpoint::open(&self.path)?.fingerprint();
        let (reply, result) = sync_channel(1);
        let job = CacheJob { path: path.to_owned(), action, fingerprint, reply };
        self.send(Command::Cache(job))?;
        result.recv().map_err(|_| EngineError::Stopped)?
    }

    /// The tokens of a prompt, as [`Engine::submit`] computes them.
    pub fn encode(&self, input: &crate::PromptInput) -> Result<Vec<u32>, EngineError> {
        Ok(prompt::encode(self, input, &serde_json::Map::new())?.ids)
    }

    /// What keeps an answer to a format.
    pub(crate) fn grammar(&self, format: &AnswerFormat) -> Result<Grammar, EngineError> {
        self.grammars.grammar(&self.tokenizer, self.vocab_size, format)
    }

    /// What the model thinks of given tokens: passes `visit` each position from `from` on with the
    /// `[vocab]` natural log-probabilities of the token after it. Running requests take turns with it.
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

    /// The rows of [`Engine::score`] as they come; dropping the receiver ends it.
    pub(crate) fn score_rows(
        &self,
        ids: Vec<u32>,
        from: usize,
        turn: Option<Turn>,
    ) -> Result<Receiver<Result<Vec<f32>, EngineError>>, EngineError> {
        prompt::check(&ids, self.vocab_size, self.context() + 1)?;
        // Few rows under way: they are large.
        let (rows, receiver) = sync_channel(2);
        self.send(Command::Score(ScoreJob { ids, from, rows, turn }))?;
        Ok(receiver)
    }

    /// All rows of [`Engine::score`] at once: `[positions, vocab]` log-probabilities.
    pub fn logits_for(&self, ids: Vec<u32>, from: usize) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut rows = Vec::new();
        self.score(ids, from, |_, row| {
            rows.push(row.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The model's chat template, where it has one.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// Returns what the chat template says about thinking.
    pub fn thinking(&self) -> Thinking {
        self.template.as_ref().map(ChatTemplate::thinking).unwrap_or_default()
    }

    /// What holds where a request is silent.
    pub fn defaults(&self) -> &SamplingDefaults {
        &self.defaults
    }

    /// Tokens of prompt and answer together.
    pub fn context(&self) -> usize {
        self.plan.context
    }

    /// What the engine takes of the memory.
    pub fn memory(&self) -> &MemoryPlan {
        &self.plan
    }

    /// Bytes that the KV cache occupies now.
    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes.load(Ordering::Relaxed)
    }

    /// Number of the model's token ids.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// What the model runs on, for people.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// How long loading took.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    fn send(&self, command: Command) -> Result<(), EngineError> {
        let commands = self.commands.as_ref().ok_or(EngineError::Stopped)?;
        commands.send(command).map_err(|_| EngineError::Stopped)
    }
}

/// Computes a token that nobody asked for, to bring the weights into memory and the threads to
/// work while the tokenizer is still being read.
fn warm_up(model: &dyn Model, ops: &mut dyn Ops) {
    let mut step = || {
        let sequence = ops.new_sequence();
        let mut batch = Batch::default();
        batch.push(sequence, 0, &[0], true);
        let result = model.forward(ops, &batch);
        ops.free_sequence(sequence);
        result
    };
    // What fails here fails again, and is reported, where it is asked for.
    let _ = catch_unwind(AssertUnwindSafe(&mut step));
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // The thread wakes when the channel closes.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("device", &self.device)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
