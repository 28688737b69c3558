//! Prompts of questions, with solved examples in front.

use std::fmt::Write as _;

use super::{EvalError, Format, Question, Task};

/// Solved questions to show before each question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    /// Number of examples in each prompt.
    pub shots: usize,
    /// Questions to choose from: the first ones are taken.
    pub tasks: Vec<Task>,
}

impl Examples {
    /// Returns the text that the choices of a question continue. Its examples have the same format and the same
    /// subject, and are other questions.
    pub(super) fn prompt(&self, format: Format, question: &Question) -> Result<String, EvalError> {
        let tasks = self.tasks.iter().filter(|task| task.format == format);
        let others = tasks.flat_map(|task| &task.questions);
        let fits = |it: &&Question| it.subject == question.subject && it.prompt != question.prompt;
        let chosen: Vec<&Question> = others.filter(fits).take(self.shots).collect();
        if chosen.len() < self.shots {
            return Err(EvalError::TooFewExamples {
                wanted: self.shots,
                found: chosen.len(),
                format: format.name(),
                subject: question.subject.clone(),
            });
        }
        let mut text = question.introduction.clone();
        for example in chosen {
            let answer = &example.choices[example.answer];
            let _ = write!(text, "{} {answer}\n\n", example.prompt);
        }
        text.push_str(&question.prompt);
        Ok(text)
    }

    /// Checks that there are examples for every question.
    pub fn check(&self, tasks: &[Task]) -> Result<(), EvalError> {
        for task in tasks {
            for question in &task.questions {
                self.prompt(task.format, question)?;
            }
        }
        Ok(())
    }
}
