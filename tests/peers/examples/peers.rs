//! Runs the servers of the tests, to try a client on. Prints one address per line, and serves until
//! its input ends.

#![allow(clippy::print_stdout, reason = "whoever starts it reads the addresses")]

use mlxk_test_peers::{Asked, Part, events, lines, ollama, openai};

/// Answers normally, or fails in the way that the conversation asks for.
fn ask(asked: &Asked) -> String {
    asked.body["messages"][0]["content"].as_str().unwrap_or_default().to_owned()
}

fn ollamas(asked: &Asked) -> Vec<Part> {
    let good = ollama::said("Good");
    match ask(asked).as_str() {
        "absent" => ollama::refused(404, "model 'tiny' not found"),
        "broken" => lines(&[&good, r#"{"error":"runner died"}"#]),
        "nonsense" => lines(&["<html>"]),
        _ => lines(&[&ollama::thought("Hm."), &good, &ollama::end("/api/chat")]),
    }
}

fn openais(asked: &Asked) -> Vec<Part> {
    let good = openai::said("Good");
    match ask(asked).as_str() {
        "absent" => openai::refused(404, "model 'tiny' not found"),
        "broken" => events(&[&good, r#"{"error":{"message":"out of memory"}}"#]),
        "nonsense" => events(&["{\"choices\": ["]),
        _ => events(&[
            &openai::begin(),
            &openai::thought("Hm."),
            &good,
            &openai::end(),
            &openai::usage(),
            "[DONE]",
        ]),
    }
}

fn main() {
    let (ollama, openai) = (ollama::server(ollamas), openai::server(openais));
    println!("{}\n{}", ollama.address(), openai.address());
    // An error ends it, too.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
