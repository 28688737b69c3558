//! Codex: a profile of its own, which `--profile mlxk` puts on top of the user's settings.

use std::fmt::Write as _;

use super::{Application, Content, File, Folders, KEY, Plan, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "codex",
    aliases: &[],
    title: "Codex",
    programs: &["codex"],
    install: "npm install -g @openai/codex",
    calls_tools: true,
    min_context: 24_576,
    detaches: false,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let folder = folders.codex.clone().unwrap_or_else(|| folders.home.join(".codex"));
    let text = |text: &str| toml_edit::Value::from(text).to_string();
    let mut profile = format!(
        "# Written by `mlxk launch codex`.\n\
         model = {}\n\
         model_provider = \"mlxk\"\n\
         model_context_window = {}\n\n\
         [model_providers.mlxk]\n\
         name = \"mlxk\"\n\
         base_url = {}\n\
         wire_api = \"responses\"\n",
        text(&target.model),
        target.context,
        text(&target.v1()),
    );
    let mut variables = Vec::new();
    if target.has_key {
        // Writing to a text can't fail.
        let _ = writeln!(profile, "env_key = \"{KEY}\"");
        variables.push(Variable::key(KEY, target));
    }
    let path = folder.join("mlxk.config.toml");
    Plan {
        files: vec![File { path, content: Content::Whole(profile) }],
        variables,
        arguments: vec!["--profile".to_owned(), "mlxk".to_owned()],
        notes: Vec::new(),
    }
}
