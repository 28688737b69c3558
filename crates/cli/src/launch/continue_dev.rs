//! Continue: a file of our own, for `cn --config` and for the list of assistants in editors.

use super::{Application, Content, File, Folders, KEY, NO_KEY, Plan, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "continue",
    aliases: &["cn"],
    title: "Continue",
    programs: &["cn"],
    install: "npm install -g @continuedev/cli",
    calls_tools: true,
    min_context: 8_192,
    detaches: false,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let folder = folders.continue_dev.clone().unwrap_or_else(|| folders.home.join(".continue"));
    let path = folder.join("agents/mlxk.yaml");
    // Text of JSON is text of YAML.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut variables = vec![Variable::new("CONTINUE_TELEMETRY_ENABLED", "0")];
    let key = if target.has_key {
        variables.push(Variable::key(KEY, target));
        format!("${{{{ secrets.{KEY} }}}}")
    } else {
        NO_KEY.to_owned()
    };
    let content = format!(
        "# Written by `mlxk launch continue`.\n\
         name: mlxk\n\
         version: 1.0.0\n\
         schema: v1\n\
         models:\n\
         \x20 - name: {model}\n\
         \x20   provider: openai\n\
         \x20   model: {model}\n\
         \x20   apiBase: {url}\n\
         \x20   apiKey: {key}\n\
         \x20   roles: [chat, edit, apply]\n\
         \x20   capabilities: [tool_use]\n\
         \x20   defaultCompletionOptions:\n\
         \x20     contextLength: {context}\n\
         \x20     maxTokens: {output}\n",
        model = text(&target.model),
        url = text(&target.v1()),
        key = text(&key),
        context = target.context,
        output = target.output(),
    );
    let config = path.display().to_string();
    Plan {
        files: vec![File { path, content: Content::Whole(content) }],
        variables,
        arguments: vec!["--config".to_owned(), config],
        notes: vec!["In an editor, choose the assistant `mlxk` in Continue's list".to_owned()],
    }
}
