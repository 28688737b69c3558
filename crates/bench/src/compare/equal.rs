//! Checks that two engines are given equal work.

use super::engine::{Engine, Weights};

/// Share by which the weights or prompts of one side may exceed those of the other.
const TOLERANCE: f64 = 0.25;
/// Number of tokens by which templates may differ, however short the prompt is.
const TEMPLATE_TOKENS: usize = 16;

/// Share of the output matrix by which the difference of two models may miss it.
const NEAR: f64 = 0.02;

/// A model and the engine that runs it.
#[derive(Clone, Copy, Debug)]
pub struct Burden<'a> {
    /// Name of the engine.
    pub title: &'a str,
    /// Name of the model.
    pub model: &'a str,
    /// Storage of the model, if known.
    pub weights: Option<&'a Weights>,
}

/// Returns the reason that the weights of two engines are not equal work. `None` if they are, or if
/// a size is unknown.
pub fn unlike_weights(ours: &Engine, theirs: &Engine) -> Option<String> {
    fn burden(engine: &Engine) -> Burden<'_> {
        let Engine { title, model, weights, .. } = engine;
        Burden { title, model, weights: weights.as_ref() }
    }
    unlike(burden(ours), burden(theirs))
}

/// Returns the reason that the weights of two sides are not equal work. `None` if they are, or if a size is unknown.
pub fn unlike(ours: Burden<'_>, theirs: Burden<'_>) -> Option<String> {
    let (our, their) = (ours.weights?, theirs.weights?);
    differ(our.file_bytes as f64, their.file_bytes as f64).then(|| {
        format!(
            "the weights differ in size: `{}` has {} ({}), and `{}` has {} ({}){}",
            ours.model,
            described(our),
            ours.title,
            theirs.model,
            described(their),
            theirs.title,
            because(ours, theirs).map(|reason| format!(". {reason}")).unwrap_or_default()
        )
    })
}

/// Returns a suggestion with the option that makes mlxk use the other engine's weights.
pub fn equal_file(option: &str) -> String {
    format!("Run the same file in mlxk with `{option}`")
}

/// Returns the reason that the sizes of two models differ.
fn because(ours: Burden<'_>, theirs: Burden<'_>) -> Option<String> {
    let (our, their) = (ours.weights?, theirs.weights?);
    let (our_count, their_count) = (our.parameters?, their.parameters?);
    let (large, small) = if their_count > our_count { (theirs, ours) } else { (ours, theirs) };
    let more = our_count.abs_diff(their_count);
    let output = our.output_parameters.or(their.output_parameters);
    if let Some(output) =
        output.filter(|&it| it > 0 && it.abs_diff(more) as f64 <= NEAR * it as f64)
    {
        return Some(format!(
            "The file of {} has a second output matrix of {:.1} million parameters; the one of {} \
             uses its embedding instead",
            large.title,
            output as f64 / 1e6,
            small.title
        ));
    }
    if more as f64 > NEAR * our_count.max(their_count) as f64 {
        return Some(format!(
            "They have {:.1} and {:.1} million parameters",
            our_count as f64 / 1e6,
            their_count as f64 / 1e6
        ));
    }
    let (our, their) = (our.quantization.as_ref()?, their.quantization.as_ref()?);
    (our != their).then(|| format!("One is stored as {our}, the other as {their}"))
}

/// Returns the reason that two prompts are not equal work.
pub(super) fn unlike_prompts(
    workload: &str,
    (ours, our_title): (usize, &str),
    (theirs, title): (usize, &str),
) -> Option<String> {
    let close = ours.abs_diff(theirs) <= TEMPLATE_TOKENS;
    (!close && differ(ours as f64, theirs as f64)).then(|| {
        format!(
            "the prompt of `{workload}` has {ours} tokens in {our_title} and {theirs} in {title}"
        )
    })
}

fn differ(a: f64, b: f64) -> bool {
    a.max(b) > (1.0 + TOLERANCE) * a.min(b)
}

/// Returns a description such as `98.4 MB (5.85 bits per weight)`.
fn described(weights: &Weights) -> String {
    let bits = weights.bits_per_weight.map(|bits| format!(" ({bits:.2} bits per weight)"));
    format!("{:.1} MB{}", weights.file_bytes as f64 / 1e6, bits.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::engine::{EngineKind, ServerWay};

    fn engine(kind: EngineKind, bytes: Option<u64>) -> Engine {
        Engine {
            kind,
            title: kind.title().to_owned(),
            version: None,
            model: "m".into(),
            model_in_requests: "m".into(),
            weights: bytes.map(|bytes| Weights::new(bytes, Some(bytes * 2), None)),
            server: ServerWay::Running { address: String::new() },
            key: None,
            equal_file: None,
        }
    }

    #[test]
    fn a_quarter_more_is_no_equal_work() {
        let ours = engine(EngineKind::Mlxk, Some(1_000_000));
        let theirs = |bytes| engine(EngineKind::Ollama, bytes);
        assert_eq!(unlike_weights(&ours, &theirs(Some(1_240_000))), None);
        assert_eq!(unlike_weights(&ours, &theirs(None)), None);
        let told = unlike_weights(&ours, &theirs(Some(2_700_000))).unwrap();
        assert!(
            told.contains("1.0 MB (4.00 bits per weight)") && told.contains("2.7 MB"),
            "{told}"
        );
        assert!(unlike_weights(&ours, &theirs(Some(700_000))).is_some());
    }

    #[test]
    fn a_second_output_matrix_is_the_reason() {
        let weights = |bytes, count| Some(Weights::new(bytes, Some(count), None));
        let (mut ours, mut theirs) =
            (engine(EngineKind::Mlxk, None), engine(EngineKind::Ollama, None));
        ours.weights = weights(60_000_000, 100_000_000);
        theirs.weights = weights(90_000_000, 128_000_000);
        let told = unlike_weights(&ours, &theirs).unwrap();
        assert!(told.contains("They have 100.0 and 128.0 million parameters"), "{told}");
        ours.weights.as_mut().unwrap().output_parameters = Some(28_000_000);
        let told = unlike_weights(&ours, &theirs).unwrap();
        let reason = "The file of Ollama has a second output matrix of 28.0 million parameters";
        assert!(told.contains(reason), "{told}");
        let mut same = |bytes, form: &str| {
            let weights = Weights::new(bytes, Some(100_000_000), Some(form.into()));
            theirs.weights = Some(weights);
            theirs.clone()
        };
        ours.weights.as_mut().unwrap().quantization = Some("4-bit".into());
        let told = unlike_weights(&ours, &same(200_000_000, "F16")).unwrap();
        assert!(told.contains("One is stored as 4-bit, the other as F16"), "{told}");
    }

    #[test]
    fn a_file_has_the_same_bits_in_every_sentence() {
        // Ollama counts its manifest, too.
        let sizes = [98_364_935, 98_362_432].map(|it| Weights::new(it, Some(134_515_008), None));
        assert_eq!(sizes.map(|it| described(&it)), ["98.4 MB (5.85 bits per weight)"; 2]);
    }

    #[test]
    fn templates_may_differ_by_a_few_tokens() {
        assert_eq!(unlike_prompts("chat", (20, "mlxk"), (34, "Ollama")), None);
        assert_eq!(unlike_prompts("chat", (1000, "mlxk"), (1200, "Ollama")), None);
        let told = unlike_prompts("chat", (20, "mlxk"), (60, "Ollama")).unwrap();
        assert!(told.contains("20 tokens in mlxk and 60 in Ollama"), "{told}");
    }
}
