"""Coding agents against the server: each reads a file and changes one line of it.

    agents.py MLXK FOLDER [--launch] [AGENT...]

FOLDER has the programs, for example FOLDER/node_modules/.bin/claude after `npm install @anthropic-ai/claude-code`,
or FOLDER/bin/aider. Agents that are not installed are skipped. A scripted model answers (see `scripted.py`). All
programs run in a network namespace that has the loopback device only, so this needs Linux and `unshare`.

With `--launch`, the settings are not those of this file: `mlxk launch` makes them and starts the agent.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import scripted
from scripted import Script, call
from server import server

OLD = '\tbeta = "1"  # ü'
NEW = '{"delta": ["\\n", 2]}\t# ß 🦀'
FILE = "notes.txt"
PATCH = f"*** Begin Patch\n*** Update File: {FILE}\n@@\n alpha\n-{OLD}\n+{NEW}\n gamma\n*** End Patch"
PROMPT = f"Change beta to delta in {FILE}."
END = "The file is changed."


def content(line):
    return f"alpha\n{line}\ngamma\n"


def steps(read, edit):
    """Returns the scripts of an agent: read, edit, end. Requests without tools ask for a title."""
    texts = ["I read the file.\n" + read, edit, END]
    return [Script("not tools", "Edit of a file"),
            *[Script(f"all_results == {count}", text) for count, text in enumerate(texts)]]


def claude(home, base, model, path):
    script = steps(call("Read", {"file_path": path}),
                   call("Edit", {"file_path": path, "old_string": OLD, "new_string": NEW}))
    kinds = ["MODEL", "DEFAULT_HAIKU_MODEL", "DEFAULT_SONNET_MODEL", "DEFAULT_OPUS_MODEL"]
    environment = {"ANTHROPIC_BASE_URL": base, "ANTHROPIC_AUTH_TOKEN": "none", "DISABLE_TELEMETRY": "1",
                   "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS": "1",
                   **{f"ANTHROPIC_{kind}": model for kind in kinds}}
    return script, ["claude", "-p", PROMPT, "--allowedTools", "Read,Edit,Write"], environment


def codex(home, base, model, path):
    settings = f'''model = "{model}"
model_provider = "mlxk"
check_for_update_on_startup = false

[model_providers.mlxk]
name = "mlxk"
base_url = "{base}/v1"
wire_api = "responses"

[analytics]
enabled = false
'''
    write(home / ".codex/config.toml", settings)
    script = steps(call("exec_command", {"cmd": f"cat {FILE}"}),
                   call("exec_command", {"cmd": f"apply_patch <<'END'\n{PATCH}\nEND\n"}))
    return script, ["codex", "exec", "--sandbox", "workspace-write", PROMPT], {}


def codex_catalog(home, base, model, path):
    """Codex with metadata of the model. It then offers its own tool for patches, which takes text."""
    _, command, environment = codex(home, base, model, path)
    listed = subprocess.run(["codex", "debug", "models"], capture_output=True, check=True,
                            env={"PATH": os.environ["PATH"], "HOME": str(home)}).stdout
    entry = next(entry for entry in json.loads(listed)["models"] if entry["slug"] == "gpt-5.5")
    entry |= {"slug": model, "display_name": model, "context_window": 200000, "max_context_window": 200000,
              "input_modalities": ["text"], "supports_search_tool": False}
    write(home / ".codex/catalog.json", json.dumps({"models": [entry]}))
    config = home / ".codex/config.toml"
    write(config, f'model_catalog_json = "{home}/.codex/catalog.json"\n' + config.read_text())
    script = steps(call("exec_command", {"cmd": f"cat {FILE}"}), call("apply_patch", {"input": PATCH}))
    return script, command, environment


def opencode(home, base, model, path):
    write(home / ".config/opencode/opencode.json", json.dumps(opencode_settings(base, model)))
    script = steps(call("read", {"filePath": path}),
                   call("edit", {"filePath": path, "oldString": OLD, "newString": NEW}))
    return script, ["opencode", "run", "-m", f"mlxk/{model}", PROMPT], {"OPENCODE_DISABLE_MODELS_FETCH": "1"}


def opencode_settings(base, model):
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "mlxk", "options": {"baseURL": f"{base}/v1"},
                "models": {model: {"limit": {"context": 200000, "output": 8000}}}}
    return {"autoupdate": False, "share": "disabled", "provider": {"mlxk": provider}}


def kilo(home, base, model, path):
    """Kilo Code's agent for the terminal. It is a descendant of opencode."""
    script, _, _ = opencode(home, base, model, path)
    write(home / ".config/kilo/kilo.json", json.dumps(opencode_settings(base, model)))
    command = ["kilo", "run", "--auto", "-m", f"mlxk/{model}", PROMPT]
    return script, command, {"KILO_DISABLE_MODELS_FETCH": "1"}


def qwen(home, base, model, path):
    write(home / ".qwen/settings.json", json.dumps({"privacy": {"usageStatisticsEnabled": False}}))
    script = steps(call("read_file", {"file_path": path}),
                   call("edit", {"file_path": path, "old_string": OLD, "new_string": NEW}))
    environment = {"OPENAI_BASE_URL": f"{base}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": model}
    return script, ["qwen", "-p", PROMPT, "--yolo", "--auth-type", "openai"], environment


def pi(home, base, model, path):
    provider = {"baseUrl": f"{base}/v1", "api": "openai-completions", "apiKey": "none",
                "models": [{"id": model, "contextWindow": 200000, "maxTokens": 8000}]}
    write(home / ".pi/agent/models.json", json.dumps({"providers": {"mlxk": provider}}))
    script = steps(call("read", {"path": FILE}),
                   call("edit", {"path": FILE, "edits": [{"oldText": OLD, "newText": NEW}]}))
    return script, ["pi", "-p", PROMPT, "--provider", "mlxk", "--model", model], {"PI_OFFLINE": "1"}


def aider(home, base, model, path):
    change = f"<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE"
    script = [Script("true", f"I change it.\n\n{FILE}\n```\n{change}\n```\n")]
    command = ["aider", "--model", f"openai/{model}", "--message", PROMPT, "--yes-always", "--analytics-disable",
               "--no-check-update", "--edit-format", "diff", "--no-auto-commits", "--no-show-model-warnings", FILE]
    return script, command, {"OPENAI_API_BASE": f"{base}/v1", "OPENAI_API_KEY": "none"}


def cn(home, base, model, path):
    """Continue's agent for the terminal."""
    write(home / "config.yaml", f"""name: mlxk
version: 1.0.0
schema: v1
models:
  - name: {model}
    provider: openai
    model: {model}
    apiBase: {base}/v1
    apiKey: none
    roles: [chat]
    capabilities: [tool_use]
""")
    script = steps(call("Read", {"filepath": path}),
                   call("Edit", {"file_path": path, "old_string": OLD, "new_string": NEW}))
    command = ["cn", "-p", PROMPT, "--config", str(home / "config.yaml"), "--auto"]
    return script, command, {"CONTINUE_TELEMETRY_ENABLED": "0"}


def copilot(home, base, model, path):
    script = steps(call("view", {"path": path}), call("edit", {"path": path, "old_str": OLD, "new_str": NEW}))
    environment = {"COPILOT_PROVIDER_BASE_URL": f"{base}/v1", "COPILOT_PROVIDER_TYPE": "openai", "COPILOT_MODEL": model,
                   "COPILOT_PROVIDER_API_KEY": "none", "COPILOT_OFFLINE": "true"}
    return script, ["copilot", "-p", PROMPT, "--allow-all-tools", "--no-auto-update"], environment


def cline(home, base, model, path):
    """Cline's agent for the terminal."""
    settings = {"provider": "openai-compatible", "apiKey": "none", "model": model, "baseUrl": f"{base}/v1"}
    providers = {"openai-compatible": {"settings": settings, "updatedAt": "2026-01-01T00:00:00Z"}}
    write(home / ".cline/data/settings/providers.json", json.dumps({"version": 1, "providers": providers}))
    script = steps(call("read_files", {"files": [{"path": path}]}),
                   call("editor", {"path": path, "old_text": OLD, "new_text": NEW}))
    return script, ["cline", "--provider", "openai-compatible", "--model", model, PROMPT], {}


AGENTS = {agent.__name__: agent for agent in
          [claude, codex, codex_catalog, opencode, kilo, qwen, copilot, cn, pi, aider, cline]}

# Arguments of each agent that are not part of its settings, for `mlxk launch`.
LAUNCHED = {
    "claude": ["-p", PROMPT, "--allowedTools", "Read,Edit,Write"],
    "codex": ["exec", "--sandbox", "workspace-write", PROMPT],
    "opencode": ["run", PROMPT],
    "qwen": ["-p", PROMPT, "--yolo"],
    "cn": ["-p", PROMPT, "--auto"],
    "pi": ["-p", PROMPT],
    "aider": ["--message", PROMPT, "--yes-always", "--analytics-disable", "--no-check-update", "--no-auto-commits",
              FILE],
    "cline": [PROMPT],
}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def words():
    """Returns text with the words of instructions, so that prompts have fewer tokens."""
    root = pathlib.Path(__file__).resolve().parents[2]
    return " ".join(path.read_text(encoding="utf-8") for path in sorted(root.glob("docs/**/*.md")))


def check(name, binary, folder, launches):
    """Runs an agent. Returns a line about it."""
    folder = pathlib.Path(folder)
    home, project = folder / "home", folder / "project"
    write(project / FILE, content(OLD))
    for command in [["init", "-q"], ["add", "."],
                    ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "a"]]:
        subprocess.run(["git", *command], cwd=project, check=True)
    model, log = f"scripted-{name}", folder / "log"
    # The script is not known yet, but the address is part of the settings.
    with open(log, "w") as written, server(binary, "--no-pull", "--log-level", "info", log=written,
                                           MLXK_WORKSPACE_HOME=str(folder / "models"), HF_HOME=str(folder)) as running:
        unused = folder / "unused" if launches else home
        script, command, environment = AGENTS[name](unused, running.address, model, str(project / FILE))
        if launches:
            command = [binary, "launch", name, "--host", running.address, "--model", model, "--yes", "--",
                       *LAUNCHED[name]]
            environment = {}
        scripted.write(folder / "models" / model, script, words(), 5000)
        known = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb", **environment}
        ended = subprocess.run(command, cwd=project, env=known, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=300, text=True)
    found = (project / FILE).read_text(encoding="utf-8")
    assert ended.returncode == 0 and found == content(NEW), f"{name}: {ended.returncode}, {found!r}\n{ended.stdout}"
    counts = re.findall(r"prompt_tokens=(\d+) cached_tokens=(\d+)", log.read_text(encoding="utf-8"))
    counts = [(int(prompt), int(cached)) for prompt, cached in counts]
    return ", ".join(f"{prompt - cached} of {prompt}" for prompt, cached in counts)


def main():
    binary, programs, *names = sys.argv[1:]
    binary, launches = os.path.abspath(binary), "--launch" in names
    names = [name for name in names if name != "--launch"]
    programs = pathlib.Path(programs).resolve()
    os.environ["PATH"] = f"{programs}/node_modules/.bin:{programs}/bin:{os.environ['PATH']}"
    for name in names or (LAUNCHED if launches else AGENTS):
        program = name.split("_")[0]
        if subprocess.run(["which", program], capture_output=True).returncode:
            print(f"{name}: not installed")
            continue
        with tempfile.TemporaryDirectory(dir=os.environ.get("MLXK_TEST_FOLDER"), ignore_cleanup_errors=True) as folder:
            begin = time.monotonic()
            counts = check(name, binary, folder, launches)
            print(f"{name}: edited in {time.monotonic() - begin:.0f} s; tokens computed: {counts}", flush=True)


if __name__ == "__main__":
    if "MLXK_TEST_ISOLATED" not in os.environ:
        os.environ["MLXK_TEST_ISOLATED"] = "1"
        inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv]
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", *inside])
    main()
