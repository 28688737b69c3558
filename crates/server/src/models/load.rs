//! Loading a model: make room first, then load the weights.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use mlxk_engine::{Engine, LoadOptions, MemoryPlan};
use mlxk_hub::Resolved;

use super::keep_alive::Expiry;
use super::memory::{share_bytes, wanted_bytes};
use super::places::Places;
use super::resolve::unknown;
use super::{KeepAlive, Lease, Loaded, Models, context_of, drop_quietly};
use crate::blocking::blocking;
use crate::error::{ApiError, Kind};

/// Next step towards room for a model.
enum Room {
    /// There is room, for this many bytes if there is a limit.
    Ready(Option<u64>),
    /// An idle model was taken out, and has to be dropped.
    Gone(Box<Loaded>),
    /// A busy model has to finish its requests first.
    Wait,
}

impl Models {
    /// Loads a model. The caller holds the lock of `loading`.
    pub(super) async fn load(
        &self,
        model: Resolved,
        keep: Option<KeepAlive>,
    ) -> Result<Lease, ApiError> {
        // Models that were waited for take requests again, whatever comes of this load.
        let draining = Draining(self);
        self.has_a_place()?;
        if !model.path.exists() {
            // The server's own model, which is not looked up again.
            return Err(unknown(&model.name, "it was removed after the server had started"));
        }
        let wanted = self.options(&model);
        let without_gpu = wanted.without_gpu();
        let options = blocking(move || Ok(wanted.settled(&mut go_on)?)).await?;
        let is_gpu = options.device.is_gpu();
        let started = Instant::now();
        let loaded = self.load_with(&model, options).await;
        let (engine, bytes) = match (loaded, without_gpu) {
            (Err(error), Some(options)) if is_gpu => {
                let reason = error.message;
                tracing::warn!(
                    model = model.name,
                    reason,
                    "runs on the CPU, because the GPU failed"
                );
                self.load_with(&model, options).await?
            }
            (loaded, _) => loaded?,
        };
        drop(draining);
        let config = &self.0.config;
        let reserved_bytes = bytes.unwrap_or_else(|| engine.memory().fixed_bytes());
        let named_context = model.overrides.parameters.ctx;
        tracing::info!(
            model = model.name,
            device = engine.device(),
            context = context_of(&engine, named_context),
            weights_mb = engine.memory().weights_bytes / 1_000_000,
            memory_limit_mb = reserved_bytes / 1_000_000,
            ms = started.elapsed().as_millis() as u64,
            "loaded"
        );
        // The server's own model stays until another one needs its place.
        let usual = if self.is_own(&model) { KeepAlive::Forever } else { config.keep_alive };
        self.lock().push(Loaded {
            path: model.path.clone(),
            name: model.base.clone().unwrap_or_else(|| model.name.clone()),
            called: None,
            named_context,
            revision: model.revision.clone(),
            engine: Arc::new(engine),
            places: Places::new(config.parallel + config.queue),
            reserved_bytes,
            leases: 0,
            last_used: Instant::now(),
            keep: usual,
            expiry: Expiry::NEVER,
            draining: false,
        });
        self.lease(&model, keep).ok_or_else(ApiError::panicked)
    }

    /// Loads a model with these options. Returns it with the bytes that it may take, if there is a limit.
    async fn load_with(
        &self,
        model: &Resolved,
        options: LoadOptions,
    ) -> Result<(Engine, Option<u64>), ApiError> {
        let plan = self.plan(options.clone()).await?;
        let memory_bytes = self.make_room(model, &plan).await?;
        let options = LoadOptions { memory_bytes, ..options };
        let load = move || Ok(Engine::load(&options, &mut go_on)?);
        Ok((blocking(load).await?, memory_bytes))
    }

    /// Returns `true` if the server was started with this model.
    fn is_own(&self, model: &Resolved) -> bool {
        self.0.config.model.as_ref().is_some_and(|own| own.resolved.path == model.path)
    }

    fn options(&self, model: &Resolved) -> LoadOptions {
        let config = &self.0.config;
        LoadOptions {
            device: config.device.clone(),
            prompt_lookup: config.prompt_lookup,
            migrate_weights: config.huge_pages,
            draft_model: config.draft_model.clone().filter(|_| self.is_own(model)),
            context: config.context,
            spill: config.spill.clone(),
            max_sequences: config.parallel,
            ..LoadOptions::new(&model.path)
        }
    }

    /// Plans the model's memory as if every other model that may be unloaded were gone.
    async fn plan(&self, options: LoadOptions) -> Result<MemoryPlan, ApiError> {
        let pinned: u64 = {
            let loaded = self.lock();
            let pinned = loaded.iter().filter(|it| it.keep == KeepAlive::Pinned);
            pinned.map(|model| model.reserved_bytes).sum()
        };
        let most = self.0.limit_bytes.map(|limit| limit.saturating_sub(pinned));
        let options = LoadOptions { memory_bytes: most, ..options };
        let plan = blocking(move || Ok(MemoryPlan::for_load(&options)?)).await;
        let is_limited = self.0.config.memory_limit_bytes.is_some();
        plan.map_err(|error| match error.kind {
            Kind::Memory if is_limited => {
                let message = format!("{}, or raise `--memory-limit`", error.message);
                ApiError { message, ..error }
            }
            _ => error,
        })
    }

    /// Unloads other models until there is room. Returns the bytes that the model may take, if there is a limit.
    async fn make_room(
        &self,
        model: &Resolved,
        plan: &MemoryPlan,
    ) -> Result<Option<u64>, ApiError> {
        loop {
            let idle = self.0.idle.notified();
            match self.room(plan)? {
                Room::Ready(bytes) => return Ok(bytes),
                Room::Gone(gone) => {
                    tracing::info!(model = gone.name, for_model = model.name, "unloaded");
                    drop_quietly(Some(*gone)).await;
                }
                Room::Wait => idle.await,
            }
        }
    }

    fn room(&self, plan: &MemoryPlan) -> Result<Room, ApiError> {
        let config = &self.0.config;
        let mut loaded = self.lock();
        let wanted = wanted_bytes(plan, config.context);
        let taken: u64 = loaded.iter().map(|model| model.reserved_bytes).sum();
        let free = self.0.limit_bytes.map(|limit| limit.saturating_sub(taken));
        let has_place = loaded.len() < config.max_models.max(1);
        let fits = free.is_none_or(|free| free >= wanted);
        let is_last = loaded.len() + 1 >= config.max_models;
        let share = free.map(|free| share_bytes(wanted, free, is_last));
        if has_place && fits {
            return Ok(Room::Ready(share));
        }
        let can_go = |model: &&Loaded| model.keep != KeepAlive::Pinned;
        let oldest = |models: &[Loaded], idle: bool| {
            let candidates = models.iter().filter(can_go).filter(|it| (it.leases == 0) == idle);
            let path = candidates.min_by_key(|model| model.last_used)?.path.clone();
            models.iter().position(|model| model.path == path)
        };
        if let Some(index) = oldest(&loaded, true) {
            return Ok(Room::Gone(Box::new(loaded.swap_remove(index))));
        }
        if let Some(index) = oldest(&loaded, false) {
            loaded[index].draining = true;
            return Ok(Room::Wait);
        }
        if has_place {
            // No model can be unloaded. A smaller context may fit; if not, the engine reports it.
            return Ok(Room::Ready(share));
        }
        Err(all_pinned(config.max_models))
    }

    /// Fails if every place is taken by a pinned model.
    fn has_a_place(&self) -> Result<(), ApiError> {
        let most = self.0.config.max_models.max(1);
        let stays = |model: &&Loaded| model.keep == KeepAlive::Pinned;
        if self.lock().iter().filter(stays).count() < most { Ok(()) } else { Err(all_pinned(most)) }
    }
}

fn all_pinned(places: usize) -> ApiError {
    let message = format!(
        "All {places} places are taken by pinned models; unload one with `mlxk stop`, or allow more \
         with `--max-models`"
    );
    ApiError::new(Kind::Memory, message)
}

/// Lets a model be loaded to its end. The process doesn't wait for that when it stops.
fn go_on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Lets models that were about to be unloaded take requests again.
struct Draining<'a>(&'a Models);

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        self.0.lock().iter_mut().for_each(|model| model.draining = false);
    }
}
