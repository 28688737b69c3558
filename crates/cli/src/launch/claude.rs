//! Claude Code: variables only, so its settings stay as they are.

use super::{Application, Folders, Plan, Target, Variable};

pub(super) const APPLICATION: Application = Application {
    name: "claude",
    aliases: &["claude-code"],
    title: "Claude Code",
    programs: &["claude"],
    install: "npm install -g @anthropic-ai/claude-code",
    calls_tools: true,
    min_context: 32_768,
    detaches: false,
    plan,
};

fn plan(target: &Target, _: &Folders) -> Plan {
    let mut variables = vec![
        Variable::new("ANTHROPIC_BASE_URL", &target.url),
        Variable::key("ANTHROPIC_AUTH_TOKEN", target),
        // A key of Anthropic's would be sent to our server, and the program asks about it.
        Variable::new("ANTHROPIC_API_KEY", ""),
    ];
    for name in [
        "ANTHROPIC_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "CLAUDE_CODE_SUBAGENT_MODEL",
    ] {
        variables.push(Variable::new(name, &target.model));
    }
    variables.extend([
        // It takes every unknown model for one with a context of 200,000 tokens.
        Variable::new("CLAUDE_CODE_MAX_CONTEXT_TOKENS", target.context.to_string()),
        Variable::new("CLAUDE_CODE_AUTO_COMPACT_WINDOW", target.context.to_string()),
        Variable::new("CLAUDE_CODE_MAX_OUTPUT_TOKENS", target.output().to_string()),
        // Both change the beginning of the prompt, and everything after it is computed again.
        Variable::new("CLAUDE_CODE_ATTRIBUTION_HEADER", "0"),
        Variable::new("CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS", "1"),
        Variable::new("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        Variable::new("DISABLE_TELEMETRY", "1"),
    ]);
    Plan { variables, ..Plan::default() }
}
