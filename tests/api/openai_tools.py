"""Tool calls in OpenAI's chats, through OpenAI's own Python client.

    openai_tools.py ADDRESS

The server has to have the scripted model (see `scripts.py`).
"""

import json
import sys

import openai
import pydantic
from openai import OpenAI

from scripts import ABOUT, BERN, HELLO, NAME, PARAMETERS, REPORT, ZURICH

WEATHER = {"type": "function", "function": {"name": "weather", "description": ABOUT, "parameters": PARAMETERS}}
CLOCK = {"type": "function", "function": {"name": "clock"}}


class Person(pydantic.BaseModel):
    name: str
    age: int


def asked(text, **more):
    return {"model": NAME, "messages": [{"role": "user", "content": text}], **more}


def chat(client, text, **more):
    return client.chat.completions.create(**asked(text, **more)).choices[0]


def accumulated(client, text, **more):
    """Returns the last choice of OpenAI's own accumulator, and the kinds of its events."""
    with client.chat.completions.stream(**asked(text, **more)) as stream:
        kinds = [event.type for event in stream]
        return stream.get_final_completion().choices[0], kinds


def found(choice):
    return [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]


def check_calls(client):
    choice = chat(client, "weather", tools=[WEATHER, CLOCK])
    assert choice.finish_reason == "tool_calls" and choice.message.content == "I look."
    assert found(choice) == [("weather", ZURICH)]
    [call] = choice.message.tool_calls
    assert call.type == "function" and call.id.startswith("call_")
    assert chat(client, "silent", tools=[WEATHER]).message.content is None
    assert found(chat(client, "time", tools=[WEATHER, CLOCK])) == [("clock", {})]
    plain = chat(client, "hello", tools=[WEATHER])
    assert plain.message.tool_calls is None and plain.message.content == HELLO and plain.finish_reason == "stop"


def check_stream(client):
    choice, kinds = accumulated(client, "weather", tools=[WEATHER])
    assert found(choice) == [("weather", ZURICH)] and choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look."
    assert kinds.count("tool_calls.function.arguments.delta") > 2
    assert kinds.count("tool_calls.function.arguments.done") == 1
    events = list(client.chat.completions.create(
        **asked("both", tools=[WEATHER], stream=True, stream_options={"include_usage": True})))
    deltas = [call for event in events if event.choices for call in event.choices[0].delta.tool_calls or []]
    assert [call.index for call in deltas if call.id] == [0, 1]
    assert all(call.function.name is None and call.type is None for call in deltas if not call.id)
    assert not any(event.choices[0].delta.content for event in events if event.choices)
    assert events[-2].choices[0].finish_reason == "tool_calls" and events[-1].usage.completion_tokens > 0


def check_parallel(client):
    for choice in [chat(client, "both", tools=[WEATHER]), accumulated(client, "both", tools=[WEATHER])[0]]:
        assert found(choice) == [("weather", ZURICH), ("weather", BERN)]
        assert len({call.id for call in choice.message.tool_calls}) == 2
    for one in [chat(client, "both", tools=[WEATHER], parallel_tool_calls=False),
                accumulated(client, "both", tools=[WEATHER], parallel_tool_calls=False)[0]]:
        assert found(one) == [("weather", ZURICH)] and one.finish_reason == "tool_calls"


def check_choices(client):
    named = {"type": "function", "function": {"name": "weather"}}
    for choice in ["required", named]:
        assert found(chat(client, "silent", tools=[WEATHER, CLOCK], tool_choice=choice)) == [("weather", ZURICH)]
        # The model wants to talk, but has to call.
        forced = chat(client, "time", tools=[WEATHER], tool_choice=choice, max_tokens=300)
        assert forced.finish_reason in ("tool_calls", "length")
        assert all(name == "weather" for name, _ in found(forced))
    none = chat(client, "hello", tools=[WEATHER], tool_choice="none")
    assert none.message.content == HELLO and none.message.tool_calls is None
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "weather"}}]}}
    assert found(chat(client, "silent", tools=[WEATHER, CLOCK], tool_choice=allowed)) == [("weather", ZURICH)]


def check_loop(client):
    messages = [{"role": "user", "content": "again"}]
    cached = []
    for _ in range(5):
        answer = client.chat.completions.create(model=NAME, messages=messages, tools=[WEATHER])
        cached.append(answer.usage.prompt_tokens_details.cached_tokens / answer.usage.prompt_tokens)
        message = answer.choices[0].message
        messages.append(message)
        for call in message.tool_calls or []:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "21"})
        if not message.tool_calls:
            break
    assert message.content == "Both are warm." and len(messages) == 6
    assert all(share > 0.6 for share in cached[1:]), cached
    parts = [{"type": "text", "text": "2"}, {"type": "text", "text": "1"}]
    history = [{"role": "user", "content": "weather"}, chat(client, "weather", tools=[WEATHER]).message]
    history.append({"role": "tool", "tool_call_id": history[1].tool_calls[0].id, "content": parts})
    assert chat(client, "", tools=[WEATHER], messages=history).message.content == REPORT


def check_cuts(client):
    """A call that the limit cuts off is not complete, so a client must not run it."""
    for limit in range(1, 14):
        cut = chat(client, "silent", tools=[WEATHER], max_tokens=limit)
        assert cut.finish_reason == "length", (limit, cut)
        assert "tool_call" not in (cut.message.content or ""), (limit, cut)
        events = list(client.chat.completions.create(
            **asked("silent", tools=[WEATHER], max_tokens=limit, stream=True)))
        assert events[-1].choices[0].finish_reason == "length"
        text = "".join(event.choices[0].delta.content or "" for event in events)
        assert "tool_call" not in text, (limit, text)


def check_structure(client):
    parsed = client.chat.completions.parse(**asked("person", response_format=Person))
    assert parsed.choices[0].message.parsed == Person(name='Zoë "Z"', age=41)
    tool = openai.pydantic_function_tool(Person)
    parsed = client.chat.completions.parse(**asked("call person", tools=[tool]))
    [call] = parsed.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Person(name="Zoë", age=41)


def check_strict(client):
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    assert found(chat(client, "weather", tools=[strict])) == [("weather", ZURICH)]
    # The script's city is not in the list. A grammar makes the model choose one that is.
    cities = {"type": "object", "properties": {"city": {"enum": ["Bern", "Basel"]}}, "required": ["city"]}
    narrow = {"type": "function", "function": {"name": "weather", "parameters": cities, "strict": True}}
    [(_, arguments)] = found(chat(client, "silent", tools=[narrow], max_tokens=200))
    assert arguments["city"] in ("Bern", "Basel")


def check_errors(client):
    def refused(param, **more):
        for stream in [False, True]:
            try:
                chat(client, "hello", **more, stream=stream)
            except openai.BadRequestError as error:
                assert error.param == param, (error.param, error.message)
            else:
                raise AssertionError(f"{more} was accepted")

    unnamed = {"type": "function", "function": {"parameters": {}}}
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}}
    user = {"role": "user", "content": "hello"}
    broken = [user, {"role": "assistant", "content": None, "tool_calls": [call]}]
    refused("tools[0].function.name", tools=[unnamed])
    refused("tools[1].function.name", tools=[WEATHER, WEATHER])
    refused("tool_choice", tools=[CLOCK], tool_choice={"type": "function", "function": {"name": "weather"}})
    refused("messages[1].tool_calls[0].function.arguments", messages=broken, tools=[WEATHER])
    refused("messages[1]", messages=[user, {"role": "tool", "tool_call_id": "x", "content": "21"}], tools=[WEATHER])


# Checks that take seconds, for every change.
QUICK = {"calls", "stream", "parallel", "choices", "loop", "cuts", "errors"}


def make(address):
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def run(address, quick=False):
    client = make(address)
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for name, check in checks:
        name = name.removeprefix("check_")
        if not quick or name in QUICK:
            check(client)
            print(f"openai tools: {name}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
