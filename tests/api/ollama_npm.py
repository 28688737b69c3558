"""Ollama's dialect, through its JavaScript client: Node runs `ollama_client.mjs`."""

import pathlib
import subprocess

from server import MODEL


def run(address, quick=False):
    script = pathlib.Path(__file__).with_suffix("").with_name("ollama_client.mjs")
    subprocess.run(["node", str(script), address, MODEL], check=True)
