use proptest::prelude::*;

use super::*;
use crate::derived::parameters::Parameters;

fn parsed(text: &str) -> Modelfile {
    Modelfile::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

fn problem(text: &str) -> (Option<usize>, String) {
    let error = Modelfile::parse(text.as_bytes()).expect_err(text);
    (error.line, error.problem)
}

#[test]
fn everything_that_a_modelfile_says() {
    let text = r#"
# A comment, and a blank line.

from qwen2.5-coder:1.5b
  SYSTEM """You are "brief".

# This is text."""
PARAMETER temperature 0.25
PARAMETER   num_ctx	4096
parameter Stop "<|im_end|>"
PARAMETER stop """
"""
PARAMETER num_predict -1
PARAMETER top_k 20
PARAMETER top_p 0.8
PARAMETER min_p 0.05
PARAMETER repeat_penalty 1.05
PARAMETER repeat_last_n -1
PARAMETER seed 42
PARAMETER typical_p 0.9
PARAMETER presence_penalty 0.5
PARAMETER frequency_penalty 0.25
TEMPLATE """{{ range .Messages }}{{ .Content }}
{{ end }}"""
MESSAGE User Reverse a list. # not a comment
MESSAGE assistant "list[::-1]"
LICENSE Apache-2.0
LICENSE """And
more"""
RENDERER qwen3
"#;
    let file = parsed(text);
    assert_eq!(file.from, "qwen2.5-coder:1.5b");
    assert_eq!(file.overrides.system.as_deref(), Some("You are \"brief\".\n\n# This is text."));
    let turn =
        |role: &str, content: &str| Turn { role: role.to_owned(), content: content.to_owned() };
    assert_eq!(
        file.overrides.messages,
        [turn("user", "Reverse a list. # not a comment"), turn("assistant", "list[::-1]")]
    );
    assert_eq!(file.overrides.license, ["Apache-2.0", "And\nmore"]);
    assert_eq!(
        file.overrides.parameters,
        Parameters {
            temperature: Some(0.25),
            top_k: Some(20),
            top_p: Some(0.8),
            min_p: Some(0.05),
            typical_p: Some(0.9),
            presence_penalty: Some(0.5),
            frequency_penalty: Some(0.25),
            repetition_penalty: Some(1.05),
            repeat_last_n: Some(-1),
            seed: Some(42),
            max_tokens: Some(usize::MAX),
            ctx: Some(4096),
            stop: vec!["<|im_end|>".to_owned(), "\n".to_owned()],
        }
    );
    assert_eq!(file.ignored, [(23, "TEMPLATE".to_owned()), (30, "RENDERER".to_owned())]);
}

#[test]
fn quotes_end_with_a_line_and_nowhere_else() {
    for (value, expected) in [
        ("plain text ", "plain text"),
        ("\"in quotes\"", "in quotes"),
        ("\"two\nlines\"", "two\nlines"),
        ("\"\"\"a\"\"\" and\nb\"\"\"", "a\"\"\" and\nb"),
        ("\"\"\"ends in one\"\"\"\"", "ends in one\""),
        ("\"\"\"\n  kept  \n\"\"\"   ", "\n  kept  \n"),
        ("\"\"", ""),
        ("\"\"\"\"\"\"", ""),
        ("it's \"half\" quoted", "it's \"half\" quoted"),
        ("\"\"\"\r\nwindows\r\n\"\"\"", "\r\nwindows\r\n"),
        ("\"\"\"\n\n\n", ""),
    ] {
        let text = format!("FROM x\nSYSTEM {value}\n");
        if value.ends_with("\n\n\n") {
            assert_eq!(problem(&text).0, Some(2), "{value:?}");
            continue;
        }
        assert_eq!(parsed(&text).overrides.system.as_deref(), Some(expected), "{value:?}");
        let windows = format!("FROM x\r\nSYSTEM {value}\r\n");
        assert_eq!(parsed(&windows).overrides.system.as_deref(), Some(expected), "{value:?}");
    }
}

#[test]
fn marks_of_encodings_are_understood() {
    let text = "FROM x\nSYSTEM Grüße\n";
    let wide = |unit: fn(u16) -> [u8; 2], mark: [u8; 2]| -> Vec<u8> {
        mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect()
    };
    for bytes in [
        [&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat(),
        wide(u16::to_le_bytes, [0xFF, 0xFE]),
        wide(u16::to_be_bytes, [0xFE, 0xFF]),
    ] {
        let file = Modelfile::parse(&bytes).unwrap();
        assert_eq!(file.overrides.system.as_deref(), Some("Grüße"));
    }
    for bytes in [&b"FROM \xFF"[..], b"\xFF\xFE\x00\xD8", b"\xFF\xFEF"] {
        assert_eq!(Modelfile::parse(bytes).unwrap_err().problem, "it is not UTF-8 text");
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, line, words) in [
        ("", None, "`FROM` is missing"),
        ("# FROM x\n", None, "`FROM` is missing"),
        ("FROM\n", Some(1), "names no model"),
        ("FROM a\nFROM b\n", Some(2), "second `FROM`"),
        ("FROM a\n\nADAPTER ./lora\n", Some(3), "`ADAPTER` is not supported"),
        ("FROM a\nDRAFT b\n", Some(2), "`DRAFT` is not an instruction"),
        ("FROM a\n{ \"x\": 1 }\n", Some(2), "`{` is not an instruction"),
        ("FROM a\nSYSTEM \"\"\"open\n\n\nPARAMETER top_k 1\n", Some(2), "never closed"),
        ("FROM a\nPARAMETER temprature 1\n", Some(2), "`temprature` is not supported"),
        ("FROM a\nPARAMETER temperature hot\n", Some(2), "`hot`"),
        ("FROM a\nPARAMETER temperature -1\n", Some(2), "from 0 to 100"),
        ("FROM a\nPARAMETER top_p 1.5\n", Some(2), "from 0 to 1"),
        ("FROM a\nPARAMETER num_ctx 0\n", Some(2), "of at least 2"),
        ("FROM a\nPARAMETER seed 1.5\n", Some(2), "`seed`"),
        ("FROM a\nPARAMETER stop\n", Some(2), "needs a name and a value"),
        ("FROM a\nPARAMETER\n", Some(2), "needs a name and a value"),
        ("FROM a\nMESSAGE user\n", Some(2), "needs a role and a text"),
        ("FROM a\nMESSAGE tool x\n", Some(2), "`tool` is not a role"),
    ] {
        let (found, problem) = problem(text);
        assert_eq!(found, line, "{text:?}: {problem}");
        assert!(problem.contains(words), "{text:?}: {problem}");
    }
}

#[test]
fn what_no_quotes_can_hold_is_not_written() {
    let mut file = parsed("FROM x\n");
    file.overrides.system = Some("both \"\"\"\nend lines \"\n".to_owned());
    assert!(file.text().unwrap_err().contains("`SYSTEM`"));
}

/// Generates text that could confuse the parser.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just(" ".to_owned()),
        Just("#".to_owned()),
        Just("FROM y".to_owned()),
        "[a-zü ]{0,6}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// A written Modelfile parses to the same values, whatever the texts are.
    #[test]
    fn writing_and_reading_are_inverse(
        system in proptest::option::of(tricky()),
        turns in proptest::collection::vec((0..3usize, tricky()), 0..3),
        license in proptest::collection::vec(tricky(), 0..2),
        stop in proptest::collection::vec(tricky(), 0..3),
        temperature in proptest::option::of(0.0f32..=100.0),
        seed in proptest::option::of(0..=i64::MAX as u64),
        ctx in proptest::option::of(1..=i64::MAX as usize),
        max_tokens in proptest::option::of(prop_oneof![1..=i64::MAX as usize, Just(usize::MAX)]),
        repeat_last_n in proptest::option::of(-1i64..1000),
    ) {
        let messages = turns
            .into_iter()
            .filter(|(_, content)| !content.is_empty())
            .map(|(role, content)| Turn { role: ROLES[role].to_owned(), content })
            .collect();
        let stop = stop.into_iter().filter(|text| !text.is_empty()).collect();
        let parameters = Parameters {
            temperature, repeat_last_n, seed, max_tokens, ctx, stop, ..Parameters::default()
        };
        let overrides = Overrides { system, license, messages, parameters };
        let file = Modelfile { from: "org/NAME@v1".to_owned(), overrides, ignored: Vec::new() };
        if let Ok(text) = file.text() {
            prop_assert_eq!(Modelfile::parse(text.as_bytes()), Ok(file), "{}", text);
        }
    }

    /// Any bytes are read to their end, and a valid Modelfile can be written again.
    #[test]
    fn any_text_has_an_answer(text in tricky(), more in ".{0,40}") {
        for text in [text.clone(), format!("FROM x\nSYSTEM {text}{more}\n")] {
            if let Ok(mut file) = Modelfile::parse(text.as_bytes()) {
                file.ignored.clear();
                let again = file.text().map(|text| Modelfile::parse(text.as_bytes()));
                prop_assert!(again.is_err() || again == Ok(Ok(file)));
            }
        }
    }
}
