//! Goose: variables only, so its settings stay as they are.

use super::{Application, Folders, Plan, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "goose",
    aliases: &[],
    title: "Goose",
    programs: &["goose"],
    install: "https://block.github.io/goose/docs/getting-started/installation",
    calls_tools: true,
    min_context: 16_384,
    detaches: false,
    plan,
};

fn plan(target: &Target, _: &Folders) -> Plan {
    Plan {
        variables: vec![
            Variable::new("GOOSE_PROVIDER", "openai"),
            Variable::new("GOOSE_MODEL", &target.model),
            Variable::new("GOOSE_CONTEXT_LIMIT", target.context.to_string()),
            Variable::new("GOOSE_MAX_TOKENS", target.output().to_string()),
            Variable::new("OPENAI_HOST", &target.url),
            Variable::new("OPENAI_BASE_PATH", "v1/chat/completions"),
            Variable::key("OPENAI_API_KEY", target),
        ],
        ..Plan::default()
    }
}
