//! pi: a provider in its list, next to those of the user.

use serde_json::json;

use super::{
    Application, Content, File, Folders, KEY, NO_KEY, Plan, Rule, Setting, Target, Variable,
};

pub(super) const APPLICATION: Application = Application {
    name: "pi",
    aliases: &[],
    title: "pi",
    programs: &["pi"],
    install: "npm install -g @earendil-works/pi-coding-agent",
    calls_tools: true,
    min_context: 8_192,
    detaches: false,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let folder = folders.pi.clone().unwrap_or_else(|| folders.home.join(".pi").join("agent"));
    let model = json!({
        "id": target.model,
        "contextWindow": target.context,
        "maxTokens": target.output(),
    });
    let provider = |name| ["providers", "mlxk", name];
    // A name of a variable stands for its value.
    let key = if target.has_key { KEY } else { NO_KEY };
    let settings = vec![
        Setting::new(&provider("baseUrl"), target.v1()),
        Setting::new(&provider("api"), "openai-completions"),
        Setting::new(&provider("apiKey"), key),
        Setting::with(&provider("models"), json!([model]), Rule::Entry("id")),
    ];
    let mut variables = Vec::new();
    if target.has_key {
        variables.push(Variable::key(KEY, target));
    }
    let path = folder.join("models.json");
    Plan {
        files: vec![File { path, content: Content::Json(settings) }],
        variables,
        arguments: ["--provider", "mlxk", "--model", &target.model].map(str::to_owned).to_vec(),
        notes: Vec::new(),
    }
}
