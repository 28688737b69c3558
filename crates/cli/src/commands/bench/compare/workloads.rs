//! Builds the workloads that the options ask for.

use mlxk_bench::compare::Workload;

use crate::args::{CompareArgs, WorkloadName};

/// Minimum context length.
const LEAST_CONTEXT: usize = 2048;
/// Tokens for a chat template, a marker and a question.
const AROUND: usize = 256;
/// Characters per token, if there is no tokenizer to count with.
const CHARACTERS: usize = 4;

/// Counts tokens, if there is a tokenizer.
type Count<'a> = &'a dyn Fn(&str) -> Option<usize>;

/// Returns the workloads.
pub(super) fn of(args: &CompareArgs, count: Count<'_>) -> Vec<Workload> {
    let (prompt, max) = (args.prompt.as_str(), args.max_tokens as usize);
    let tokens = args.prompt_tokens as usize;
    let count = |text: &str| length(text, count);
    if args.synthetic.is_some() {
        let lengths = depths(args, tokens);
        return lengths.into_iter().map(|tokens| Workload::raw(tokens, max, &count)).collect();
    }
    let mut kinds = args.workload.clone();
    if kinds.is_empty() {
        kinds.push(WorkloadName::Chat);
    }
    if !args.contexts.is_empty() {
        kinds.push(WorkloadName::Document);
    }
    let mut workloads: Vec<Workload> = Vec::new();
    for kind in kinds {
        let more = match kind {
            WorkloadName::Chat => vec![Workload::chat(prompt, max)],
            WorkloadName::Code => vec![Workload::code(max)],
            WorkloadName::Document => depths(args, tokens)
                .into_iter()
                .map(|tokens| Workload::document(tokens, max, &count))
                .collect(),
            WorkloadName::Prefix => vec![Workload::prefix(tokens, max, &count)],
            WorkloadName::Clients => {
                vec![Workload::clients(prompt, args.concurrency as usize, max)]
            }
        };
        for workload in more {
            if !workloads.iter().any(|known| known.name == workload.name) {
                workloads.push(workload);
            }
        }
    }
    workloads
}

fn depths(args: &CompareArgs, otherwise: usize) -> Vec<usize> {
    if args.contexts.is_empty() {
        vec![otherwise]
    } else {
        args.contexts.iter().map(|&tokens| tokens as usize).collect()
    }
}

/// Returns the context length for the longest workload of those that fit into `most` tokens.
pub(super) fn context(workloads: &[Workload], count: Count<'_>, most: usize) -> usize {
    let lengths = workloads.iter().map(|it| (length(it.prompt.text(), count), it.max_tokens));
    let fitting = lengths.filter(|(prompt, _)| *prompt < most);
    let longest = fitting.map(|(prompt, answer)| prompt + answer).max().unwrap_or(most) + AROUND;
    longest.max(LEAST_CONTEXT).next_multiple_of(256).min(most)
}

fn length(text: &str, count: Count<'_>) -> usize {
    count(text).unwrap_or_else(|| text.chars().count().div_ceil(CHARACTERS))
}
