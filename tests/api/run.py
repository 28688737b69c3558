"""Tests the server with official clients.

    run.py MLXK PART... [--quick]

A part is a module in this folder with a function `run(address, quick)`. Its client has to be installed.
MLXK_TEST_MODEL names the model, by default the starter model, which has to be installed already.
"""

import importlib
import sys

from server import MODEL, server


def main():
    binary, *parts = [word for word in sys.argv[1:] if word != "--quick"]
    quick = "--quick" in sys.argv
    with server(binary, "--model", MODEL, "--no-pull") as running:
        for part in parts:
            importlib.import_module(part).run(running.address, quick)


if __name__ == "__main__":
    main()
