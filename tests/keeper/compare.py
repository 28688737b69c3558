#!/usr/bin/env python3
"""Compares `list`, `show`, `health` and `--version` of mlxk and MLX-Knife, key by key, on the cache that
`fabricate.py` writes. Every difference must be listed in `DELIBERATE`, and every listed one must occur. All
output of mlxk must fit `docs/reference/envelope.schema.json`.

    pip install "mlx[cpu]" mlx-knife==2.0.8 jsonschema
    compare.py --ours target/debug/mlxk --theirs VENV/bin/mlxk

`cargo xtask accept keeper VENV/bin/python` does it.
"""

import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

HERE = Path(__file__).parent
# MLX-Knife crashes on these in `list` and `health`; mlxk lists them.
CRASHES = ["mlx-community/Link-Dead", "mlx-community/Incomplete-Download", "mlx-community/Config-List"]
BLIND = ["Header-*", "Weights-Truncated", "Weights-Longer", "Shard-Truncated", "Shard-Other-Tensors",
         "Tokenizer-Truncated", "Adapters-Alone"]
BLIND = [f"mlx-community/{name}" for name in BLIND] + ["org/Torch-Zip-Truncated", "org/Truncated-GGUF"]
VERDICT = ["health", "runtime_compatible", "reason", "status"]

# Commands, models, keys (patterns), and the reason for the difference.
DELIBERATE = [
    ("*", "*", ["reason"], "Reasons are phrased differently and name the file; only their presence is the same.", "words"),
    ("show", "*", ["details", "quantization.mode", "quantization.mixed"],
     "mlxk adds the path, the context length, and each finding with its repair command, where the schema is open.",
     "more"),
    (["list", "show"], "*", ["context_length"],
     "MLX-Knife 2.0.8 has a key that its schema does not allow. mlxk has it in `details`, or with `--extended`.", "less"),
    ("*", ["mlx-community/Index-Stale", "mlx-community/Index-Of-Source"], VERDICT,
     "An index of other files is ignored, as in mlx-lm; mlxk notes it and proposes to repair it."),
    ("*", ["mlx-community/Generation-Broken", "mlx-community/Generation-Wrong"], VERDICT,
     "A malformed `generation_config.json` would change the answers, so mlxk does not load the model."),
    ("*", "*", ["quantization", "quantization.*"],
     "mlxk also reports quantization in `list`, and that of other tools than MLX.", "more"),
    ("*", BLIND, VERDICT, "mlxk reads headers, ranges and lengths, so it finds truncated and corrupt files."),
    ("*", "mlx-community/Index-Missing", VERDICT,
     "A complete series of shards runs without an index, in mlx-lm too; mlxk notes that it is missing."),
    ("*", "mlx-community/Sentence-Piece", VERDICT,
     "A model with only `tokenizer.model` is complete, although it is not supported."),
    ("*", "mlx-community/Vision-Text-Only-4bit", VERDICT,
     "Weights without a vision tower need no image settings."),
    ("*", ["gpt2", "org/Dense-Mlx", "org/Method-Mlx", "*/workspaces/dense"], ["framework", *VERDICT],
     "MLX is recognized by the metadata of the weights, so an unquantized model keeps its framework."),
    ("*", "org/Torch-Safetensors", VERDICT, "Floating-point safetensors run unchanged."),
    ("*", ["mlx-community/whisper-tiny"],
     ["runtime_compatible", "reason"], "mlxk does not transcribe sound."),
    ("*", "mlx-community/Revisions-4bit", ["hash", "size_bytes", "model_type", "capabilities.*", "last_modified"],
     "`refs/main` decides which revision a name means, not the time of a folder."),
    ("*", ["org/Name-with/dashes", "org/Name-with--dashes"], ["*"],
     "MLX-Knife reads every `--` as `/`. mlxk reads only the first one so, and both list the folder."),
    ("show", "*", ["metadata.quantization"],
     "mlxk also reads the bits from MLX's own table, not only from `quantization_config`.", "more"),
    ("health", ["dense", "foreign", "my own model", "plain-4bit", "quantized", "repaired", "torn"], ["managed"],
     "MLX-Knife has a key that its schema does not allow. mlxk has it with `--extended`.", "less"),
    ("show", "mlx-community/Vision-*", ["metadata.*"],
     "Values under `text_config` are shown if the top level lacks them.", "more"),
    ("--version", "", ["cli_version", "json_api_spec_version", "system", "system.*"],
     "It is another program. It reports the memory on every system, and its API is 0.2.3."),
    ("*", "error", ["message", "hint", "matches.*"], "Errors are phrased differently, with a hint."),
    ("health", ["health nosuch", "error"], ["exit", "status", "error.*", "*"], "A name that is not found is an error with exit code 1."),
    ("health", ["health", "health mlx-community/Shard-Missing"], ["exit"], "An unhealthy model gives exit code 1, so that scripts notice."),
    ("health", "summary", ["*"], "Counts follow from the verdicts."),
    ("show", "*/workspaces/*", ["display_name"], "`show` has the short name of a workspace, like `list`.", "more"),
]
COMMANDS = ["list", "health", "health mlx-community/Shard-Missing", "health nosuch", "show nosuch", "--version"]
SHOWN = ["mlx-community/Single-4bit", "plain-4bit"]


def run(program, command, root, schema=None):
    environment = {**os.environ, "HF_HOME": str(root), "MLXK_WORKSPACE_HOME": str(root / "workspaces"),
                   "XDG_DATA_HOME": str(root / "data"), "HOME": str(root), "HF_HUB_OFFLINE": "1"}
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "MLXK_CONFIG"]:
        environment.pop(name, None)
    words = ["show", *command[5:].split(" --")] if command.startswith("show ") else command.split()
    words = [f"--{word}" if at > 1 and command.startswith("show ") else word for at, word in enumerate(words)]
    done = subprocess.run([program, *words, "--json"], env=environment, capture_output=True, text=True)
    try:
        envelope = json.loads(done.stdout)
        for error in schema.iter_errors(envelope) if schema else ():
            sys.exit(f"{command}: {error.json_path}: {error.message}")
        return done.returncode, envelope
    except ValueError:
        sys.exit(f"{program} {command}: no envelope\n{done.stdout}\n{done.stderr}")


def flat(value, prefix=""):
    """Returns leaves by their path. Empty lists and objects are leaves."""
    if isinstance(value, dict) and value:
        items = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
        if all(isinstance(item, dict) and "name" in item for item in value):
            items = [(item["name"], item) for item in value]
    else:
        return {prefix: value}
    found = {}
    for key, item in items:
        found.update(flat(item, f"{prefix}.{key}" if prefix else str(key)))
    return found


def records(command, code, envelope):
    """Returns the output of a command as records by name."""
    data = envelope["data"] or {}
    head = {"exit": code, "status": envelope["status"], "command": envelope["command"]}
    found = {command: head}
    if envelope["error"]:
        head["error.type"] = envelope["error"]["type"]
        found["error"] = flat({key: value for key, value in envelope["error"].items() if key != "type"})
        return found
    if command == "list":
        found.update({model["name"]: flat(model) for model in data["models"]})
        found[""] = {"count": data["count"]}
    elif command.startswith("health"):
        for model in data["healthy"] + data["unhealthy"]:
            found[model["name"]] = flat(model)
        found["summary"] = flat(data["summary"])
    elif command.startswith("show"):
        rest = {key: value for key, value in data.items() if key not in ("model",)}
        found[data["model"]["name"]] = {**flat(data["model"]), **flat(rest)}
    else:
        found[""] = flat(data)
    return found


ABSENT = "(absent)"


class Judge:
    def __init__(self):
        self.used, self.bad, self.same = set(), [], 0

    def compare(self, command, ours, theirs):
        for name in sorted({*ours, *theirs}):
            one, two = ours.get(name, {}), theirs.get(name, {})
            if name not in ours or name not in theirs:
                one = {"*": "(here)"} if name in ours else {}
                two = {"*": "(here)"} if name in theirs else {}
            for key in sorted({*one, *two}):
                a, b = one.get(key, ABSENT), two.get(key, ABSENT)
                if a == b:
                    self.same += 1
                elif not self.excused(command, name, key, a, b):
                    self.bad.append(f"{command} | {name} | {key}: ours {a!r}, theirs {b!r}")

    def excused(self, command, name, key, a, b):
        many = lambda patterns: patterns if isinstance(patterns, list) else [patterns]
        matches = lambda text, patterns: any(fnmatch.fnmatchcase(text, p) for p in many(patterns))
        found = False
        for at, (commands, names, keys, _, *kind) in enumerate(DELIBERATE):
            if not (matches(command.split()[0], commands) and matches(name, names)):
                continue
            if not any(fnmatch.fnmatchcase(key, k) or key.startswith(f"{k}.") for k in keys):
                continue
            if kind == ["words"] and not (isinstance(a, str) and isinstance(b, str)):
                continue
            if kind == ["more"] and b != ABSENT:
                continue
            if kind == ["less"] and a != ABSENT:
                continue
            self.used.add(at)
            found = True
        return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--theirs", required=True)
    options = parser.parse_args()
    ours, theirs = (str(Path(path).absolute()) for path in (options.ours, options.theirs))
    schema = jsonschema.Draft202012Validator(json.loads((HERE / "../../docs/reference/envelope.schema.json").read_text()))
    root = Path(tempfile.mkdtemp())
    try:
        subprocess.run([sys.executable, HERE / "fabricate.py", root], check=True)
        for name in CRASHES:
            folder = root / "hub" / ("models--" + name.replace("/", "--"))
            aside = root / folder.name
            for other in CRASHES:
                if other != name:
                    shutil.move(root / "hub" / ("models--" + other.replace("/", "--")), root)
            (code, listed), (their_code, their_list) = run(ours, "list", root), run(theirs, "list", root)
            crashed = (their_code, their_list["error"] and their_list["error"]["type"])
            if code or name not in [model["name"] for model in listed["data"]["models"]]:
                sys.exit(f"ours does not list {name}")
            print(f"{name}: MLX-Knife's `list` ends with {crashed}, ours lists it")
            for other in CRASHES:
                if other != name:
                    shutil.move(root / ("models--" + other.replace("/", "--")), root / "hub")
        for name in CRASHES:
            shutil.rmtree(root / "hub" / ("models--" + name.replace("/", "--")))
        judge = Judge()
        _, listed = run(theirs, "list", root)
        names = [model["name"] for model in listed["data"]["models"]]
        shown = [name for name in names if name.count("/") < 2 or name.startswith("/")]
        commands = COMMANDS + [f"show {name}" for name in [*shown, SHOWN[-1]]]
        commands += [f"show {SHOWN[0]} --files", f"show {SHOWN[0]} --config"]
        for command in commands:
            found = [records(command, *run(ours, command, root, schema)), records(command, *run(theirs, command, root))]
            judge.compare(command, *found)
        for at, (commands, names, keys, why, *_) in enumerate(DELIBERATE):
            if at in judge.used:
                print(f"deliberate: {why}")
            else:
                judge.bad.append(f"never seen: {why}")
        print(f"{judge.same} values are the same")
        for line in judge.bad:
            print(f"DIFFERENT {line}")
        sys.exit(1 if judge.bad else 0)
    finally:
        shutil.rmtree(root)


main()
