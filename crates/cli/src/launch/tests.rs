//! The settings of each application, as text. They were compared with what the applications read.

use std::fmt::Write as _;
use std::path::Path;

use super::fit::{Ability, Unfit, check};
use super::*;

fn target(has_key: bool) -> Target {
    Target {
        url: "http://127.0.0.1:8000".to_owned(),
        has_key,
        model: "org/tiny".to_owned(),
        context: 65_536,
        now: "2026-11-30T08:00:00Z".to_owned(),
    }
}

fn folders(system: System) -> Folders {
    Folders {
        system,
        home: PathBuf::from("/home/ada"),
        xdg_config: None,
        app_data: None,
        codex: None,
        qwen: None,
        pi: None,
        continue_dev: None,
        own: PathBuf::from("/data/launch"),
    }
}

/// Returns the files, variables and arguments of an application as text.
fn shown(name: &str, has_key: bool) -> String {
    let app = find(name).unwrap();
    let plan = (app.plan)(&target(has_key), &folders(System::Linux));
    let mut text = String::new();
    for file in &plan.files {
        let path = file.path.display().to_string().replace('\\', "/");
        let content = files::content(&file.content, b"").unwrap();
        let _ = write!(text, "# {path}\n{content}");
    }
    text + &shell::lines(app.programs[0], &plan, &[], System::Linux).replace('\\', "/")
}

#[test]
fn claude_gets_variables_only() {
    let expected = "\
export ANTHROPIC_BASE_URL=http://127.0.0.1:8000
export ANTHROPIC_AUTH_TOKEN=none
export ANTHROPIC_API_KEY=''
export ANTHROPIC_MODEL=org/tiny
export ANTHROPIC_DEFAULT_HAIKU_MODEL=org/tiny
export ANTHROPIC_DEFAULT_SONNET_MODEL=org/tiny
export ANTHROPIC_DEFAULT_OPUS_MODEL=org/tiny
export CLAUDE_CODE_SUBAGENT_MODEL=org/tiny
export CLAUDE_CODE_MAX_CONTEXT_TOKENS=65536
export CLAUDE_CODE_AUTO_COMPACT_WINDOW=65536
export CLAUDE_CODE_MAX_OUTPUT_TOKENS=16384
export CLAUDE_CODE_ATTRIBUTION_HEADER=0
export CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS=1
export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
export DISABLE_TELEMETRY=1
claude
";
    assert_eq!(shown("claude", false), expected);
    let with_key = expected.replace("TOKEN=none", "TOKEN=\"$MLXK_API_KEY\"");
    assert_eq!(shown("claude-code", true), with_key);
}

#[test]
fn codex_gets_a_profile() {
    let expected = "\
# /home/ada/.codex/mlxk.config.toml
# Written by `mlxk launch codex`.
model = \"org/tiny\"
model_provider = \"mlxk\"
model_context_window = 65536

[model_providers.mlxk]
name = \"mlxk\"
base_url = \"http://127.0.0.1:8000/v1\"
wire_api = \"responses\"
codex --profile mlxk
";
    assert_eq!(shown("codex", false), expected);
    assert!(shown("codex", true).contains("\nenv_key = \"MLXK_API_KEY\"\nexport MLXK_API_KEY="));
}

#[test]
fn opencode_gets_a_provider() {
    let expected = "\
# /home/ada/.config/opencode/opencode.json
{
  \"provider\": {
    \"mlxk\": {
      \"npm\": \"@ai-sdk/openai-compatible\",
      \"name\": \"mlxk\",
      \"options\": {
        \"baseURL\": \"http://127.0.0.1:8000/v1\"
      },
      \"models\": {
        \"org/tiny\": {
          \"limit\": {
            \"context\": 65536,
            \"output\": 16384
          }
        }
      }
    }
  }
}
export OPENCODE_DISABLE_MODELS_FETCH=1
opencode --model mlxk/org/tiny
";
    assert_eq!(shown("opencode", false), expected);
    assert!(shown("opencode", true).contains("\"apiKey\": \"{env:MLXK_API_KEY}\""));
}

#[test]
fn cline_gets_a_provider() {
    let expected = "\
# /home/ada/.cline/data/settings/providers.json
{
  \"version\": 1,
  \"providers\": {
    \"openai-compatible\": {
      \"settings\": {
        \"provider\": \"openai-compatible\",
        \"baseUrl\": \"http://127.0.0.1:8000/v1\",
        \"model\": \"org/tiny\",
        \"contextWindow\": 65536,
        \"maxTokens\": 16384,
        \"apiKey\": \"none\"
      },
      \"updatedAt\": \"2026-11-30T08:00:00Z\",
      \"tokenSource\": \"manual\"
    }
  }
}
cline --provider openai-compatible --model org/tiny
";
    assert_eq!(shown("cline", false), expected);
    assert!(!shown("cline", true).contains("apiKey"));
}

#[test]
fn continue_gets_a_file_of_its_own() {
    let expected = "\
# /home/ada/.continue/agents/mlxk.yaml
# Written by `mlxk launch continue`.
name: mlxk
version: 1.0.0
schema: v1
models:
  - name: \"org/tiny\"
    provider: openai
    model: \"org/tiny\"
    apiBase: \"http://127.0.0.1:8000/v1\"
    apiKey: \"none\"
    roles: [chat, edit, apply]
    capabilities: [tool_use]
    defaultCompletionOptions:
      contextLength: 65536
      maxTokens: 16384
export CONTINUE_TELEMETRY_ENABLED=0
cn --config /home/ada/.continue/agents/mlxk.yaml
";
    assert_eq!(shown("continue", false), expected);
    assert!(shown("cn", true).contains("apiKey: \"${{ secrets.MLXK_API_KEY }}\"\n"));
}

#[test]
fn zed_gets_a_provider() {
    let expected = "\
# /home/ada/.config/zed/settings.json
{
  \"language_models\": {
    \"openai_compatible\": {
      \"mlxk\": {
        \"api_url\": \"http://127.0.0.1:8000/v1\",
        \"available_models\": [
          {
            \"name\": \"org/tiny\",
            \"display_name\": \"org/tiny\",
            \"max_tokens\": 65536,
            \"max_output_tokens\": 16384,
            \"capabilities\": {
              \"tools\": true,
              \"images\": false,
              \"parallel_tool_calls\": false,
              \"prompt_cache_key\": false
            }
          }
        ]
      }
    }
  },
  \"agent\": {
    \"default_model\": {
      \"provider\": \"mlxk\",
      \"model\": \"org/tiny\"
    }
  }
}
export MLXK_API_KEY=none
zed .
";
    assert_eq!(shown("zed", false), expected);
}

#[test]
fn aider_gets_the_size_of_the_model() {
    let expected = "\
# /data/launch/aider.json
{
  \"openai/org/tiny\": {
    \"max_tokens\": 16384,
    \"max_input_tokens\": 65536,
    \"max_output_tokens\": 16384,
    \"input_cost_per_token\": 0,
    \"output_cost_per_token\": 0,
    \"litellm_provider\": \"openai\",
    \"mode\": \"chat\"
  }
}
export OPENAI_API_BASE=http://127.0.0.1:8000/v1
export OPENAI_API_KEY=none
aider --model openai/org/tiny --model-metadata-file /data/launch/aider.json --edit-format diff
";
    assert_eq!(shown("aider", false), expected);
}

#[test]
fn goose_gets_variables_only() {
    let expected = "\
export GOOSE_PROVIDER=openai
export GOOSE_MODEL=org/tiny
export GOOSE_CONTEXT_LIMIT=65536
export GOOSE_MAX_TOKENS=16384
export OPENAI_HOST=http://127.0.0.1:8000
export OPENAI_BASE_PATH=v1/chat/completions
export OPENAI_API_KEY=none
goose
";
    assert_eq!(shown("goose", false), expected);
}

#[test]
fn qwen_code_gets_a_model() {
    let expected = "\
# /home/ada/.qwen/settings.json
{
  \"modelProviders\": {
    \"openai\": [
      {
        \"id\": \"org/tiny\",
        \"name\": \"org/tiny (mlxk)\",
        \"baseUrl\": \"http://127.0.0.1:8000/v1\",
        \"envKey\": \"MLXK_API_KEY\",
        \"generationConfig\": {
          \"contextWindowSize\": 65536
        }
      }
    ]
  }
}
export MLXK_API_KEY=none
qwen --auth-type openai --model org/tiny
";
    assert_eq!(shown("qwen", false), expected);
}

#[test]
fn pi_gets_a_provider() {
    let expected = "\
# /home/ada/.pi/agent/models.json
{
  \"providers\": {
    \"mlxk\": {
      \"baseUrl\": \"http://127.0.0.1:8000/v1\",
      \"api\": \"openai-completions\",
      \"apiKey\": \"none\",
      \"models\": [
        {
          \"id\": \"org/tiny\",
          \"contextWindow\": 65536,
          \"maxTokens\": 16384
        }
      ]
    }
  }
}
pi --provider mlxk --model org/tiny
";
    assert_eq!(shown("pi", false), expected);
    let with_key = shown("pi", true);
    assert!(with_key.contains("\"apiKey\": \"MLXK_API_KEY\""), "{with_key}");
    assert!(with_key.contains("export MLXK_API_KEY=\"$MLXK_API_KEY\"\n"), "{with_key}");
}

#[test]
fn no_application_writes_the_key_or_too_long_answers() {
    for app in ALL {
        let plan = (app.plan)(&Target { context: 8_192, ..target(true) }, &folders(System::Linux));
        let text = format!("{:?} {:?} {:?}", plan.files, plan.variables, plan.arguments);
        assert!(!text.contains("none"), "{}: {text}", app.name);
        // A quarter of the context.
        assert!(!text.contains("16384"), "{}: {text}", app.name);
        assert!(
            text.contains("org/tiny") && text.contains("127.0.0.1:8000"),
            "{}: {text}",
            app.name
        );
    }
}

#[test]
fn folders_follow_the_system_and_the_variables() {
    let path = |name: &str, folders: &Folders| {
        let plan = (find(name).unwrap().plan)(&target(false), folders);
        plan.files[0].path.clone()
    };
    let moved = |system| Folders {
        xdg_config: Some("/xdg".into()),
        app_data: Some("/roaming".into()),
        codex: Some("/codex".into()),
        qwen: Some("/qwen".into()),
        pi: Some("/pi".into()),
        continue_dev: Some("/continue".into()),
        ..folders(system)
    };
    for (system, name, expected, elsewhere) in [
        (System::Linux, "zed", "/home/ada/.config/zed/settings.json", "/xdg/zed/settings.json"),
        (
            System::MacOs,
            "zed",
            "/home/ada/.config/zed/settings.json",
            "/home/ada/.config/zed/settings.json",
        ),
        (
            System::Windows,
            "zed",
            "/home/ada/AppData/Roaming/Zed/settings.json",
            "/roaming/Zed/settings.json",
        ),
        (
            System::Windows,
            "opencode",
            "/home/ada/.config/opencode/opencode.json",
            "/xdg/opencode/opencode.json",
        ),
        (System::Linux, "codex", "/home/ada/.codex/mlxk.config.toml", "/codex/mlxk.config.toml"),
        (System::Linux, "qwen", "/home/ada/.qwen/settings.json", "/qwen/settings.json"),
        (System::MacOs, "pi", "/home/ada/.pi/agent/models.json", "/pi/models.json"),
        (
            System::Linux,
            "continue",
            "/home/ada/.continue/agents/mlxk.yaml",
            "/continue/agents/mlxk.yaml",
        ),
    ] {
        assert_eq!(path(name, &folders(system)), Path::new(expected), "{name}");
        assert_eq!(path(name, &moved(system)), Path::new(elsewhere), "{name}");
    }
}

#[test]
fn an_existing_file_with_comments_is_preferred() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("opencode");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("opencode.jsonc"), "{}").unwrap();
    let folders = Folders { xdg_config: Some(home.path().to_owned()), ..folders(System::Linux) };
    let plan = (find("opencode").unwrap().plan)(&target(false), &folders);
    assert_eq!(plan.files[0].path, folder.join("opencode.jsonc"));
}

#[test]
fn mistyped_names_get_the_nearest() {
    assert_eq!(find("Claude-Code").unwrap().name, "claude");
    for (typed, expected) in [
        ("cluade", "did you mean `mlxk launch claude`?"),
        ("open-coda", "did you mean `mlxk launch open-code`?"),
        ("emacs", "`mlxk launch` lists them"),
    ] {
        let UsageError(sentence) = find(typed).unwrap_err();
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn models_that_are_not_able_to_are_refused() {
    let able =
        Ability { model: "m".to_owned(), context: Some(32_768), writes: true, calls_tools: true };
    let claude = find("claude").unwrap();
    assert_eq!(check(claude, &able), Ok(()));
    assert_eq!(check(claude, &Ability { context: None, ..able.clone() }), Ok(()));
    let no_tools = Ability { calls_tools: false, ..able.clone() };
    let error = check(claude, &no_tools).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`m` can't call tools, and Claude Code does nothing without them"
    );
    // aider reads changes from text.
    assert_eq!(check(find("aider").unwrap(), &no_tools), Ok(()));
    let short = check(claude, &Ability { context: Some(4_096), ..able.clone() }).unwrap_err();
    assert_eq!(
        short.to_string(),
        "`m` has a context of 4096 tokens here, but Claude Code needs 32768 for its instructions"
    );
    assert!(short.hint().contains("`--ctx 32768`"), "{}", short.hint());
    let vectors = Ability { writes: false, ..able };
    assert!(matches!(check(claude, &vectors), Err(Unfit::NoText { .. })));
}

#[test]
fn names_of_models_stay_values() {
    let model = "a\"b\\c\n[d]: ${e} #f";
    let hostile = Target { model: model.to_owned(), ..target(true) };
    let text = |name: &str| {
        let plan = (find(name).unwrap().plan)(&hostile, &folders(System::Linux));
        files::content(&plan.files[0].content, b"").unwrap()
    };
    let profile: toml::Table = text("codex").parse().unwrap();
    assert_eq!(profile["model"].as_str(), Some(model));
    assert_eq!(profile["model_providers"]["mlxk"]["wire_api"].as_str(), Some("responses"));
    let line = format!("    model: {}\n", Value::from(model));
    assert!(text("continue").contains(&line), "{}", text("continue"));
    for (name, pointer) in [
        ("pi", "/providers/mlxk/models/0/id"),
        ("qwen-code", "/modelProviders/openai/0/id"),
        ("cline", "/providers/openai-compatible/settings/model"),
        ("zed", "/agent/default_model/model"),
    ] {
        let value: Value = serde_json::from_str(&text(name)).unwrap();
        assert_eq!(value.pointer(pointer).and_then(Value::as_str), Some(model), "{name}");
    }
    let value: Value = serde_json::from_str(&text("opencode")).unwrap();
    assert_eq!(value["provider"]["mlxk"]["models"][model]["limit"]["context"], 65_536);
}
