"""OpenAI's dialect, through its JavaScript client: Node runs `openai_client.mjs`."""

import pathlib
import subprocess

from server import MODEL


def run(address, quick=False):
    script = pathlib.Path(__file__).with_suffix("").with_name("openai_client.mjs")
    subprocess.run(["node", str(script), address, MODEL], check=True)
