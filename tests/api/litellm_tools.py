"""Tool calls, structured output and vectors through litellm, by its names for the dialects.

    litellm_tools.py ADDRESS

The server has to have the scripted model (see `scripts.py`) and the encoders (see `encoders.py`).
"""

import json
import os
import sys

import pydantic

from encoders import EMBEDDER
from litellm_client import raised
from scripts import ABOUT, BERN, HELLO, NAME, PARAMETERS, PERSON, ZURICH
from skips import need

LONG = "😀" * 300_000
WEATHER = {"type": "function", "function": {"name": "weather", "description": ABOUT, "parameters": PARAMETERS}}

# Providers, with what follows the address.
PROVIDERS = {"openai": "/v1", "hosted_vllm": "/v1", "lm_studio": "/v1", "anthropic": "", "ollama_chat": ""}
EMBEDDERS = {"openai": "/v1", "hosted_vllm": "/v1", "ollama": ""}


class Person(pydantic.BaseModel):
    name: str
    age: int


def asking(litellm, provider, address):
    """Returns a function that asks for an answer."""
    def ask(messages, model=NAME, **more):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        fixed = {"api_base": address + PROVIDERS[provider], "api_key": "none", "num_retries": 0, "max_tokens": 400}
        return litellm.completion(model=f"{provider}/{model}", messages=messages, **fixed, **more)

    return ask


def found(message):
    return [json.loads(call.function.arguments) for call in message.tool_calls or []]


def whole(litellm, pieces):
    return litellm.stream_chunk_builder(list(pieces)).choices[0]


def check_chat(litellm, ask):
    answer = ask("hello")
    assert answer.choices[0].message.content == HELLO and answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 3
    assert whole(litellm, ask("hello", stream=True)).message.content == HELLO


def check_structure(litellm, ask):
    for streams in [False, True]:
        answer = ask("person", response_format=Person, stream=streams)
        message = (whole(litellm, answer) if streams else answer.choices[0]).message
        assert Person.model_validate_json(message.content) == Person(**json.loads(PERSON)), message


def check_loop(litellm, ask):
    for streams in [False, True]:
        seen, messages = [], [{"role": "user", "content": "again"}]
        while len(seen) < 3:
            answer = ask(messages, tools=[WEATHER], stream=streams)
            choice = whole(litellm, answer) if streams else answer.choices[0]
            messages.append(choice.message.model_dump())
            if not choice.message.tool_calls:
                break
            assert choice.finish_reason == "tool_calls", choice
            seen += found(choice.message)
            messages += [{"role": "tool", "tool_call_id": call.id, "name": "weather", "content": "21"}
                         for call in choice.message.tool_calls]
        assert choice.message.content == "Both are warm." and seen == [ZURICH, BERN], (choice, seen)


def check_several(litellm, ask, provider):
    assert found(ask("both", tools=[WEATHER]).choices[0].message) == [ZURICH, BERN]
    # In streams of Ollama's dialect, the package joins the arguments of all calls.
    if provider != "ollama_chat":
        assert found(whole(litellm, ask("both", tools=[WEATHER], stream=True)).message) == [ZURICH, BERN]


def check_errors(litellm, ask, provider):
    # litellm has no such error for Ollama.
    too_long = litellm.BadRequestError if provider == "ollama_chat" else litellm.ContextWindowExceededError
    for streams in [False, True]:
        raised(litellm.NotFoundError, lambda: list(ask("hello", "nosuch", stream=streams)))
        raised(too_long, lambda: list(ask(LONG, stream=streams)))


def check_vectors(litellm, address):
    for provider, path in EMBEDDERS.items():
        def embed(texts, model=EMBEDDER):
            return litellm.embedding(model=f"{provider}/{model}", input=texts, api_base=address + path,
                                     api_key="none", num_retries=0)

        one, two = [data["embedding"] for data in embed(["a cat", "a dog"]).data]
        [again] = [data["embedding"] for data in embed(["a cat"]).data]
        assert one != two and all(abs(a - b) < 1e-6 for a, b in zip(one, again, strict=True))
        raised(litellm.NotFoundError, lambda: embed(["a"], "nosuch"))


def run(address, quick=False):
    # The table of prices is read from the package, not from the network.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    need("litellm")
    import litellm

    litellm.suppress_debug_info = True
    for provider in PROVIDERS:
        ask = asking(litellm, provider, address)
        for check in [check_chat, check_structure, check_loop]:
            check(litellm, ask)
        check_several(litellm, ask, provider)
        check_errors(litellm, ask, provider)
        print(f"litellm tools: {provider} passed", flush=True)
    check_vectors(litellm, address)
    print("litellm tools: vectors", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
