use super::*;
use crate::thinking::Thinking;

/// Reasoning and answer of the text, cut at every `width` characters.
fn read(parser: &ReasoningParser, text: &str, width: usize) -> (String, String) {
    let mut parser = parser.clone();
    let characters: Vec<char> = text.chars().collect();
    let mut written = Vec::new();
    for piece in characters.chunks(width) {
        written.extend(parser.push(&piece.iter().collect::<String>()));
    }
    written.extend(parser.finish());
    let (mut reasoning, mut answer) = (String::new(), String::new());
    for piece in written {
        match piece {
            Written::Reasoning(text) => reasoning.push_str(&text),
            Written::Answer(text) => answer.push_str(&text),
        }
    }
    (reasoning, answer)
}

fn assert_reads(template: &str, prompt: &str, text: &str, reasoning: &str, answer: &str) {
    let parser = Thinking::of_template(template).parser(prompt).unwrap();
    for width in [1, 2, 3, 5, 7, 1000] {
        let found = read(&parser, text, width);
        assert_eq!(found, (reasoning.to_owned(), answer.to_owned()), "{text:?} by {width}");
    }
}

const THINK: &str = "{{ '<think>' }} {{ '</think>' }}";
const HARMONY: &str = "<|start|>assistant<|channel|>final<|message|>";

#[test]
fn tags_enclose_thoughts() {
    let cases = [
        ("<think>\nLet me see…\n\nYes.\n</think>\n\n42", "Let me see…\n\nYes.", "42"),
        ("\n <think>a < b </thin> c</think>d</think>", "a < b </thin> c", "d</think>"),
        ("<think>\n\n</think>\n\nHello", "", "Hello"),
        ("<think>never ends \n", "never ends", ""),
        ("  plain <think>x</think>", "", "  plain <think>x</think>"),
        ("<thin", "", "<thin"),
        ("<", "", "<"),
        ("", "", ""),
    ];
    for (text, reasoning, answer) in cases {
        assert_reads(THINK, "<|im_start|>assistant\n", text, reasoning, answer);
    }
    assert_reads(THINK, "<|Assistant|><think>\n", "ah\n</think>\n\nso", "ah", "so");
    assert_reads("[THINK]", "", "[THINK]m[/THINK]n", "m", "n");
}

#[test]
fn channels_carry_thoughts_and_answers() {
    let prompt = "<|start|>assistant";
    assert_reads(
        HARMONY,
        prompt,
        "<|channel|>analysis<|message|>User says hi. <|end|><|start|>assistant<|channel|>final\
         <|message|>Hello! <|b|><|return|>",
        "User says hi.",
        "Hello! <|b|>",
    );
    assert_reads(HARMONY, prompt, "<|channel|>final<|message|>x\n", "", "x\n");
    assert_reads(
        HARMONY,
        prompt,
        "<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>",
        "{}",
        "",
    );
    assert_reads(HARMONY, prompt, "<|channel|>analysis<|mess", "", "");
}

#[test]
fn calls_are_a_part_of_the_answer_if_asked_for() {
    let text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.f<|channel|>\
        commentary json<|message|>{\"a\": 1}<|call|><|start|>assistant<|channel|>final<|message|>So.";
    let pieces: Vec<String> = text.chars().map(String::from).collect();
    for pieces in [vec![text.to_owned()], pieces] {
        let thinking = Thinking::of_template(HARMONY);
        let mut parser = thinking.parser("<|start|>assistant").unwrap().with_calls();
        let mut all: Vec<Written> = pieces.iter().flat_map(|piece| parser.push(piece)).collect();
        all.extend(parser.finish());
        let answer: String = all
            .iter()
            .filter_map(|written| match written {
                Written::Answer(text) => Some(text.as_str()),
                Written::Reasoning(_) => None,
            })
            .collect();
        let call = "<|channel|>commentary to=functions.f<|message|>{\"a\": 1}<|call|>";
        assert_eq!(answer, format!("{call}So."));
    }
}

#[test]
fn other_templates_have_no_parser() {
    assert!(Thinking::of_template("{{ messages }}").parser("<think>").is_none());
}
