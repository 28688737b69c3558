"""Ollama's dialect, through its JavaScript client: Node runs `ollama_client.mjs`."""

import os
import pathlib
import subprocess

from server import MODEL


def run(address, quick=False):
    if "MLXK_TEST_NODE" not in os.environ:
        raise RuntimeError("MLXK_TEST_NODE is not set: the folder in which `npm install ollama` was run")
    script = pathlib.Path(__file__).with_name("ollama_client.mjs")
    subprocess.run(["node", str(script), address, MODEL], check=True)
