"""LangChain for Node: Node runs `langchain.mjs`."""

import json
import pathlib
import subprocess
import sys

from ai_sdk_npm import NAMES
from skips import need_npm

PACKAGES = ["langchain", "@langchain/core", "@langchain/openai", "@langchain/anthropic", "@langchain/ollama", "zod"]


def run(address, quick=False):
    need_npm(*PACKAGES)
    script = pathlib.Path(__file__).with_name("langchain.mjs")
    subprocess.run(["node", str(script), address, json.dumps(NAMES)], check=True)


if __name__ == "__main__":
    run(sys.argv[1])
