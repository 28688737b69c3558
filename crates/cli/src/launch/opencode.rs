//! opencode: a provider in its settings, next to those of the user.

use super::{Application, Content, File, Folders, KEY, Plan, Setting, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "opencode",
    aliases: &["open-code"],
    title: "opencode",
    programs: &["opencode"],
    install: "npm install -g opencode-ai",
    calls_tools: true,
    min_context: 16_384,
    detaches: false,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let folder = folders.config().join("opencode");
    // It reads both, and settings of the second win.
    let with_comments = folder.join("opencode.jsonc");
    let path = if with_comments.exists() { with_comments } else { folder.join("opencode.json") };
    let model = target.model.as_str();
    let limit = ["provider", "mlxk", "models", model, "limit"];
    let limit = |name| [&limit[..], &[name]].concat();
    let mut settings = vec![
        Setting::new(&["provider", "mlxk", "npm"], "@ai-sdk/openai-compatible"),
        Setting::new(&["provider", "mlxk", "name"], "mlxk"),
        Setting::new(&["provider", "mlxk", "options", "baseURL"], target.v1()),
    ];
    let mut variables = vec![Variable::new("OPENCODE_DISABLE_MODELS_FETCH", "1")];
    if target.has_key {
        let key = format!("{{env:{KEY}}}");
        settings.push(Setting::new(&["provider", "mlxk", "options", "apiKey"], key));
        variables.push(Variable::key(KEY, target));
    }
    settings.push(Setting::new(&limit("context"), target.context));
    settings.push(Setting::new(&limit("output"), target.output()));
    Plan {
        files: vec![File { path, content: Content::Json(settings) }],
        variables,
        arguments: vec!["--model".to_owned(), format!("mlxk/{model}")],
        notes: Vec::new(),
    }
}
