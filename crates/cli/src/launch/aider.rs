//! aider: variables, and a file of our own about the model.

use serde_json::json;

use super::{Application, Content, File, Folders, Plan, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "aider",
    aliases: &[],
    title: "aider",
    programs: &["aider"],
    install: "python -m pip install aider-install && aider-install",
    calls_tools: false,
    min_context: 8_192,
    detaches: false,
    plan,
};

fn plan(target: &Target, folders: &Folders) -> Plan {
    let path = folders.own.join("aider.json");
    let name = format!("openai/{}", target.model);
    // It takes an unknown model's context for unlimited, and warns about it.
    let about = json!({&name: {
        "max_tokens": target.output(),
        "max_input_tokens": target.context,
        "max_output_tokens": target.output(),
        "input_cost_per_token": 0,
        "output_cost_per_token": 0,
        "litellm_provider": "openai",
        "mode": "chat",
    }});
    let arguments = vec![
        "--model".to_owned(),
        name,
        "--model-metadata-file".to_owned(),
        path.display().to_string(),
        "--edit-format".to_owned(),
        "diff".to_owned(),
    ];
    Plan {
        files: vec![File { path, content: Content::Whole(format!("{about:#}\n")) }],
        variables: vec![
            Variable::new("OPENAI_API_BASE", target.v1()),
            Variable::key("OPENAI_API_KEY", target),
        ],
        arguments,
        notes: Vec::new(),
    }
}
