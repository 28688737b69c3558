"""Ollama's dialect, through Ollama's own Python client (0.6.3 when this was written).

    ollama_client.py ADDRESS
"""

import asyncio
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import sys
import tempfile

from ollama import AsyncClient, Client, ResponseError
from pydantic import BaseModel, Field

from server import MODEL, call

ASK = [{"role": "user", "content": "Write a Python function that adds two numbers."}]
PROMPT = ASK[0]["content"]
GREEDY = {"temperature": 0, "num_predict": 24}
MADE = "mlxk-acceptance"


class Person(BaseModel):
    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=120)


@contextlib.contextmanager
def refused(status, *parts):
    try:
        yield
    except ResponseError as error:
        assert error.status_code == status, (error.status_code, error.error)
        for part in parts:
            assert part in error.error, error.error
    else:
        raise AssertionError(f"nothing was refused: {status} {parts}")


def is_complete(answer):
    assert answer.model == MODEL and answer.done and answer.done_reason == "length", answer
    assert answer.eval_count == 24 and answer.prompt_eval_count > 10
    parts = answer.load_duration + answer.prompt_eval_duration + answer.eval_duration
    assert 0 < parts <= answer.total_duration < 600e9
    created = datetime.datetime.fromisoformat(answer.created_at.replace("Z", "+00:00")[:19] + "+00:00")
    assert abs(created - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=10)


def check_chat(client):
    whole = client.chat(MODEL, ASK, options=GREEDY)
    is_complete(whole)
    assert whole.message.role == "assistant" and whole.message.content
    pieces = list(client.chat(MODEL, ASK, options=GREEDY, stream=True))
    assert "".join(piece.message.content for piece in pieces) == whole.message.content
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    is_complete(pieces[-1])
    system = [{"role": "system", "content": "You are a pirate."}, *ASK]
    assert client.chat(MODEL, system, options=GREEDY).prompt_eval_count != whole.prompt_eval_count


def check_generate(client):
    whole = client.generate(MODEL, PROMPT, options=GREEDY)
    is_complete(whole)
    assert whole.response == client.chat(MODEL, ASK, options=GREEDY).message.content
    pieces = list(client.generate(MODEL, PROMPT, options=GREEDY, stream=True))
    assert "".join(piece.response for piece in pieces) == whole.response
    assert pieces[-1].context == whole.context and len(whole.context) > 24
    further = client.generate(MODEL, "And in Rust?", context=whole.context, options=GREEDY)
    assert further.prompt_eval_count > len(whole.context) and further.response
    raw = client.generate(MODEL, "def fibonacci(n):\n", raw=True, options=GREEDY)
    assert raw.prompt_eval_count < 12 and raw.context is None and raw.response
    pirate = client.generate(MODEL, PROMPT, system="You are a pirate.", options=GREEDY)
    system = [{"role": "system", "content": "You are a pirate."}, *ASK]
    assert pirate.response == client.chat(MODEL, system, options=GREEDY).message.content
    assert pirate.prompt_eval_count != whole.prompt_eval_count


def check_options(client):
    drawn = {"temperature": 1.1, "top_p": 0.9, "top_k": 40, "min_p": 0.02, "typical_p": 0.95, "seed": 11,
             "repeat_penalty": 1.1, "repeat_last_n": 32, "presence_penalty": 0.2,
             "frequency_penalty": 0.1, "num_predict": 24, "num_ctx": 1024, "num_gpu": 1, "num_thread": 2}
    first = client.generate(MODEL, PROMPT, options=drawn).response
    assert client.generate(MODEL, PROMPT, options=drawn).response == first
    assert client.generate(MODEL, PROMPT, options={**drawn, "seed": 12}).response != first
    stopped = client.generate(MODEL, PROMPT, options={**GREEDY, "num_predict": 80, "stop": ["def", "\n\n"]})
    assert "def" not in stopped.response and stopped.done_reason == "stop"
    for options, part in [({"temperature": -1}, "temperature"), ({"num_ctx": 4}, "context")]:
        with refused(400, part):
            client.generate(MODEL, PROMPT, options=options)
        with refused(400, part):
            list(client.generate(MODEL, PROMPT, options=options, stream=True))


def check_forms(client):
    options = {"temperature": 0.8, "seed": 1, "num_predict": 80}
    for asked in [{}, {"stream": True}]:
        answer = client.chat(MODEL, [{"role": "user", "content": "Who are you?"}],
                             format=Person.model_json_schema(), options=options, **asked)
        text = "".join(piece.message.content for piece in answer) if asked else answer.message.content
        Person.model_validate_json(text)
    assert isinstance(json.loads(client.generate(MODEL, PROMPT, format="json", options=options).response), dict)


def check_logprobs(client):
    asked = {"logprobs": True, "top_logprobs": 3, "options": GREEDY}
    whole = client.generate(MODEL, PROMPT, **asked)
    assert len(whole.logprobs) == 24 and all(len(one.top_logprobs) == 3 for one in whole.logprobs)
    assert all(one.logprob == one.top_logprobs[0].logprob <= 0 for one in whole.logprobs)
    assert "".join(one.token for one in whole.logprobs) == whole.response
    streamed = [one for piece in client.chat(MODEL, ASK, stream=True, **asked) for one in piece.logprobs or []]
    assert [one.token for one in streamed] == [one.token for one in whole.logprobs]


def check_refusals(client):
    with refused(404, "model 'nosuch' not found"):
        client.chat("nosuch", ASK)
    with refused(404, "model 'nosuch' not found"):
        list(client.generate("nosuch", "x", stream=True))
    tool = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}
    with refused(400, "does not support tools"):
        client.chat(MODEL, ASK, tools=[tool])
    with refused(400, "does not support thinking"):
        client.chat(MODEL, ASK, think=True)
    with refused(400, "images"):
        client.generate(MODEL, "x", images=[b"\x89PNG"])
    with refused(400, "template"):
        client.generate(MODEL, "x", template="{{ .Prompt }}")
    with refused(501, "push"):
        client.push(MODEL)
    with refused(400, "maximum context length is 512"):
        client.generate(MODEL, "word " * 6000, options={"num_ctx": 512})


def check_embeddings(client):
    one, two = client.embed(MODEL, ["x", "y"]).embeddings
    assert len(one) == len(two) and abs(sum(value * value for value in one) - 1) < 1e-3
    assert len(client.embeddings(MODEL, "x").embedding) == len(one)


def running(client):
    """Returns the entries of the model. The server may have others loaded."""
    return [entry for entry in client.ps().models if entry.model.startswith(MODEL)]


def check_keep_alive(client):
    for keep in ["10m", 600, -1]:
        loaded = client.generate(MODEL, keep_alive=keep)
        assert loaded.done and loaded.done_reason == "load" and loaded.response == ""
        [entry] = running(client)
        now = datetime.datetime.now(datetime.timezone.utc)
        left = (entry.expires_at - now).total_seconds()
        assert (500 < left < 700) if keep != -1 else left > 1e9, left
        assert entry.context_length > 0 and entry.size > 0 and entry.details.family
        assert (entry.size_vram > 0) == os.environ.get("MLXK_DEVICE", "cpu").startswith("gpu")
    unloaded = client.chat(MODEL, [], keep_alive=0)
    assert unloaded.done_reason == "unload" and not running(client)
    client.generate(MODEL, "x", keep_alive=0, options={"num_predict": 1})
    for _ in range(100):
        if not running(client):
            break
    client.generate(MODEL)


def check_models(client):
    names = {model.model: model for model in client.list().models}
    tagged = MODEL if ":" in MODEL else f"{MODEL}:latest"
    model = names[tagged]
    assert len(model.digest) == 64 and model.size > 1e6 and model.modified_at.year > 2000
    assert model.details.family and model.details.parameter_size and model.details.quantization_level
    for name in [MODEL, tagged]:
        shown = client.show(name)
        family = shown.modelinfo["general.architecture"]
        assert shown.modelinfo[f"{family}.context_length"] >= 512
        assert shown.modelinfo["general.parameter_count"] > 1e6
        assert "completion" in shown.capabilities and shown.template and shown.modelfile.startswith("FROM ")
        assert client.generate(name, "x", options={"num_predict": 1}).model == name
    with refused(404, "not found"):
        client.show("nosuch")


def check_changes(client):
    with contextlib.suppress(ResponseError):
        client.delete(MADE)
    made = list(client.create(MADE, from_=MODEL, system="You are a pirate.", license="Ours",
                              parameters={"temperature": 0, "num_predict": 8, "stop": ["\n\n\n"]},
                              messages=[{"role": "user", "content": "Hi"}], stream=True))
    assert made[-1].status == "success", made
    shown = client.show(MADE)
    assert "num_predict" in shown.parameters and 'stop                           "' in shown.parameters
    assert shown.license == "Ours" and shown.details.parent_model
    answer = client.chat(MADE, ASK)
    assert answer.eval_count <= 8
    system = [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "Hi"}, *ASK]
    spelled = client.chat(MODEL, system, options={"temperature": 0, "num_predict": 8, "stop": ["\n\n\n"]})
    assert spelled.message.content == answer.message.content
    assert client.copy(MADE, f"{MADE}-2").status == "success"
    assert f"{MADE}-2:latest" in {model.model for model in client.list().models}
    for name in [MADE, f"{MADE}-2"]:
        assert client.delete(name).status == "success"
    with refused(404, "not found"):
        client.delete(MADE)
    with refused(404, "not found"):
        client.copy("nosuch", MADE)
    assert client.create(MADE, from_=f"{MODEL}:latest").status == "success"
    client.delete(MADE)
    with refused(400, "new_one"):
        client.create(MADE, from_=MODEL, parameters={"new_one": 1})
    for name in [f"{MADE}:v1", f"{MADE}/coder", f"{MADE}/coder:v2"]:
        assert client.create(name, from_=MODEL, parameters={"num_gpu": 1, "num_predict": 3}).status == "success"
        assert client.chat(name, ASK).eval_count <= 3
        assert any(running.model.startswith(name) for running in client.ps().models)
        client.delete(name)
    # Pulling a model that is already installed succeeds at once.
    assert client.pull(MODEL).status == "success"
    statuses = [step.status for step in client.pull(MODEL, stream=True)]
    assert statuses[0] == "pulling manifest" and statuses[-1] == "success", statuses
    with refused(400):
        client.pull("./folder")


def check_uploads(client):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.gguf"
        path.write_bytes(b"GGUF, but not really" * 1000)
        digest = client.create_blob(path)
        assert digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        assert client.create_blob(path) == digest
        with refused(500, "GGUF"):
            client.create(MADE, files={"model.gguf": digest})
    gguf = os.environ.get("MLXK_TEST_GGUF")
    if gguf:
        digest = client.create_blob(gguf)
        made = list(client.create(MADE, files={"model.gguf": digest}, parameters={"num_predict": 5}, stream=True))
        assert made[-1].status == "success", made
        assert client.chat(MADE, ASK).eval_count <= 5
        client.delete(MADE)


async def check_many(address):
    client = AsyncClient(host=address)
    asked = [client.generate(MODEL, PROMPT, options={**GREEDY, "temperature": 1, "seed": seed})
             for seed in range(6)]
    answers = await asyncio.gather(*asked)
    for seed, answer in enumerate(answers):
        alone = await client.generate(MODEL, PROMPT, options={**GREEDY, "temperature": 1, "seed": seed})
        assert alone.response == answer.response, seed
    stream = await client.chat(MODEL, ASK, options={"num_predict": -1, "temperature": 1.5}, stream=True)
    async for _ in stream:
        break
    await stream.aclose()


def check_greeting(address):
    assert call(address, "/")[2] == b"Ollama is running"
    version = json.loads(call(address, "/api/version")[2])["version"]
    # The minimum that Copilot requires.
    assert tuple(map(int, version.split("."))) >= (0, 6, 4), version


def run(address, quick=False):
    client = Client(host=address)
    checks = [check_chat, check_generate, check_options, check_forms, check_logprobs, check_refusals,
              check_embeddings, check_keep_alive, check_models, check_changes, check_uploads]
    for check in checks[:2] + checks[5:9] if quick else checks:
        check(client)
        print(f"ollama: {check.__name__} passed", file=sys.stderr)
    if not quick:
        asyncio.run(check_many(address))
    check_greeting(address)
    print("ollama: all passed", file=sys.stderr)


if __name__ == "__main__":
    run(sys.argv[1])
