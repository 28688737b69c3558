//! The output of `mlxk eval`, for people and as JSON.

use mlxk_bench::eval::{self, Difference, Format, Judgement, Score, Task};
use mlxk_engine::perplexity::Estimate;
use serde_json::{Value, json};

use super::Measured;
use crate::commands::table;
use crate::{format, json, output};

/// The scores of all models, the first of which is the reference.
pub(super) struct Report<'a> {
    pub(super) tasks: &'a [Task],
    pub(super) shots: usize,
    pub(super) models: &'a [Measured],
}

/// Tasks that are scored together.
struct Group<'a> {
    name: String,
    /// Indices of the tasks.
    tasks: Vec<usize>,
    report: &'a Report<'a>,
}

impl Report<'_> {
    /// Writes the envelope.
    pub(super) fn write_json(&self) -> anyhow::Result<()> {
        let models: Vec<Value> = self.models.iter().map(|model| self.model_json(model)).collect();
        let data = json!({
            "shots": self.shots,
            "confidence": eval::CONFIDENCE,
            "device": self.models.first().map(|model| &model.device),
            "models": models,
        });
        json::print("eval", &data)
    }

    fn model_json(&self, model: &Measured) -> Value {
        let every = self.tasks.iter().enumerate().map(|(index, task)| Group {
            name: task.name(),
            tasks: vec![index],
            report: self,
        });
        let together = self.groups().into_iter().filter(|group| group.tasks.len() > 1);
        let scores = every.chain(together).map(|group| {
            let score = group.score(model);
            let format = self.tasks[group.tasks[0]].format;
            json!({
                "task": group.name,
                "format": format.name(),
                "files": group.tasks.iter().map(|&index| self.tasks[index].path.to_string_lossy()).collect::<Vec<_>>(),
                "questions": score.questions,
                "acc": score.acc.mean,
                "acc_stderr": score.acc.standard_error,
                "acc_interval": score.acc_interval(),
                "acc_norm": score.acc_norm.map(|it| it.mean),
                "acc_norm_stderr": score.acc_norm.and_then(|it| it.standard_error),
                "acc_norm_interval": score.acc_norm_interval(),
                "chance": group.chance(),
                "cut_prompts": score.cut,
                "against_first": group.difference(model).map(|it| difference_json(&it)),
                "verdict": in_words(&score, group.difference(model).as_ref()),
            })
        });
        let scores: Vec<Value> = scores.collect();
        json!({"model": model.name, "tasks": scores})
    }

    /// Writes a table for each group of tasks.
    pub(super) fn write_table(&self) -> anyhow::Result<()> {
        for (number, group) in self.groups().iter().enumerate() {
            if number > 0 {
                output::stdout().line("")?;
            }
            group.write_table()?;
        }
        output::stdout().line("")?;
        output::stdout().line(format_args!(
            "In parentheses: the {:.0} % confidence interval. After ±: the standard error.",
            100.0 * eval::CONFIDENCE
        ))?;
        let cut: usize =
            self.models.iter().flat_map(|it| &it.answers).flatten().filter(|it| it.was_cut).count();
        if cut > 0 {
            let prompts = format::count(cut, "prompt");
            output::stdout().line("")?;
            output::stdout().line(format_args!(
                "{prompts} didn't fit into the context and lost the beginning"
            ))?;
        }
        Ok(())
    }

    /// Returns the tasks one by one, with all of MMLU together.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let is_mmlu = |&(_, task): &(usize, &Task)| task.format == Format::Mmlu;
        let mmlu: Vec<usize> =
            self.tasks.iter().enumerate().filter(is_mmlu).map(|(index, _)| index).collect();
        for (index, task) in self.tasks.iter().enumerate() {
            let group = match (task.format, mmlu.len()) {
                (Format::Mmlu, 2..) if mmlu.first() == Some(&index) => {
                    Group { name: "MMLU".into(), tasks: mmlu.clone(), report: self }
                }
                (Format::Mmlu, 2..) => continue,
                _ => Group { name: task.name(), tasks: vec![index], report: self },
            };
            groups.push(group);
        }
        groups
    }
}

impl Group<'_> {
    fn score(&self, model: &Measured) -> Score {
        let part = |&index: &usize| (&self.report.tasks[index], model.answers[index].as_slice());
        eval::score(&self.tasks.iter().map(part).collect::<Vec<_>>())
    }

    /// Returns the difference from the first model, or `None` for the first.
    fn difference(&self, model: &Measured) -> Option<Difference> {
        let first = self.report.models.first().filter(|first| !std::ptr::eq(*first, model))?;
        let part = |&index: &usize| {
            (
                &self.report.tasks[index],
                model.answers[index].as_slice(),
                first.answers[index].as_slice(),
            )
        };
        Some(eval::difference(&self.tasks.iter().map(part).collect::<Vec<_>>()))
    }

    fn chance(&self) -> f64 {
        let tasks = || self.tasks.iter().map(|&index| &self.report.tasks[index]);
        let questions: usize = tasks().map(|task| task.questions.len()).sum();
        let right: f64 = tasks().map(|task| task.chance() * task.questions.len() as f64).sum();
        right / questions as f64
    }

    fn write_table(&self) -> anyhow::Result<()> {
        let format = self.report.tasks[self.tasks[0]].format;
        let questions = self.tasks.iter().map(|&index| self.report.tasks[index].questions.len());
        let questions = format::count(questions.sum(), "question");
        let shots = format::count(self.report.shots, "example");
        let source = match self.tasks.len() {
            1 => format.name().to_owned(),
            files => format::count(files, "file"),
        };
        output::stdout().line(format_args!(
            "{} ({source}): {questions}, {shots}; guessing answers {:.0} %",
            self.name,
            100.0 * self.chance()
        ))?;
        output::stdout().line("")?;
        let mut header = vec!["Model", "acc"];
        if format.is_normalized() {
            header.push("acc_norm");
        }
        header.push(if format.is_normalized() { "Verdict (acc_norm)" } else { "Verdict" });
        let header = header.into_iter().map(str::to_owned).collect();
        let rows = self.report.models.iter().map(|model| self.row(model));
        table::print(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
    }

    fn row(&self, model: &Measured) -> Vec<String> {
        let score = self.score(model);
        let mut row = vec![model.name.clone(), percent(&score.acc, score.acc_interval())];
        let normalized = score.acc_norm.as_ref().zip(score.acc_norm_interval());
        row.extend(normalized.map(|(share, interval)| percent(share, interval)));
        row.push(in_words(&score, self.difference(model).as_ref()));
        row
    }
}

/// Formats a share with its confidence interval, like `56.2 % (52.6 to 59.8)`.
fn percent(share: &Estimate, [low, high]: [f64; 2]) -> String {
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * share.mean, 100.0 * low, 100.0 * high)
}

fn in_words(score: &Score, difference: Option<&Difference>) -> String {
    let guessing = if score.is_guessing { ", not certainly better than guessing" } else { "" };
    let Some(Difference { mean, judgement }) = difference else {
        return format!("reference{guessing}");
    };
    let points = 100.0 * mean.mean.abs();
    // If all questions differ alike, the standard error would be 0, but that would not be certainty.
    let error = mean.standard_error.filter(|error| *error > 0.0);
    let error = error.map(|error| format!(" ± {:.1}", 100.0 * error)).unwrap_or_default();
    match judgement {
        Judgement::NoDifference => format!("no certain difference{guessing}"),
        Judgement::Better => format!("{points:.1}{error} points better{guessing}"),
        Judgement::Worse => format!("{points:.1}{error} points worse{guessing}"),
    }
}

fn difference_json(difference: &Difference) -> Value {
    json!({
        "difference": difference.mean.mean,
        "difference_stderr": difference.mean.standard_error,
        "is_a_difference": difference.judgement != Judgement::NoDifference,
    })
}
