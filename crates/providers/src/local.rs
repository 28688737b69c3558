//! Models in this process, without a server.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use mlxk_chat::{CallEvent, Event, FinishReason, Request};
use mlxk_engine::embed::{EmbedInput, EmbedRequest};
use mlxk_engine::{CancelHandle, Engine, EngineError, LoadOptions};
use serde_json::Map;

use crate::answer::{Answer, Counts, Embedded, Native};
use crate::collect::Collect;
use crate::error::{ProviderError, Result};
use crate::limits::Limits;
use crate::provider::{OnEvent, Provider};

/// Time between two looks at the limits.
const LOOK: Duration = Duration::from_millis(20);

/// A model in this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Local {
    name: String,
    engine: Arc<Engine>,
}

impl Local {
    /// Returns a provider of an engine, whose model is called `name`.
    pub fn new(name: impl Into<String>, engine: Arc<Engine>) -> Self {
        Self { name: name.into(), engine }
    }

    /// Loads the checkpoint in a folder with the default options. It is called `name`.
    pub fn load(name: impl Into<String>, folder: &Path) -> Result<Self> {
        let name = name.into();
        let options = LoadOptions::new(folder);
        let engine = Engine::load(&options, &mut |_, _| ControlFlow::Continue(()));
        let engine = engine.map_err(|error| failed(&name, &error))?;
        Ok(Self::new(name, Arc::new(engine)))
    }

    fn failed(&self, error: &EngineError) -> ProviderError {
        failed(&self.name, error)
    }

    /// Refuses requests for another model.
    fn check(&self, model: &str) -> Result<()> {
        if model == self.name {
            return Ok(());
        }
        let message = format!("this process has loaded `{}`", self.name);
        let address = "this process".to_owned();
        Err(ProviderError::ModelMissing { address, model: model.to_owned(), message })
    }

    fn request(&self, request: &Request) -> Result<mlxk_engine::Request> {
        let mut asked = mlxk_engine::Request::new(request.prompt.clone());
        asked.sampling = request.sampling.clone();
        asked.max_tokens = request.max_tokens;
        asked.format.clone_from(&request.format);
        asked.tools.clone_from(&request.tools);
        asked.stop.clone_from(&request.stop);
        let refused = |problem: String| {
            let model = self.name.clone();
            ProviderError::Local { model, problem }
        };
        if let Some(name) = request.extra.keys().next() {
            return Err(refused(format!("there is no parameter `{name}`")));
        }
        let variables = request.thinking.map(|mode| self.engine.thinking().variables(mode));
        let variables = variables.transpose().map_err(|reason| refused(reason.to_string()))?;
        asked.template_variables = variables.unwrap_or_else(Map::new);
        Ok(asked)
    }

    /// Returns the error for an answer that takes too long.
    fn late(deadline: Duration, events: usize) -> ProviderError {
        let address = "this process".to_owned();
        ProviderError::Deadline { address, seconds: crate::endpoint::seconds(deadline), events }
    }
}

impl Provider for Local {
    fn label(&self) -> String {
        "mlxk in this process".to_owned()
    }

    fn models(&self) -> Result<Vec<String>> {
        Ok(vec![self.name.clone()])
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer> {
        self.check(&request.model)?;
        limits.check()?;
        let started = Instant::now();
        // Dropping it cancels the request.
        let generation =
            self.engine.submit(self.request(request)?).map_err(|error| self.failed(&error))?;
        let mut collect = Collect::new(on_event);
        loop {
            limits.check()?;
            let at = started.elapsed();
            if let Some(deadline) = limits.deadline.filter(|deadline| at >= *deadline) {
                return Err(Self::late(deadline, collect.answer.heard.arrivals.len()));
            }
            let event = match generation.recv_timeout(LOOK) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failed(&EngineError::Stopped));
                }
            };
            let at = started.elapsed();
            match event {
                Event::Text(text) => collect.text(&text, at)?,
                Event::Reasoning(text) => collect.reasoning(&text, at)?,
                Event::Call(CallEvent::Begin { name, id, .. }) => {
                    collect.call(id.as_deref(), &name, at)?;
                }
                Event::Call(CallEvent::Arguments { text, .. }) => collect.arguments(&text, at)?,
                Event::Call(CallEvent::End { .. }) => collect.close_call()?,
                Event::Call(CallEvent::Broken { text, .. }) => {
                    let (model, problem) = (self.name.clone(), format!("invalid call: {text}"));
                    return Err(ProviderError::Local { model, problem });
                }
                Event::Done(done) => {
                    let seconds = |time: Duration| time.as_secs_f64();
                    let answer = &mut collect.answer;
                    answer.finish_reason = Some(done.finish_reason.as_str().to_owned());
                    answer.usage = Counts {
                        prompt_tokens: Some(done.usage.prompt_tokens),
                        cached_tokens: Some(done.usage.cached_tokens),
                        completion_tokens: Some(done.usage.completion_tokens),
                        reasoning_tokens: Some(done.usage.reasoning_tokens),
                    };
                    answer.native = Some(Native {
                        load_seconds: None,
                        prefill_seconds: seconds(done.timings.prefill),
                        decode_seconds: seconds(done.timings.decode),
                    });
                    let reason = match done.finish_reason {
                        FinishReason::ContextFull => FinishReason::MaxTokens,
                        reason => reason,
                    };
                    collect.finish(reason, at)?;
                    return Ok(collect.answer);
                }
                Event::Error(error) => return Err(self.failed(&error)),
                _ => {}
            }
        }
    }

    fn embed(&self, model: &str, texts: &[String], limits: &Limits) -> Result<Embedded> {
        self.check(model)?;
        limits.check()?;
        let inputs = texts.iter().map(|text| EmbedInput::Text(text.clone())).collect();
        let request = EmbedRequest { inputs, ..EmbedRequest::default() };
        let cancel = CancelHandle::default();
        let embedded = self.engine.embed(&request, &cancel).map_err(|error| self.failed(&error))?;
        Ok(Embedded { vectors: embedded.vectors, tokens: Some(embedded.tokens) })
    }
}

fn failed(model: &str, error: &EngineError) -> ProviderError {
    match error {
        EngineError::PromptTooLong { .. } => ProviderError::TooLong {
            address: "this process".to_owned(),
            message: error.to_string(),
        },
        _ => ProviderError::Local { model: model.to_owned(), problem: error.to_string() },
    }
}
