//! Workloads that an engine cannot do, found before it is started.

use super::engine::{Engine, Settings};
use super::failure::Failure;
use super::workload::Workload;

/// Returns the reason that an engine cannot do a workload, as far as it is known in advance. `count`
/// counts tokens, if there is a tokenizer.
pub(super) fn unable(
    engine: &Engine,
    workload: &Workload,
    settings: &Settings,
    count: &dyn Fn(&str) -> Option<usize>,
) -> Option<Failure> {
    let tokens = count(workload.prompt.text())?;
    let context = settings.context;
    (tokens >= context).then(|| {
        Failure::new(
            format!(
                "The prompt of `{}` has {tokens} tokens, which don't fit into the context of \
                 {context} tokens of {}",
                workload.name, engine.title
            ),
            "Raise `--ctx` if the model allows it, or lower `--prompt-tokens`".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::engine::{EngineKind, ServerWay};

    #[test]
    fn a_prompt_that_fills_the_context_is_refused() {
        let kind = EngineKind::Ollama;
        let engine = Engine {
            kind,
            title: kind.title().to_owned(),
            version: None,
            model: "m".into(),
            model_in_requests: "m".into(),
            weights: None,
            server: ServerWay::Running { address: String::new() },
            key: None,
            equal_file: None,
        };
        let settings = Settings { context: 512, threads: None, seed: 0, ignore_end: false };
        let words = |text: &str| text.split_whitespace().count();
        let document = |tokens| Workload::document(tokens, 8, &words);
        let told =
            |tokens| unable(&engine, &document(tokens), &settings, &|text| Some(words(text)));
        assert_eq!(told(400), None);
        let error = told(600).unwrap().error;
        assert!(error.contains("`document of 600 tokens`") && error.contains("512"), "{error}");
        assert_eq!(unable(&engine, &document(600), &settings, &|_| None), None);
    }
}
