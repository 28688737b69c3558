"""OpenAI's responses, through OpenAI's own Python client.

    responses_client.py ADDRESS

The server has to have the scripted model (see `scripts.py`).
"""

import json
import sys

import openai
import pydantic
from openai import OpenAI

from scripts import ABOUT, BERN, HELLO, NAME, PARAMETERS, PATCH, REPORT, ZURICH

WEATHER = {"type": "function", "name": "weather", "description": ABOUT, "parameters": PARAMETERS, "strict": True}
APPLY = {"type": "custom", "name": "apply_patch", "description": "Edits files.",
         "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" /(.|\\n)*/'}}
FILES = {"type": "namespace", "name": "mcp__files", "description": "Files.", "tools": [
    {"type": "function", "name": "read", "description": "Reads.", "parameters": {
        "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}]}


class Person(pydantic.BaseModel):
    name: str
    age: int


def ask(client, given, **more):
    return client.responses.create(model=NAME, input=given, **more)


def items(response, kind="function_call"):
    return [item for item in response.output if item.type == kind]


def check_create(client):
    answer = ask(client, "hello", instructions="Be kind.", store=False, metadata={"a": "b"})
    assert answer.object == "response" and answer.id.startswith("resp_") and answer.status == "completed"
    assert answer.output_text == HELLO and answer.error is None and answer.incomplete_details is None
    [message] = items(answer, "message")
    assert message.role == "assistant" and message.status == "completed"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.instructions == "Be kind." and answer.metadata == {"a": "b"}
    parts = [{"role": "developer", "content": "Be kind."},
             {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}]
    again = ask(client, parts)
    assert again.output_text == HELLO and again.usage.input_tokens == answer.usage.input_tokens
    assert again.usage.input_tokens_details.cached_tokens > 0
    cut = ask(client, "hello", max_output_tokens=2)
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"
    assert HELLO.startswith(cut.output_text) and cut.output[-1].status == "incomplete"


def events_of(client, given, **more):
    with client.responses.stream(model=NAME, input=given, **more) as stream:
        events = list(stream)
        return events, stream.get_final_response()


def check_stream(client):
    events, answer = events_of(client, "hello")
    assert answer.output_text == HELLO and answer.status == "completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    types = [event.type for event in events]
    assert types[:4] == ["response.created", "response.in_progress", "response.output_item.added",
                         "response.content_part.added"]
    assert types[-4:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.completed"]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == HELLO
    plain = [event.type for event in ask(client, "hello", stream=True)]
    assert plain == types
    cut = list(ask(client, "hello", stream=True, max_output_tokens=2))[-1]
    assert cut.type == "response.incomplete" and cut.response.incomplete_details.reason == "max_output_tokens"


def check_calls(client):
    for answer in [ask(client, "weather", tools=[WEATHER]), events_of(client, "weather", tools=[WEATHER])[1]]:
        assert [item.type for item in answer.output] == ["message", "function_call"]
        [call] = items(answer)
        assert call.name == "weather" and json.loads(call.arguments) == ZURICH and call.status == "completed"
        assert call.call_id.startswith("call_") and call.id != call.call_id
    events, both = events_of(client, "both", tools=[WEATHER])
    assert [json.loads(call.arguments) for call in items(both)] == [ZURICH, BERN]
    deltas = [event for event in events if event.type == "response.function_call_arguments.delta"]
    done = [event for event in events if event.type == "response.output_item.done"]
    assert {event.output_index for event in deltas} == {0, 1}
    # Codex acts on this event.
    assert [json.loads(event.item.arguments) for event in done] == [ZURICH, BERN]
    assert len(items(ask(client, "both", tools=[WEATHER], parallel_tool_calls=False))) == 1


def check_loop(client):
    history = [{"role": "user", "content": "again"}]
    for _ in range(5):
        answer = ask(client, history, tools=[WEATHER], store=False)
        history += answer.output
        history += [{"type": "function_call_output", "call_id": call.call_id, "output": "21"} for call in items(answer)]
        if not items(answer):
            break
    assert answer.output_text == "Both are warm."
    assert answer.usage.input_tokens_details.cached_tokens > 0.7 * answer.usage.input_tokens


def check_kept(client):
    first = ask(client, "weather", tools=[WEATHER])
    result = {"type": "function_call_output", "call_id": items(first)[0].call_id,
              "output": [{"type": "input_text", "text": "21"}]}
    second = ask(client, [result], tools=[WEATHER], previous_response_id=first.id)
    assert second.output_text == REPORT and second.previous_response_id == first.id
    assert client.responses.retrieve(first.id).output == first.output
    third = ask(client, "hello", previous_response_id=second.id)
    assert third.output_text == HELLO and third.usage.input_tokens > 2 * ask(client, "hello").usage.input_tokens
    client.responses.delete(first.id)
    try:
        client.responses.retrieve(first.id)
    except openai.NotFoundError:
        pass
    else:
        raise AssertionError("a deleted response was found")


def check_custom(client):
    events, answer = events_of(client, "patch", tools=[APPLY, WEATHER])
    [call] = items(answer, "custom_tool_call")
    assert call.name == "apply_patch" and call.input == PATCH
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    assert len(deltas) > 2 and "".join(deltas) == PATCH
    [whole] = items(ask(client, "patch", tools=[APPLY]), "custom_tool_call")
    assert whole.input == PATCH
    history = [{"role": "user", "content": "patch"}, whole,
               {"type": "custom_tool_call_output", "call_id": whole.call_id, "output": "Done"}]
    assert ask(client, history, tools=[APPLY]).output_text == "Patched."


def check_other_tools(client):
    hosted = [{"type": "web_search"}, {"type": "image_generation"}, {"type": "local_shell"}]
    answer = ask(client, "weather", tools=[*hosted, WEATHER])
    assert json.loads(items(answer)[0].arguments) == ZURICH
    body = {"model": NAME, "input": "mcp", "tools": [FILES]}
    plain = client.post("/responses", body=body, cast_to=object)
    [call] = [item for item in plain["output"] if item["type"] == "function_call"]
    assert (call["name"], call.get("namespace")) == ("read", "mcp__files") and call["arguments"] == '{"path":"/a"}'


def check_choices(client):
    for choice in ["required", {"type": "function", "name": "weather"}]:
        answer = ask(client, "silent", tools=[WEATHER], tool_choice=choice)
        assert json.loads(items(answer)[0].arguments) == ZURICH
    assert ask(client, "hello", tools=[WEATHER], tool_choice="none").output_text == HELLO
    some = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    assert items(ask(client, "silent", tools=[WEATHER, APPLY], tool_choice=some))[0].name == "weather"


def check_cuts(client):
    """A call that the limit cuts off is not complete, so a client must not run it."""
    for limit in range(1, 14):
        cut = ask(client, "silent", tools=[WEATHER], max_output_tokens=limit)
        assert cut.status == "incomplete" and "tool_call" not in cut.output_text, (limit, cut)
        assert all(call.status == "incomplete" for call in items(cut)), (limit, cut)
        events = list(ask(client, "silent", tools=[WEATHER], max_output_tokens=limit, stream=True))
        assert events[-1].type == "response.incomplete"
        done = [event.item for event in events if event.type == "response.output_item.done"]
        assert not any(item.type == "function_call" and item.status == "completed" for item in done), (limit, done)


def check_structure(client):
    parsed = client.responses.parse(model=NAME, input="person", text_format=Person)
    assert parsed.output_parsed == Person(name='Zoë "Z"', age=41)
    tool = openai.pydantic_function_tool(Person)
    called = client.responses.parse(model=NAME, input="call person", tools=[tool])
    assert items(called)[0].parsed_arguments == Person(name="Zoë", age=41)


def check_count(client):
    count = client.responses.input_tokens.count(model=NAME, input="weather", tools=[WEATHER], instructions="Be kind.")
    answer = ask(client, "weather", tools=[WEATHER], instructions="Be kind.")
    assert count.input_tokens == answer.usage.input_tokens


def check_habits(client):
    """Fields that Codex sends."""
    answer = ask(client, [{"type": "message", "role": "user", "content": "hello"}],
                 reasoning={"effort": "medium", "summary": "auto"}, include=["reasoning.encrypted_content"], prompt_cache_key="x", service_tier="auto",
                 text={"verbosity": "low"}, store=False, parallel_tool_calls=True, tool_choice="auto", tools=[])
    assert answer.output_text == HELLO


def check_errors(client):
    def refused(kind, param, given="hello", **more):
        for stream in [False, True]:
            try:
                ask(client, given, **more, stream=stream)
            except kind as error:
                assert error.param == param, (error.param, error.message)
            else:
                raise AssertionError(f"{more} was accepted")

    refused(openai.NotFoundError, "model", extra_body={"model": "nowhere"})
    refused(openai.BadRequestError, "input", [])
    refused(openai.BadRequestError, "previous_response_id", previous_response_id="resp_x")
    refused(openai.BadRequestError, "tool_choice", tools=[WEATHER], tool_choice={"type": "function", "name": "x"})
    refused(openai.BadRequestError, "background", background=True)
    image = [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]}]
    refused(openai.BadRequestError, "input[0].content[0]", image)


# Checks that take seconds, for every change.
QUICK = {"create", "stream", "calls", "kept", "custom", "cuts", "errors"}


def make(address):
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def run(address, quick=False):
    client = make(address)
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for name, check in checks:
        name = name.removeprefix("check_")
        if not quick or name in QUICK:
            check(client)
            print(f"responses: {name}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
