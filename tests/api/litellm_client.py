"""The server through litellm, which aider and many agents use: it tells errors apart by their words.

    litellm_client.py ADDRESS
"""

import json
import os
import sys

from server import MODEL
from skips import need

ASK = [{"role": "user", "content": "Write a Python function that adds two numbers."}]
LONG = [{"role": "user", "content": "word " * 20_000}]
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "maximum": 120}},
    "required": ["age"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}

# Providers, with what follows the address. The last two are Ollama's dialect.
PROVIDERS = {"openai": "/v1", "hosted_vllm": "/v1", "lm_studio": "/v1", "llamafile": "/v1", "ollama_chat": "", "ollama": ""}


def raised(kind, call):
    """Returns the error of `call`, which has to be of this kind and no other."""
    try:
        call()
    except Exception as error:
        assert type(error) is kind, (type(error), error)
        return error
    raise AssertionError(f"no {kind.__name__}")


def check(litellm, provider, base):
    def ask(model=MODEL, messages=ASK, **more):
        fixed = {"api_base": base, "api_key": "none", "max_tokens": 24, "temperature": 0, "num_retries": 0}
        return litellm.completion(model=f"{provider}/{model}", messages=messages, **fixed, **more)

    text = ask().choices[0].message.content
    pieces = [piece.choices[0].delta.content or "" for piece in ask(stream=True)]
    assert text and "".join(pieces) == text, (text, pieces)
    form = ask(response_format=FORM).choices[0].message.content
    assert json.loads(form)["age"] <= 120, form
    assert "nosuch" in str(raised(litellm.NotFoundError, lambda: ask("nosuch")))
    # Programs shorten the conversation after this error. litellm has no such error for Ollama.
    is_ollamas = provider.startswith("ollama")
    too_long = litellm.BadRequestError if is_ollamas else litellm.ContextWindowExceededError
    for streamed in [False, True]:
        error = raised(too_long, lambda: list(ask(messages=LONG, stream=streamed)))
        assert "maximum context length is" in str(error), error


def run(address, quick=False):
    # The table of prices is read from the package, not from the network.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    need("litellm")
    import litellm

    litellm.suppress_debug_info = True
    for provider, path in PROVIDERS.items():
        check(litellm, provider, address + path)
        print(f"litellm: {provider} passed", file=sys.stderr)


if __name__ == "__main__":
    run(sys.argv[1])
