//! The measurement.

use super::session::{Session, WorkerCommand};
use super::subject::{ModelFacts, Subject};
use super::worker::{Sample, Workload};
use super::{Comparison, DecodeResult, ModelOptions, ModelReport, ModelResult, SCHEMA};
use crate::limits::Limits;
use crate::statistics::{CONFIDENCE, Ratio, Summary};
use crate::{BenchError, InstructionSet, Machine, Observe};

/// Tokens of the prompt of a fresh process.
const START_TOKENS: usize = 32;
/// The prompts of all depths begin alike, so a process computes each only once.
const DEPTH_SALT: u64 = 0;

/// One test of a round.
#[derive(Clone, Copy)]
enum Test {
    Start,
    Prefill,
    Decode(usize),
}

/// Samples of a model so far.
#[derive(Default)]
struct Figures {
    load: Vec<f64>,
    start: Vec<f64>,
    first_token: Vec<f64>,
    prefill: Vec<f64>,
    /// Samples by depth.
    decode: Vec<Vec<f64>>,
    drafted: Vec<[usize; 2]>,
    peak_memory: Option<u64>,
}

struct Runner<'a> {
    options: &'a ModelOptions,
    command: &'a WorkerCommand,
    subjects: &'a [Subject],
    sessions: Vec<Session>,
    figures: Vec<Figures>,
}

/// Measures the limits of the machine, then the models, which take turns.
pub fn run(
    options: &ModelOptions,
    subjects: &[Subject],
    command: &WorkerCommand,
    version: &str,
    observe: &mut Observe<'_>,
) -> Result<ModelReport, BenchError> {
    let facts: Vec<ModelFacts> =
        subjects.iter().map(|subject| ModelFacts::of(&subject.folder)).collect::<Result<_, _>>()?;
    let longest = options.contexts.iter().map(|depth| depth + options.max_tokens);
    let needed = longest.fold((options.prompt_tokens + 1).max(START_TOKENS + 1), usize::max);
    for (subject, facts) in subjects.iter().zip(&facts) {
        if needed > facts.max_positions {
            let (model, maximum) = (subject.name.clone(), facts.max_positions);
            return Err(BenchError::TooLong { model, needed, maximum });
        }
    }
    let mut tests = vec![Test::Start, Test::Prefill];
    tests.extend((0..options.contexts.len()).map(Test::Decode));
    let rounds = options.warmup + options.runs;
    let steps = rounds * tests.len() * subjects.len() + 1;
    let mut begin = crate::steps(steps, observe);
    begin("Measuring the limits of the machine")?;
    let machine = Machine::look();
    let set = options.engine.instructions.as_deref().and_then(InstructionSet::of_word);
    let limits = Limits::measure(options.engine.threads, set, &machine)?;
    let positions = positions(options);
    let mut sessions = Vec::new();
    for subject in subjects {
        let Subject { name, folder } = subject;
        sessions.push(Session::start(command, name, folder, &options.engine, positions)?);
    }
    let figures = subjects
        .iter()
        .map(|_| Figures {
            decode: vec![Vec::new(); options.contexts.len()],
            drafted: vec![[0; 2]; options.contexts.len()],
            ..Figures::default()
        })
        .collect();
    let mut runner = Runner { options, command, subjects, sessions, figures };
    for round in 0..rounds {
        for &test in &tests {
            for turn in 0..subjects.len() {
                // Going first may be a disadvantage, so the order alternates.
                let index = if round % 2 == 0 { turn } else { subjects.len() - 1 - turn };
                let round_name = crate::round_name("Round", round, options.warmup, options.runs);
                begin(&format!("{round_name}: {}", subjects[index].name))?;
                runner.measure(test, index, round)?;
            }
        }
    }
    let Runner { sessions, figures, .. } = runner;
    let mut models = Vec::new();
    for (((subject, facts), session), figures) in
        subjects.iter().zip(facts).zip(&sessions).zip(figures)
    {
        models.push(result(options, subject, facts, session, figures, &limits)?);
    }
    let comparisons = comparisons(&models);
    Ok(ModelReport {
        schema: SCHEMA.to_owned(),
        version: version.to_owned(),
        machine,
        limits,
        options: options.clone(),
        models,
        comparisons,
    })
}

/// Returns the positions that the prefix cache needs from one round to the next: all depths and two
/// prompts.
fn positions(options: &ModelOptions) -> usize {
    let depths: usize = options.contexts.iter().map(|depth| depth + options.max_tokens + 64).sum();
    (depths + 2 * (options.prompt_tokens + 64)).max(START_TOKENS + 64)
}

impl Runner<'_> {
    fn measure(&mut self, test: Test, index: usize, round: usize) -> Result<(), BenchError> {
        let counts = round >= self.options.warmup;
        let options = self.options;
        match test {
            Test::Start => {
                let Subject { name, folder } = &self.subjects[index];
                let engine = &options.engine;
                let room = START_TOKENS + 32;
                let mut fresh = Session::start(self.command, name, folder, engine, room)?;
                let salt = round as u64 + 1;
                fresh.run(Workload { prompt_tokens: START_TOKENS, salt, max_tokens: 1 })?;
                let age = fresh.age();
                if counts {
                    self.figures[index].load.push(fresh.loaded.load_seconds);
                    self.figures[index].start.push(age.as_secs_f64());
                }
            }
            Test::Prefill => {
                // No prompt of a round begins like that of another round.
                let salt = round as u64 + 1;
                let prompt_tokens = options.prompt_tokens;
                let sample = self.ask(index, Workload { prompt_tokens, salt, max_tokens: 1 })?;
                if counts {
                    let figures = &mut self.figures[index];
                    figures.first_token.push(sample.time_to_first_token_seconds);
                    figures.prefill.extend(sample.prefill_tokens_per_second);
                }
            }
            Test::Decode(depth) => {
                let sample = self.ask(
                    index,
                    Workload {
                        prompt_tokens: options.contexts[depth],
                        salt: DEPTH_SALT,
                        max_tokens: options.max_tokens,
                    },
                )?;
                if counts {
                    let figures = &mut self.figures[index];
                    figures.decode[depth].extend(sample.decode_tokens_per_second);
                    figures.drafted[depth][0] += sample.drafted_tokens;
                    figures.drafted[depth][1] += sample.accepted_tokens;
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, index: usize, workload: Workload) -> Result<Sample, BenchError> {
        let sample = self.sessions[index].run(workload)?;
        self.figures[index].peak_memory = sample.peak_memory_bytes;
        Ok(sample)
    }
}

fn result(
    options: &ModelOptions,
    subject: &Subject,
    facts: ModelFacts,
    session: &Session,
    figures: Figures,
    limits: &Limits,
) -> Result<ModelResult, BenchError> {
    let summary = |samples: Vec<f64>| Summary::of(samples).ok_or(BenchError::NoFigures);
    let per_position = session.loaded.kv_bytes_per_position;
    let mut decode = Vec::new();
    for ((&context, samples), [drafted_tokens, accepted_tokens]) in
        options.contexts.iter().zip(figures.decode).zip(figures.drafted)
    {
        let tokens_per_second = summary(samples)?;
        let middle = context + options.max_tokens / 2;
        let cache = facts.cache_read_bytes(middle, per_position);
        let read_bytes_per_token = facts.read_bytes_per_token.map(|weights| weights + cache);
        // With drafts, one read of the weights serves several tokens.
        let share_of_read = read_bytes_per_token
            .filter(|_| !options.engine.drafts())
            .map(|bytes| limits.share_of_read(bytes as f64 * tokens_per_second.median));
        decode.push(DecodeResult {
            context,
            tokens_per_second,
            read_bytes_per_token,
            share_of_read,
            drafted_tokens,
            accepted_tokens,
        });
    }
    Ok(ModelResult {
        name: subject.name.clone(),
        facts,
        device: session.loaded.device.clone(),
        kv_bytes_per_position: per_position,
        load_seconds: summary(figures.load)?,
        start_to_first_token_seconds: summary(figures.start)?,
        time_to_first_token_seconds: summary(figures.first_token)?,
        prefill_tokens_per_second: summary(figures.prefill)?,
        decode,
        peak_memory_bytes: figures.peak_memory,
    })
}

/// Compares the first model with each of the others, measure by measure.
fn comparisons(models: &[ModelResult]) -> Vec<Comparison> {
    let Some((first, others)) = models.split_first() else { return Vec::new() };
    let mut all = Vec::new();
    for other in others {
        let mut add = |measure: String, better: &Summary, worse: &Summary| {
            let ratio = Ratio::paired(&better.samples, &worse.samples, CONFIDENCE);
            let against = other.name.clone();
            all.extend(ratio.map(|ratio| Comparison { measure, against, ratio }));
        };
        // Less time is better, so the other model's time is the numerator.
        let (ours, theirs) = (first, other);
        add("load".into(), &theirs.load_seconds, &ours.load_seconds);
        add(
            "start to first token".into(),
            &theirs.start_to_first_token_seconds,
            &ours.start_to_first_token_seconds,
        );
        add(
            "time to first token".into(),
            &theirs.time_to_first_token_seconds,
            &ours.time_to_first_token_seconds,
        );
        let (ours_prefill, theirs_prefill) =
            (&ours.prefill_tokens_per_second, &theirs.prefill_tokens_per_second);
        add("prefill".into(), ours_prefill, theirs_prefill);
        for (ours, theirs) in ours.decode.iter().zip(&theirs.decode) {
            let measure = format!("decode at {}", ours.context);
            add(measure, &ours.tokens_per_second, &theirs.tokens_per_second);
        }
    }
    all
}
