"""Tests the server with official clients.

    run.py MLXK PART... [--quick]

A part is a module in this folder with a function `run(address, quick)`. The clients of OpenAI, Anthropic and Ollama
have to be installed. A part whose framework is not installed is skipped, and the end of the output names it.
MLXK_TEST_MODEL names the model, by default the starter model, which has to be installed already. Parts about tools
and embeddings also use the scripted models and the encoders, which this program writes.
"""

import importlib
import pathlib
import sys
import tempfile

import encoders
import scripted
import scripts
from server import MODEL, server
from skips import Skipped


def main():
    binary, *parts = [word for word in sys.argv[1:] if word != "--quick"]
    quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as workspaces:
        encoders.write(pathlib.Path(workspaces))
        scripted.write(pathlib.Path(workspaces) / scripts.NAME, scripts.SCRIPTS)
        scripted.write(pathlib.Path(workspaces) / scripts.THINKER, scripts.THINKER_SCRIPTS, thinks=True)
        with server(binary, "--model", MODEL, "--no-pull", MLXK_WORKSPACE_HOME=workspaces) as running:
            skipped = [part for part in parts if not ran(part, running.address, quick)]
    if skipped:
        print("skipped, because their packages are not installed:", ", ".join(skipped), file=sys.stderr)


def ran(part, address, quick):
    """Runs a part. Returns `False` if its client is not installed."""
    try:
        importlib.import_module(part).run(address, quick)
    except Skipped as reason:
        print(f"{part}: skipped, because {reason}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    main()
