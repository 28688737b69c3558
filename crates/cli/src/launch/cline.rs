//! Cline's program for the terminal: its provider for servers of OpenAI's dialect.

use super::{Application, Content, File, Folders, NO_KEY, Plan, Rule, Setting, Target};

pub(super) const APPLICATION: Application = Application {
    name: "cline",
    aliases: &[],
    title: "Cline",
    programs: &["cline"],
    install: "npm install -g cline",
    calls_tools: true,
    min_context: 16_384,
    detaches: false,
    plan,
};

const PROVIDER: &str = "openai-compatible";

fn plan(target: &Target, folders: &Folders) -> Plan {
    let path = folders.home.join(".cline/data/settings/providers.json");
    let setting = |name| ["providers", PROVIDER, "settings", name];
    let mut settings = vec![
        Setting::with(&["version"], 1, Rule::Keep),
        Setting::new(&setting("provider"), PROVIDER),
        Setting::new(&setting("baseUrl"), target.v1()),
        Setting::new(&setting("model"), target.model.as_str()),
        Setting::new(&setting("contextWindow"), target.context),
        Setting::new(&setting("maxTokens"), target.output()),
        Setting::with(&["providers", PROVIDER, "updatedAt"], target.now.as_str(), Rule::Keep),
        Setting::with(&["providers", PROVIDER, "tokenSource"], "manual", Rule::Keep),
    ];
    let mut notes = vec![
        "Cline in an editor has settings of its own: choose `OpenAI Compatible` there, with the same address and model"
            .to_owned(),
    ];
    if target.has_key {
        // It can't read a key from a variable.
        notes.push("Give Cline the server's key with `cline --key` or in its settings".to_owned());
    } else {
        settings.push(Setting::new(&setting("apiKey"), NO_KEY));
    }
    let arguments = ["--provider", PROVIDER, "--model", &target.model].map(str::to_owned).to_vec();
    Plan {
        files: vec![File { path, content: Content::Json(settings) }],
        variables: Vec::new(),
        arguments,
        notes,
    }
}
