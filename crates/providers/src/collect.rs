//! Adds up an answer from what arrives, and passes it on as events.

use std::time::Duration;

use mlxk_chat::{Call, CallEvent, Done, Event, FinishReason, Timings, Usage};

use crate::answer::Answer;
use crate::error::{ProviderError, Result};
use crate::provider::OnEvent;

/// An answer that is arriving.
pub(crate) struct Collect<'a, 'b> {
    pub(crate) answer: Answer,
    on_event: &'a mut OnEvent<'b>,
    /// `true` once something was passed on, so that the request must not be repeated.
    pub(crate) has_begun: bool,
    /// Number of the call whose arguments arrive.
    open_call: Option<usize>,
}

impl<'a, 'b> Collect<'a, 'b> {
    pub(crate) fn new(on_event: &'a mut OnEvent<'b>) -> Self {
        Self { answer: Answer::default(), on_event, has_begun: false, open_call: None }
    }

    /// Adds text of the answer, unless it is empty.
    pub(crate) fn text(&mut self, text: &str, at: Duration) -> Result<()> {
        self.pass(&Event::Text(text.to_owned()), text, at)
    }

    /// Adds text of the reasoning, unless it is empty.
    pub(crate) fn reasoning(&mut self, text: &str, at: Duration) -> Result<()> {
        self.pass(&Event::Reasoning(text.to_owned()), text, at)
    }

    fn pass(&mut self, event: &Event, text: &str, at: Duration) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.close_call()?;
        match event {
            Event::Text(_) => self.answer.text.push_str(text),
            _ => self.answer.reasoning.push_str(text),
        }
        self.answer.heard.arrivals.push(at);
        self.send(event)
    }

    /// Begins a call. One without an id gets one.
    pub(crate) fn call(&mut self, id: Option<&str>, name: &str, at: Duration) -> Result<()> {
        self.close_call()?;
        let index = self.answer.calls.len();
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        let id = id.unwrap_or_else(|| format!("call_{index}"));
        let call = Call { id: id.clone(), name: name.to_owned(), arguments: String::new() };
        self.answer.calls.push(call);
        self.answer.heard.arrivals.push(at);
        self.open_call = Some(index);
        self.send(&Event::Call(CallEvent::Begin { index, name: name.to_owned(), id: Some(id) }))
    }

    /// Adds a piece of the arguments of the last call, unless it is empty.
    pub(crate) fn arguments(&mut self, text: &str, at: Duration) -> Result<()> {
        let Some(index) = self.open_call.filter(|_| !text.is_empty()) else { return Ok(()) };
        if let Some(call) = self.answer.calls.last_mut() {
            call.arguments.push_str(text);
        }
        self.answer.heard.arrivals.push(at);
        self.send(&Event::Call(CallEvent::Arguments { index, text: text.to_owned() }))
    }

    /// Ends the last call, if one is open.
    pub(crate) fn close_call(&mut self) -> Result<()> {
        let Some(index) = self.open_call.take() else { return Ok(()) };
        let empty = self.answer.calls.last_mut().filter(|call| call.arguments.is_empty());
        if let Some(call) = empty {
            call.arguments.push_str("{}");
            self.send(&Event::Call(CallEvent::Arguments { index, text: "{}".to_owned() }))?;
        }
        self.send(&Event::Call(CallEvent::End { index }))
    }

    /// Ends the answer. `total` is the time from the request to now.
    pub(crate) fn finish(&mut self, reason: FinishReason, total: Duration) -> Result<()> {
        // A call that was cut is not complete, and must not look so.
        if reason == FinishReason::MaxTokens {
            self.open_call = None;
        }
        self.close_call()?;
        self.answer.heard.total = total;
        let done = done(&self.answer, reason);
        // The answer is complete, so there is nothing left to stop.
        let _ = self.send(&Event::Done(done));
        Ok(())
    }

    fn send(&mut self, event: &Event) -> Result<()> {
        self.has_begun = true;
        if (self.on_event)(event).is_break() { Err(ProviderError::Cancelled) } else { Ok(()) }
    }
}

/// Reads a finish reason. Reasons that only some servers have count as the end.
pub(crate) fn finish_reason(word: Option<&str>) -> FinishReason {
    match word {
        Some("length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded") => {
            FinishReason::MaxTokens
        }
        _ => FinishReason::Eos,
    }
}

fn done(answer: &Answer, finish_reason: FinishReason) -> Done {
    let counts = &answer.usage;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let first = answer.heard.arrivals.first().copied().unwrap_or(answer.heard.total);
    let native = answer.native.as_ref();
    Done {
        finish_reason,
        usage: Usage {
            prompt_tokens: counts.prompt_tokens.unwrap_or(0),
            cached_tokens: counts.cached_tokens.unwrap_or(0),
            completion_tokens: counts.completion_tokens.unwrap_or(0),
            reasoning_tokens: counts.reasoning_tokens.unwrap_or(0),
            ..Usage::default()
        },
        timings: Timings {
            load: native.and_then(|it| it.load_seconds).map(seconds).unwrap_or_default(),
            prefill: native.map_or(first, |it| seconds(it.prefill_seconds)),
            decode: native
                .map_or(answer.heard.total.saturating_sub(first), |it| seconds(it.decode_seconds)),
            time_to_first_token: first,
            ..Timings::default()
        },
        seed: 0,
    }
}
