//! A provider that chooses among others.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use mlxk_chat::Request;
use mlxk_providers::{Answer, Client, Embedded, Limits, OnEvent, Provider, ProviderError, Result};

use crate::breaker::Breaker;
use crate::calibrate::calibrate;
use crate::candidate::Candidate;
use crate::choose::{Choice, Chooser, Measured};
use crate::policy::Policy;
use crate::sample::Sample;
use crate::table::{Subject, Table};

type Open = dyn Fn() -> Result<Client> + Send + Sync;

/// A candidate, and the way to ask it. It is opened when it is first asked, because that may load a model.
pub struct Backend {
    /// The candidate.
    pub candidate: Candidate,
    open: Box<Open>,
    client: OnceLock<Client>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

impl Backend {
    /// Returns a candidate that `open` opens.
    pub fn new(
        candidate: Candidate,
        open: impl Fn() -> Result<Client> + Send + Sync + 'static,
    ) -> Self {
        Self { candidate, open: Box::new(open), client: OnceLock::new() }
    }

    /// Returns a candidate that is open already.
    pub fn of(candidate: Candidate, client: Client) -> Self {
        Self::new(candidate, move || Ok(client.clone()))
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = (self.open)()?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Chooses the program that answers the requests for one model. A candidate that fails before its first event is replaced by the next
/// one; an answer that has begun is not repeated.
#[derive(Debug)]
pub struct Router {
    machine: String,
    model: String,
    backends: Vec<Backend>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    table: Table,
    chooser: Chooser,
    breakers: Vec<Breaker>,
}

impl Router {
    /// Returns a router for the model that users call `model`, on the machine called `machine`.
    pub fn new(
        machine: impl Into<String>,
        model: impl Into<String>,
        backends: Vec<Backend>,
        policy: Policy,
        table: Table,
    ) -> Self {
        let breakers = vec![Breaker::default(); backends.len()];
        let state = State { table, chooser: Chooser::new(policy), breakers };
        Self { machine: machine.into(), model: model.into(), backends, state: Mutex::new(state) }
    }

    /// Returns the names of the candidates without figures, which [`calibrate`](Self::calibrate) measures.
    pub fn unmeasured(&self) -> Vec<&str> {
        let is_known = |index| {
            self.state().table.get(&self.subject(index)).is_some_and(|series| !series.is_empty())
        };
        let missing = (0..self.backends.len()).filter(|&index| !is_known(index));
        missing.map(|index| self.backends[index].candidate.id.as_str()).collect()
    }

    /// Measures the candidates without figures, each within the deadline of `limits`. One that cannot be measured
    /// counts as failed; the errors are returned with their names. `on_request` receives the name of a candidate, the
    /// number of its finished requests, and of all.
    pub fn calibrate(
        &self,
        limits: &Limits,
        on_request: &mut dyn FnMut(&str, usize, usize),
    ) -> Vec<(String, ProviderError)> {
        let mut errors = Vec::new();
        for (index, backend) in self.backends.iter().enumerate() {
            let subject = self.subject(index);
            if self.state().table.get(&subject).is_some_and(|series| !series.is_empty()) {
                continue;
            }
            let mut told = |done, all| on_request(&backend.candidate.id, done, all);
            let measured = backend.client().and_then(|client| {
                calibrate(client.provider.as_ref(), &client.model, limits, &mut told)
            });
            match measured {
                Ok(samples) => {
                    let mut state = self.state();
                    for sample in samples {
                        state.table.add(&subject, sample);
                    }
                }
                Err(error) => {
                    let now = Instant::now();
                    // A candidate that cannot even be measured is not chosen now.
                    (0..3).for_each(|_| self.state().breakers[index].failed(now));
                    errors.push((backend.candidate.id.clone(), error));
                }
            }
        }
        errors
    }

    /// Checks which candidates can be asked, by a question that a running server answers at once. Those that don't answer count as
    /// failed.
    pub fn check_health(&self) {
        for (index, backend) in self.backends.iter().enumerate() {
            // A model that is not loaded yet is not loaded for a check.
            let Some(client) = backend.client.get() else { continue };
            let outcome = client.provider.models();
            let breaker = &mut self.state().breakers[index];
            match outcome {
                Ok(_) => breaker.succeeded(),
                Err(_) => breaker.failed(Instant::now()),
            }
        }
    }

    /// Chooses a candidate without asking it. Fails if there is none that can be asked.
    pub fn choose(&self) -> Result<Choice> {
        self.choose_among(&[])
    }

    /// Returns the candidate with this index.
    pub fn candidate(&self, index: usize) -> &Candidate {
        &self.backends[index].candidate
    }

    /// Returns the way to ask the candidate with this index. May load its model.
    pub fn client(&self, index: usize) -> Result<&Client> {
        self.backends[index].client()
    }

    /// Returns the table with everything that was measured.
    pub fn table(&self) -> Table {
        self.state().table.clone()
    }

    /// Adds the figures of a request that was sent past the router.
    pub fn record(&self, index: usize, sample: Sample) {
        let subject = self.subject(index);
        self.state().table.add(&subject, sample);
    }

    fn choose_among(&self, tried: &[usize]) -> Result<Choice> {
        let now = Instant::now();
        let subjects: Vec<_> = (0..self.backends.len()).map(|index| self.subject(index)).collect();
        let mut state = self.state();
        let State { table, chooser, breakers } = &mut *state;
        let measured: Vec<_> = self
            .backends
            .iter()
            .enumerate()
            .map(|(index, backend)| Measured {
                candidate: &backend.candidate,
                series: table.get(&subjects[index]),
                is_healthy: !tried.contains(&index) && breakers[index].is_open(now),
            })
            .collect();
        chooser.choose(&measured).ok_or_else(|| ProviderError::Unreachable {
            address: self.label(),
            problem: "none of them can be asked".to_owned(),
        })
    }

    fn subject(&self, index: usize) -> Subject {
        Subject::new(&*self.machine, &*self.model, &self.backends[index].candidate)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks candidates in the order of choice until one of them works.
    fn first<T>(&self, mut ask: impl FnMut(&Client, &mut bool) -> Result<T>) -> Result<(usize, T)> {
        let mut tried = Vec::new();
        let mut last = None;
        loop {
            let choice = match self.choose_among(&tried) {
                Ok(choice) => choice,
                // The failure of the one that was asked says more than that there is no other.
                Err(error) => return Err(last.unwrap_or(error)),
            };
            let index = choice.index;
            // After a pause, only one request tries.
            if !self.state().breakers[index].allows(Instant::now()) {
                tried.push(index);
                continue;
            }
            let mut has_begun = false;
            let client = self.backends[index].client();
            let outcome = client.and_then(|client| ask(client, &mut has_begun));
            let mut state = self.state();
            match outcome {
                Ok(answer) => {
                    state.breakers[index].succeeded();
                    return Ok((index, answer));
                }
                Err(error) if error.is_passing() => {
                    state.breakers[index].failed(Instant::now());
                    if has_begun {
                        return Err(error);
                    }
                    tried.push(index);
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Provider for Router {
    fn label(&self) -> String {
        let names: Vec<_> = self.backends.iter().map(|it| it.candidate.id.as_str()).collect();
        format!("one of {}", names.join(", "))
    }

    fn models(&self) -> Result<Vec<String>> {
        Ok(vec![self.model.clone()])
    }

    fn answer(
        &self,
        request: &Request,
        limits: &Limits,
        on_event: &mut OnEvent<'_>,
    ) -> Result<Answer> {
        let (index, answer) = self.first(|client, has_begun| {
            let request = Request { model: client.model.clone(), ..request.clone() };
            client.provider.answer(&request, limits, &mut |event| {
                *has_begun = true;
                on_event(event)
            })
        })?;
        self.record(index, Sample::of(&answer, false));
        Ok(answer)
    }

    fn embed(&self, _: &str, texts: &[String], limits: &Limits) -> Result<Embedded> {
        let embedded = self.first(|client, _| client.provider.embed(&client.model, texts, limits));
        embedded.map(|(_, vectors)| vectors)
    }
}
