"""The npm package `ai` with its providers for OpenAI's, Anthropic's and Ollama's dialects: Node runs `ai_sdk.mjs`."""

import json
import pathlib
import subprocess
import sys

import scripts
from encoders import EMBEDDER
from server import MODEL
from skips import need_npm

PROVIDERS = {"compatible": "@ai-sdk/openai-compatible", "chats": "@ai-sdk/openai", "responses": "@ai-sdk/openai",
             "anthropic": "@ai-sdk/anthropic", "ollama": "ollama-ai-provider-v2"}
NAMES = {"model": scripts.NAME, "short": MODEL, "embedder": EMBEDDER, "about": scripts.ABOUT,
         "parameters": scripts.PARAMETERS, "hello": scripts.HELLO, "person": scripts.PERSON, "zurich": scripts.ZURICH,
         "bern": scripts.BERN, "report": scripts.REPORT, "thinker": scripts.THINKER, "thought": scripts.THOUGHT}


def run(address, quick=False):
    need_npm("ai", "zod", *PROVIDERS.values())
    script = pathlib.Path(__file__).with_name("ai_sdk.mjs")
    for provider in PROVIDERS:
        subprocess.run(["node", str(script), provider, address, json.dumps(NAMES)], check=True)


if __name__ == "__main__":
    run(sys.argv[1])
