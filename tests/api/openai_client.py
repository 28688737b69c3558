"""OpenAI's dialect, through OpenAI's own Python client.

    openai_client.py ADDRESS
"""

import asyncio
import json
import sys

import openai
from openai import AsyncOpenAI, OpenAI

from server import MODEL, call

ASK = [{"role": "user", "content": "Write a Python function that adds two numbers."}]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def chat(client, **more):
    asked = {"model": MODEL, "messages": ASK, "temperature": 0, "max_tokens": 24, **more}
    return client.chat.completions.create(**asked)


def check_chat(client):
    answer = chat(client)
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason == "length" and choice.logprobs is None
    usage = answer.usage
    assert usage.completion_tokens == 24
    assert usage.total_tokens == usage.prompt_tokens + 24
    assert answer.system_fingerprint.startswith("mlxk-")
    assert answer.timings["predicted_n"] == 24


def check_stream(client):
    whole = chat(client).choices[0].message.content
    events = list(chat(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert text == whole
    assert events[0].choices[0].delta.role == "assistant"
    assert events[-2].choices[0].finish_reason == "length"
    assert events[-1].choices == [] and events[-1].usage.completion_tokens == 24
    assert len({event.id for event in events}) == 1


def check_sampling(client):
    drawn = {"temperature": 1.1, "top_p": 0.9, "seed": 11, "presence_penalty": 0.2, "frequency_penalty": 0.1}
    first = chat(client, **drawn).choices[0].message.content
    assert chat(client, **drawn).choices[0].message.content == first
    extended = {"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "num_ctx": 1024}
    assert chat(client, **drawn, extra_body=extended).choices[0].message.content
    several = chat(client, **drawn, n=3).choices
    assert [choice.index for choice in several] == [0, 1, 2]
    assert several[0].message.content == first != several[1].message.content


def check_stop(client):
    text = chat(client).choices[0].message.content
    stop = text[6:10]
    stopped = chat(client, stop=[stop]).choices[0]
    assert stopped.message.content == text[: text.index(stop)]
    assert stopped.finish_reason == "stop"


def check_limits(client):
    assert chat(client, max_completion_tokens=5).usage.completion_tokens == 5
    banned = chat(client, max_tokens=1, logprobs=True).choices[0].logprobs.content[0].token
    ids = json.loads(call(str(client.base_url).removesuffix("/v1/"), "/tokenize",
                          {"model": MODEL, "content": banned})[2])["tokens"]
    other = chat(client, max_tokens=1, logit_bias={str(ids[0]): -100}).choices[0].message.content
    assert other != banned


def check_logprobs(client):
    choice = chat(client, logprobs=True, top_logprobs=3).choices[0]
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens) == choice.message.content
    assert all(token.top_logprobs[0].logprob == token.logprob for token in tokens)
    streamed = chat(client, logprobs=True, top_logprobs=3, stream=True)
    logprobs = [event.choices[0].logprobs for event in streamed if event.choices]
    assert sum(len(part.content) for part in logprobs if part) == len(tokens)


def check_structure(client):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
    for seed in range(3):
        answer = chat(client, response_format=form, max_tokens=80, temperature=1, seed=seed)
        person = json.loads(answer.choices[0].message.content)
        assert set(person) == {"name", "age"} and isinstance(person["age"], int)
    text = chat(client, response_format={"type": "json_object"}, max_tokens=120).choices[0].message.content
    assert isinstance(json.loads(text), dict)


def check_messages(client):
    messages = [
        {"role": "developer", "content": "You are terse."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Bye"},
    ]
    assert chat(client, messages=messages, user="me", store=False, metadata={"a": "b"}).choices


def check_completions(client):
    asked = {"model": MODEL, "prompt": "def add(a, b):", "temperature": 0, "max_tokens": 12}
    answer = client.completions.create(**asked)
    text = answer.choices[0].text
    assert answer.object == "text_completion" and answer.usage.completion_tokens <= 12
    streamed = client.completions.create(**asked, stream=True)
    assert "".join(event.choices[0].text for event in streamed) == text
    address = str(client.base_url).removesuffix("/v1/")
    ids = json.loads(call(address, "/tokenize", {"model": MODEL, "content": asked["prompt"]})[2])["tokens"]
    assert client.completions.create(**{**asked, "prompt": ids}).choices[0].text == text
    echoed = client.completions.create(**asked, echo=True, logprobs=2).choices[0]
    assert echoed.text == asked["prompt"] + text
    logprobs = echoed.logprobs
    assert "".join(logprobs.tokens) == echoed.text and logprobs.token_logprobs[0] is None
    scored = client.completions.create(**{**asked, "max_tokens": 0}, echo=True, logprobs=0)
    assert scored.choices[0].text == asked["prompt"]
    several = client.completions.create(**{**asked, "prompt": ["a", "b"]}, n=2, seed=1)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    try:
        middle = client.completions.create(**asked, suffix="\n    return c")
        assert middle.choices[0].text
    except openai.BadRequestError as error:
        assert error.param == "suffix"


def check_models(client):
    listed = [model.id for model in client.models.list()]
    assert MODEL in listed, listed
    assert client.models.retrieve(MODEL).id == MODEL


def check_errors(client):
    def refused(kind, **more):
        try:
            chat(client, **more)
        except kind as error:
            return error
        raise AssertionError(f"{more} was accepted")

    missing = refused(openai.NotFoundError, model="nowhere")
    assert missing.code == "model_not_found" and "nowhere" in missing.message
    unsupported = refused(openai.BadRequestError, extra_body={"audio": {"voice": "alloy", "format": "wav"}})
    assert unsupported.param == "audio"
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert refused(openai.BadRequestError, tools=tools).param == "tools"
    long = [{"role": "user", "content": "word " * 20_000}]
    assert refused(openai.BadRequestError, messages=long).code == "context_length_exceeded"
    assert refused(openai.BadRequestError, messages=long, stream=True).type == "invalid_request_error"
    assert refused(openai.BadRequestError, temperature=-1).param == "temperature"


def check_unknown_fields(client):
    asked = {"model": MODEL, "messages": ASK, "temperature": 0, "max_tokens": 4}
    plain = client.chat.completions.create(**asked)
    raw = client.chat.completions.with_raw_response.create(**asked, extra_body={"frobnicate": 1})
    assert raw.headers["x-mlxk-ignored"] == "frobnicate"
    assert raw.parse().choices[0].message.content == plain.choices[0].message.content


def check_async(client):
    async def all_at_once():
        async with AsyncOpenAI(base_url=client.base_url, api_key="none") as many:
            tasks = [chat(many, seed=seed, temperature=1) for seed in range(8)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*tasks)]

    together = asyncio.run(all_at_once())
    for seed in (0, 7):
        assert chat(client, seed=seed, temperature=1).choices[0].message.content == together[seed]


# Checks that take seconds, for every change.
QUICK = {"chat", "stream", "logprobs", "models", "errors", "unknown_fields"}


def run(address, quick=False):
    client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for name, check in checks:
        name = name.removeprefix("check_")
        if not quick or name in QUICK:
            check(client)
            print(f"openai: {name}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
