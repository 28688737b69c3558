"""Ollama's own tests of tools, thinking and embeddings, against this server.

    ollama_suite.py MLXK OLLAMA [EMBEDDER]

OLLAMA is a checkout of https://github.com/ollama/ollama. A scripted model (see `scripted.py`) gives the answers that
the tests want, so that they say something about the server alone. Without a GPU, Ollama skips its test of long
prompts. EMBEDDER is a folder with all-MiniLM-L6-v2, the model whose vectors Ollama's tests contain; without it, they are
left out.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import scripted
from scripted import Script, call
from server import server

NAME = "scripted"
TESTS = "TestTools|TestBasic/thinking"
EMBEDDER = "all-minilm"
EMBEDDINGS = f"TestEmbedding/.*/^{EMBEDDER}$"
THINKS = "not (enable_thinking is defined and not enable_thinking)"


def answers(asked, thought, text):
    """Returns scripts for a user's text, with and without thinking."""
    when = f"asked == {json.dumps(asked)}"
    return [Script(f"{when} and {THINKS}", f"<think>\n{thought}\n</think>\n\n{text}"), Script(when, text)]


SCRIPTS = [
    *answers("What is 12 multiplied by 15? Give the final answer.", "12 x 10 is 120, and 12 x 5 is 60.", "It is 180."),
    *answers("What is the capital of Japan? Answer in one word.", "It was Kyoto once.", "Tokyo"),
    *answers("Call get_weather with location set to San Francisco.", "A tool knows.",
             call("get_weather", {"location": "San Francisco"})),
    *answers("Now call get_weather with location exactly Boston. Return only the tool call.", "Paris was before.",
             call("get_weather", {"location": "Boston"})),
    *answers("Run git diff main to review the code changes on the current branch.", "That is a command.",
             "I run it.\n" + call("bash", {"command": "git diff main"})),
    *answers("Read the file at ./go.mod and tell me what dependencies we have.", "That is a file.",
             call("read", {"path": "./go.mod"})),
    *answers("What files are in the current directory?", "The result has four.", "They are go.mod and three others."),
]


def main():
    binary, checkout = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    embedder = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory() as folder:
        models = pathlib.Path(folder) / "models"
        scripted.write(models / NAME, SCRIPTS, thinks=True)
        environment = {"MLXK_WORKSPACE_HOME": str(models), "HF_HOME": folder, "XDG_DATA_HOME": folder}
        if embedder:
            shutil.copytree(embedder, models / EMBEDDER)
        with server(binary, "--no-pull", **environment) as running:
            address = urllib.parse.urlsplit(running.address).netloc
            known = {**os.environ, "OLLAMA_HOST": address, "OLLAMA_TEST_EXISTING": "1"}
            run(checkout, "fast", TESTS, {**known, "OLLAMA_TEST_MODEL": NAME})
            if embedder:
                run(checkout, "release", EMBEDDINGS, known)


def run(checkout, selection, tests, environment):
    """Runs tests of a checkout, with the models of one of its selections, and prints the results."""
    command = ["go", "test", f"-tags=integration,{selection}", "-count=1", "-v", "-run", tests, "./integration"]
    ended = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True)
    results = [line for line in ended.stdout.splitlines() if line.lstrip().startswith("--- ")]
    print("\n".join(results))
    assert ended.returncode == 0 and any("PASS" in line for line in results), ended.stdout


if __name__ == "__main__":
    main()
