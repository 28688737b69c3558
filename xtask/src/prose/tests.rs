use super::{Finding, Kind, Passage, check, markdown, rules, rust};

/// Findings of a file of the command line's arguments, as `LINE WORDS`.
fn found(path: &str, text: &str) -> Vec<String> {
    check(path, text).iter().map(|finding| format!("{} {}", finding.line, finding.found)).collect()
}

#[test]
fn comments_and_strings_are_passages_with_their_lines() {
    let source = r##"//! A page,
//! two lines.

/// Reads `x` where
/// it is.
fn read<'a>(quote: char) -> &'a str {
    // A note.
    if quote == '"' || quote == '\'' { return r#"raw "text" here"# }
    "one \
     two\nthree
four"
}
"##;
    let passage = |kind, line, text: &str| Passage { kind, line, text: text.to_owned() };
    assert_eq!(
        rust::passages(source),
        [
            passage(Kind::Doc, 1, "A page,\ntwo lines."),
            passage(Kind::Doc, 4, "Reads CODE where\nit is."),
            passage(Kind::Comment, 7, "A note."),
            passage(Kind::Text, 8, "raw \"text\" here"),
            passage(Kind::Text, 9, "one \ntwo\u{b}three\u{b}\nfour"),
        ]
    );
}

#[test]
fn strings_of_errors_and_hints_are_told_from_others() {
    let source = r#"
#[error("The file {0} is bad")]
enum E {}
fn hint(&self) -> &str { match self { A => { "try it again" } } }
fn other() { "any other text" }
#[cfg(test)]
mod tests { fn x() { "text of tests" } }
"#;
    let kinds: Vec<(Kind, usize)> =
        rust::passages(source).iter().map(|passage| (passage.kind, passage.line)).collect();
    assert_eq!(kinds, [(Kind::Error, 2), (Kind::Error, 4), (Kind::Text, 5)]);
}

#[test]
fn markdown_is_read_without_its_code() {
    let page = "# Title\n\nOne `a\nb` two\nthree\n\n```\nmend\n```\n| a | b |\n| c | d |\n";
    let texts: Vec<(usize, String)> =
        markdown::passages(page).into_iter().map(|passage| (passage.line, passage.text)).collect();
    let expected =
        [(1, "# Title"), (3, "One CODE\n two\nthree"), (10, "| a | b |"), (11, "| c | d |")];
    assert_eq!(texts, expected.map(|(line, text)| (line, text.to_owned())));
}

#[test]
fn banned_words_are_found_across_lines_with_their_replacement() {
    let page = "It is of no\nuse to mend `anew` amendments.\nThere is no way; it is no longer a page, but is no page.\n";
    assert_eq!(found("a.md", page), ["1 of no use", "2 mend", "3 is no"]);
    let advice = &check("a.md", "Read it anew.")[0].to_string();
    assert_eq!(advice, "1: \"anew\": write \"again\"");
}

#[test]
fn strings_of_tests_are_data() {
    let source = "fn f() { \"mend it anew\" } // anew\n";
    assert_eq!(found("crates/x/src/a.rs", source), ["1 anew", "1 mend", "1 anew"]);
    assert_eq!(found("crates/x/tests/a.rs", source), ["1 anew"]);
    assert_eq!(found("crates/x/src/a/tests.rs", source), ["1 anew"]);
}

#[test]
fn where_may_not_outnumber_if_and_when() {
    assert_eq!(found("a.md", "Here, where it is."), [""; 0]);
    assert_eq!(
        found("a.md", "Here.\n\nWhere it fits and where not."),
        ["3 2× where, 0× if and when"]
    );
    assert_eq!(found("a.md", "Where it fits and where not, if ever, or when."), [""; 0]);
    // Code has its own `where`.
    assert_eq!(found("a.rs", "fn f<T>() where T: A {}\nfn g<T>() where T: B {}\n"), [""; 0]);
}

#[test]
fn doc_comments_open_with_a_noun_or_a_verb() {
    let source = "/// Whether it is.\nfn a() {}\n/// Whatever.\nfn b() {}\n// What a day.\n/// How long.\nfn c() {}";
    assert_eq!(found("a.rs", source), ["1 Whether …", "6 How …"]);
}

#[test]
fn sentences_of_help_and_errors_are_short() {
    let long = "word ".repeat(25);
    let source = format!("/// Short one. A {long}\n/// end.\nstruct A;\n#[error(\"B {long}\")]\n");
    assert_eq!(
        found("crates/cli/src/args/a.rs", &source),
        ["1 A word word word …", "4 B word word word …"]
    );
    assert_eq!(found("crates/cli/src/a.rs", &source), ["4 B word word word …"]);
    let broken = format!("{}\\n{}", "word ".repeat(20), "word ".repeat(20));
    assert_eq!(found("a.rs", &format!("#[error(\"{broken}\")]")), [""; 0]);
}

#[test]
fn words_alone_on_a_line_of_help_are_found() {
    let long = "x".repeat(82);
    let page = format!("```\n  {long} and\n  two words\n\n  short\n  one\n```\n{long}\none\n");
    let expected = Finding {
        line: 3,
        found: "two words".to_owned(),
        advice: "alone on its line; shorten the help text".to_owned(),
    };
    assert_eq!(rules::orphans(&page), [expected]);
}
