//! Workloads that cannot be done, found before an engine is started.

use super::failure::Failure;
use super::workload::Workload;

/// Returns the reason that no engine can do a workload, as far as it is known in advance. `context` is the context length
/// that will be set and `longest` that of the model. `count` counts tokens, if there is a tokenizer.
pub fn unable(
    workload: &Workload,
    context: usize,
    longest: usize,
    count: &dyn Fn(&str) -> Option<usize>,
) -> Option<Failure> {
    let tokens = count(workload.prompt.text()).filter(|tokens| *tokens >= context)?;
    let shorter = if workload.has_users_prompt() {
        "a shorter `--prompt`"
    } else {
        "a shorter text with `--prompt-tokens` or `--contexts`"
    };
    let (what, context, suggestion) = if tokens < longest {
        ("the context", context, format!("Raise `--ctx`, or choose {shorter}"))
    } else {
        ("the model's longest context", longest, format!("Choose {shorter}"))
    };
    Some(Failure::new(
        format!(
            "The prompt of `{}` has {tokens} tokens, which don't fit into {what} of {context} tokens",
            workload.name
        ),
        suggestion,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_fills_the_context_is_refused() {
        let words = |text: &str| text.split_whitespace().count();
        let document = |tokens| Workload::document(tokens, 8, &words);
        let told =
            |tokens, longest| unable(&document(tokens), 512, longest, &|text| Some(words(text)));
        assert_eq!(told(400, 512), None);
        let failure = told(600, 1024).unwrap();
        assert!(failure.error.contains("`document of 600 tokens`"), "{failure:?}");
        assert!(failure.error.ends_with("the context of 512 tokens"), "{failure:?}");
        assert!(failure.suggestion.unwrap().contains("`--ctx`"));
        let failure = told(600, 512).unwrap();
        assert!(failure.error.contains("the model's longest context"), "{failure:?}");
        assert!(!failure.suggestion.unwrap().contains("`--ctx`"));
        assert_eq!(unable(&document(600), 512, 512, &|_| None), None);
    }
}
