"""Tool calls in Ollama's chats, through Ollama's own Python client.

    ollama_tools.py ADDRESS

The server has to have the scripted model (see `scripts.py`).
"""

import json
import sys

from ollama import Client, ResponseError

from scripts import ABOUT, BERN, HELLO, NAME, PARAMETERS, PERSON, ZURICH

WEATHER = {"type": "function", "function": {"name": "weather", "description": ABOUT, "parameters": PARAMETERS}}


def weather(city: str, days: int = 1) -> str:
    """Tells the weather.

    Args:
        city: A place.
        days: Number of days.
    """
    return f"21 in {city} for {days} days"


def chat(client, text, **more):
    messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
    return client.chat(NAME, messages, **more)


def found(message):
    return [(call.function.name, call.function.arguments) for call in message.tool_calls or []]


def check_calls(client):
    answer = chat(client, "weather", tools=[WEATHER])
    assert answer.message.content == "I look." and found(answer.message) == [("weather", ZURICH)]
    assert answer.done and answer.done_reason == "stop"
    assert found(chat(client, "both", tools=[WEATHER]).message) == [("weather", ZURICH), ("weather", BERN)]
    plain = chat(client, "hello", tools=[WEATHER]).message
    assert plain.content == HELLO and not plain.tool_calls


def check_stream(client):
    pieces = list(chat(client, "both", tools=[WEATHER], stream=True))
    calls = [call for piece in pieces for call in found(piece.message)]
    assert calls == [("weather", ZURICH), ("weather", BERN)]
    assert not any(piece.message.content for piece in pieces)
    assert pieces[-1].done and not pieces[-1].message.tool_calls


def check_loop(client):
    messages = [{"role": "user", "content": "again"}]
    for _ in range(5):
        # The client makes the schema from the function.
        message = chat(client, messages, tools=[weather]).message
        messages.append(message)
        for name, arguments in found(message):
            messages.append({"role": "tool", "tool_name": name, "content": weather(**arguments)})
        if not message.tool_calls:
            break
    assert message.content == "Both are warm." and len(messages) == 6


def check_structure(client):
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
              "required": ["name", "age"]}
    assert json.loads(chat(client, "person", format=schema).message.content) == json.loads(PERSON)
    pieces = [piece.message.content for piece in chat(client, "person", format=schema, stream=True)]
    assert json.loads("".join(pieces)) == json.loads(PERSON)


def check_cuts(client):
    """A call that the limit cuts off is not complete, so a client must not run it."""
    for limit in range(1, 14):
        for stream in [False, True]:
            answer = chat(client, "silent", tools=[WEATHER], options={"num_predict": limit}, stream=stream)
            pieces = list(answer) if stream else [answer]
            assert pieces[-1].done_reason == "length", (limit, pieces)
            assert not any(piece.message.tool_calls for piece in pieces), (limit, pieces)
            assert not any("tool_call" in piece.message.content for piece in pieces), (limit, pieces)


def check_capabilities(client):
    assert "tools" in client.show(NAME).capabilities


def check_errors(client):
    for tools, part in [([WEATHER, WEATHER], "weather"), ([{"type": "function", "function": {}}], "tools[0]")]:
        try:
            # Without the client's own checks.
            client._request_raw("POST", "/api/chat", json={
                "model": NAME, "messages": [{"role": "user", "content": "hello"}], "tools": tools})
        except ResponseError as error:
            assert error.status_code == 400 and part in error.error, error
        else:
            raise AssertionError(f"{tools} was accepted")


def make(address):
    return Client(host=address)


def run(address, quick=False):
    client = make(address)
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check(client)
            print(f"ollama tools: {name.removeprefix('check_')}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
