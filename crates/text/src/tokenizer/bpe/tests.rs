//! Compares merging with its definition: the best pair anywhere, again and again.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::tokenizer::json::VocabJson;

/// Builds a model of the characters `a` to `d` and these merges.
fn model(merges: &[(String, String)]) -> Bpe {
    let mut tokens: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let mut kept = Vec::new();
    for (left, right) in merges {
        if tokens.contains(left) && tokens.contains(right) {
            kept.push(json!([left, right]));
            let merged = format!("{left}{right}");
            if !tokens.contains(&merged) {
                tokens.push(merged);
            }
        }
    }
    let vocab: serde_json::Map<_, _> =
        tokens.into_iter().enumerate().map(|(id, token)| (token, id.into())).collect();
    let text = json!({ "type": "BPE", "vocab": vocab, "merges": kept }).to_string();
    let mut json: ModelJson<'_> = serde_json::from_str(&text).unwrap();
    let vocab = std::mem::replace(&mut json.vocab, VocabJson::Ids(Vec::new()));
    let VocabJson::Ids(vocab) = vocab else { unreachable!("written as a map") };
    Bpe::new(&json, &vocab).unwrap()
}

fn naive(bpe: &Bpe, word: &str) -> Vec<u32> {
    let mut ids: Vec<u32> = word.chars().map(|char| bpe.id(&char.to_string()).unwrap()).collect();
    loop {
        let best = (1..ids.len())
            .filter_map(|at| Some((bpe.merges.get(&(ids[at - 1], ids[at]))?, at)))
            .min_by_key(|(merge, at)| (merge.rank, *at));
        let Some((merge, at)) = best else { return ids };
        ids[at - 1] = merge.id;
        ids.remove(at);
    }
}

fn merges(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(left, right)| (left.to_owned(), right.to_owned())).collect()
}

#[test]
fn a_candidate_whose_right_side_has_grown_is_forgotten() {
    let bpe = model(&merges(&[("b", "c"), ("a", "b"), ("a", "bc")]));
    for times in [1, 20] {
        let word = "abcd".repeat(times);
        let texts: Vec<&str> =
            bpe.word(&word).unwrap().into_iter().map(|id| bpe.text(id).unwrap()).collect();
        assert_eq!(texts, ["abc", "d"].repeat(times));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn words_merge_by_the_definition(
        merges in vec(("[a-d]{1,3}", "[a-d]{1,3}"), 0..60),
        word in "[a-d]{0,70}",
    ) {
        let bpe = model(&merges);
        prop_assert_eq!(bpe.word(&word).unwrap(), naive(&bpe, &word));
    }
}
