"""Tests the server with official clients.

    run.py MLXK PART... [--quick]

A part is a module in this folder with a function `run(address, quick)`. Its client has to be installed.
MLXK_TEST_MODEL names the model, by default the starter model, which has to be installed already. Parts about tools
and embeddings also use the scripted model and the encoders, which this program writes.
"""

import importlib
import pathlib
import sys
import tempfile

import encoders
import scripted
import scripts
from server import MODEL, server


def main():
    binary, *parts = [word for word in sys.argv[1:] if word != "--quick"]
    quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as workspaces:
        encoders.write(pathlib.Path(workspaces))
        scripted.write(pathlib.Path(workspaces) / scripts.NAME, scripts.SCRIPTS)
        with server(binary, "--model", MODEL, "--no-pull", MLXK_WORKSPACE_HOME=workspaces) as running:
            for part in parts:
                importlib.import_module(part).run(running.address, quick)


if __name__ == "__main__":
    main()
