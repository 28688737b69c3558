//! Words of other programs' command lines, and what to type instead.

/// Options by the command that they belong to (`""` for all), as they are typed, with a sentence.
const OPTIONS: &[(&str, &[&str], &str)] = &[
    (
        "",
        &["--language", "--translate"],
        "of MLX-Knife is not available: mlxk does not transcribe sound yet",
    ),
    (
        "",
        &["--chunk"],
        "of MLX-Knife is not available: mlxk does not read images yet, so there is nothing to split",
    ),
    ("", &["--embed-backend"], "of MLX-Knife is not needed: every server has `/v1/embeddings`"),
    (
        "",
        &["--cpu"],
        "of MLX-Knife is not available: mlxk always computes on the CPU; leave it out",
    ),
    (
        "server",
        &["--json"],
        "is not available: this command has no result to print; a server logs JSON with `--log-json`",
    ),
    ("server", &["-m"], "is `--model` here"),
    ("server", &["-p"], "is `--port` here"),
    (
        "server",
        &["-H", "-a", "--address", "--bind", "--listen"],
        "is `--host` here, and the port is `--port`",
    ),
    ("server", &["-c", "--ctx-size", "--context-size"], "is `--ctx` here"),
    (
        "server",
        &["--daemon", "--background", "-d"],
        "is not available: add ` &` to the command line, or install a service with `mlxk service install`",
    ),
    ("run", &["-s"], "is ambiguous: the system prompt is `--system`, the random seed `--seed`"),
    ("run", &["-t"], "is ambiguous: the temperature is `--temperature`, threads are `--threads`"),
    ("run", &["-m", "--model"], "is not needed: the model is the first word after the command"),
    ("run", &["-p"], "is `--prompt` here, or the text after the model"),
    (
        "run",
        &["-n"],
        "is ambiguous: a limit on tokens is `--max-tokens`, several answers are `--n`",
    ),
    (
        "run",
        &["-c"],
        "is not available here: the context length is `--ctx`; `mlxk chat -c` continues the last conversation",
    ),
    ("run", &["--ctx-size", "--context-size", "--num_ctx"], "is `--ctx` here"),
    ("run", &["--temp"], "is `--temperature` here"),
    (
        "run",
        &["--keepalive", "--keep-alive"],
        "has no effect here: the model is unloaded when the command ends. To keep one loaded, use \
         `mlxk server --keep-alive`",
    ),
    ("run", &["--insecure"], "is not available: mlxk always checks certificates"),
    ("pull", &["--insecure"], "is not available: mlxk always checks certificates"),
    (
        "create",
        &["-q", "--quantize"],
        "is not available: quantize with `mlxk convert SOURCE FOLDER -q 4`, and write `FROM FOLDER` in the Modelfile",
    ),
    ("rm", &["-y", "--yes"], "does not exist; use `--force`, which removes without asking"),
    ("list", &["-s", "--size", "--sort"], "is not available: `list` always shows sizes"),
    ("list", &["-a"], "is `--all` here"),
    (
        "",
        &["--quiet", "-q", "--silent"],
        "is not available: to hide progress and notes, add `2>/dev/null`",
    ),
];

/// Commands that other programs have, with a sentence.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["remove", "delete", "uninstall"], "does not exist; `mlxk rm MODEL` removes a model"),
    (
        &["status"],
        "does not exist; `mlxk ps` lists loaded models, `mlxk doctor` checks the installation",
    ),
    (
        &["download", "fetch", "install", "get", "add"],
        "does not exist; `mlxk pull MODEL` downloads a model",
    ),
    (
        &["generate", "ask", "prompt", "complete"],
        "does not exist; `mlxk run MODEL` answers a prompt",
    ),
    (&["start"], "does not exist; `mlxk server` serves models over HTTP"),
    (
        &["quantize", "quantise"],
        "does not exist; `mlxk convert SOURCE TARGET -q 4` quantizes a model",
    ),
    (&["find"], "does not exist; `mlxk search WORDS` searches the hub"),
    (
        &["copy", "rename", "tag", "alias"],
        "does not exist; `mlxk cp MODEL NAME` gives a model another name",
    ),
    (
        &["evaluate"],
        "does not exist; `mlxk eval` counts correct answers, `mlxk perplexity` scores a text",
    ),
    (
        &["update", "upgrade", "self-update"],
        "does not exist; mlxk is updated the way that you installed it",
    ),
    (
        &["login", "signin", "auth"],
        "does not exist; set `HF_TOKEN`, or log in with the hub's own `hf auth login`",
    ),
    (
        &["logout", "signout"],
        "does not exist; unset `HF_TOKEN`, or log out with the hub's own `hf auth logout`",
    ),
    (&["whoami"], "does not exist; the hub's own `hf auth whoami` says who is logged in"),
    (
        &["import"],
        "does not exist; `mlxk pull ollama:NAME` and `mlxk pull ./FILE.gguf` import a model",
    ),
    (&["upload", "publish"], "does not exist; `mlxk push FOLDER REPO` uploads a model"),
    (&["unload", "kill"], "does not exist; `mlxk stop MODEL` unloads a model"),
    (&["load", "preload"], "does not exist; `mlxk server --model MODEL` loads a model"),
    (&["benchmark", "speed"], "does not exist; `mlxk bench` measures models and engines"),
    (&["check", "verify", "test"], "does not exist; `mlxk health` checks models for damage"),
    (&["settings", "set", "env"], "does not exist; `mlxk config` shows and changes settings"),
    (&["history"], "does not exist; `mlxk logs` lists your conversations"),
    (&["embeddings", "embedding"], "does not exist; `mlxk embed` turns texts into vectors"),
    (
        &["web", "ui", "webui", "open"],
        "does not exist; `mlxk server` has a page for browsers at its address",
    ),
];

/// Returns the sentence for an option, without the word itself. A long option counts in `chat` as in `run`.
pub(super) fn option(command: &str, word: &str) -> Option<&'static str> {
    let command = if command == "chat" { "run" } else { command };
    let fits = |of: &str| of == command || of.is_empty();
    let found = OPTIONS.iter().find(|(of, words, _)| fits(of) && words.contains(&word));
    found.map(|(.., sentence)| *sentence)
}

/// Returns the sentence for a command, without the word itself.
pub(super) fn command(word: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(words, _)| words.contains(&word)).map(|(_, sentence)| *sentence)
}
