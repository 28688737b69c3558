//! Qwen Code: a model in its list, next to those of the user.

use serde_json::json;

use super::{Application, Content, File, Folders, KEY, Plan, Rule, Setting, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "qwen-code",
    aliases: &["qwen", "qwencode"],
    title: "Qwen Code",
    programs: &["qwen"],
    install: "npm install -g @qwen-code/qwen-code",
    calls_tools: true,
    min_context: 32_768,
    detaches: false,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let folder = folders.qwen.clone().unwrap_or_else(|| folders.home.join(".qwen"));
    let model = json!({
        "id": target.model,
        "name": format!("{} (mlxk)", target.model),
        "baseUrl": target.v1(),
        "envKey": KEY,
        "generationConfig": {"contextWindowSize": target.context},
    });
    let list = Setting::with(&["modelProviders", "openai"], json!([model]), Rule::Entry("id"));
    let path = folder.join("settings.json");
    Plan {
        files: vec![File { path, content: Content::Json(vec![list]) }],
        variables: vec![Variable::key(KEY, target)],
        arguments: ["--auth-type", "openai", "--model", &target.model].map(str::to_owned).to_vec(),
        notes: Vec::new(),
    }
}
