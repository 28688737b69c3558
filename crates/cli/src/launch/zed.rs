//! Zed: a provider in its settings, next to those of the user.

use serde_json::json;

use super::{
    Application, Content, File, Folders, KEY, Plan, Rule, Setting, System, Target, Variable,
};

pub(super) const APPLICATION: Application = Application {
    name: "zed",
    aliases: &["zeditor"],
    title: "Zed",
    programs: &["zed", "zeditor"],
    install: "https://zed.dev/download",
    calls_tools: true,
    min_context: 8_192,
    detaches: true,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let folder = match folders.system {
        System::Linux => folders.config().join("zed"),
        System::MacOs => folders.home.join(".config/zed"),
        System::Windows => {
            let roaming = || folders.home.join("AppData").join("Roaming");
            folders.app_data.clone().unwrap_or_else(roaming).join("Zed")
        }
    };
    let provider = |name| ["language_models", "openai_compatible", "mlxk", name];
    let model = json!({
        "name": target.model,
        "display_name": target.model,
        "max_tokens": target.context,
        "max_output_tokens": target.output(),
        "capabilities": {
            "tools": true,
            "images": false,
            "parallel_tool_calls": false,
            "prompt_cache_key": false,
        },
    });
    let choice = json!({"provider": "mlxk", "model": target.model});
    let settings = vec![
        Setting::new(&provider("api_url"), target.v1()),
        Setting::with(&provider("available_models"), json!([model]), Rule::Entry("name")),
        Setting::with(&["agent", "default_model"], choice, Rule::Keep),
    ];
    Plan {
        files: vec![File { path: folder.join("settings.json"), content: Content::Json(settings) }],
        // Zed makes the name of the variable from that of the provider.
        variables: vec![Variable::key(KEY, target)],
        arguments: vec![".".to_owned()],
        notes: vec![format!(
            "Choose `{}` in Zed's agent panel. A Zed that is already open doesn't see `{KEY}`: enter the key in \
             its settings, or any text if the server has none",
            target.model
        )],
    }
}
