"""Anthropic's dialect, through Anthropic's own Python client.

    anthropic_client.py ADDRESS

The server has to have the scripted model (see `scripts.py`).
"""

import json
import sys

import anthropic
import pydantic
from anthropic import Anthropic, beta_tool

from scripts import ABOUT, BERN, HELLO, NAME, PARAMETERS, REPORT, ZURICH

WEATHER = {"name": "weather", "description": ABOUT, "input_schema": PARAMETERS}


class Person(pydantic.BaseModel):
    name: str
    age: int


def asked(text, **more):
    return {"model": NAME, "max_tokens": 400, "messages": [{"role": "user", "content": text}], **more}


def kinds(message):
    return [block.type for block in message.content]


def check_messages(client):
    answer = client.messages.create(**asked("hello", system="Be kind.", metadata={"user_id": "me"}))
    assert answer.type == "message" and answer.role == "assistant" and answer.id.startswith("msg_")
    assert kinds(answer) == ["text"] and answer.content[0].text == HELLO
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None and answer.model == NAME
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 3
    blocks = [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]
    again = client.messages.create(**asked(blocks, system=[{"type": "text", "text": "Be kind."}]))
    assert again.content[0].text == HELLO and again.usage.cache_read_input_tokens > 0
    usage = again.usage
    assert usage.input_tokens + usage.cache_read_input_tokens == answer.usage.input_tokens + (
        answer.usage.cache_read_input_tokens)


def check_limits(client):
    cut = client.messages.create(**asked("hello", max_tokens=2))
    assert cut.stop_reason == "max_tokens" and HELLO.startswith(cut.content[0].text)
    stopped = client.messages.create(**asked("hello", stop_sequences=["* and"]))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "* and")
    assert stopped.content[0].text == HELLO[: HELLO.index("* and")]
    # A call that the limit cuts off is not complete, so a client must not run it.
    for limit in range(1, 12):
        cut = client.messages.create(**asked("silent", tools=[WEATHER], max_tokens=limit))
        assert cut.stop_reason == "max_tokens" and "tool_use" not in kinds(cut), (limit, cut)
        with client.messages.stream(**asked("silent", tools=[WEATHER], max_tokens=limit)) as stream:
            assert stream.get_final_message().stop_reason == "max_tokens"


def check_stream(client):
    with client.messages.stream(**asked("hello")) as stream:
        pieces = list(stream.text_stream)
        whole = stream.get_final_message()
    assert len(pieces) > 1 and "".join(pieces) == HELLO == whole.content[0].text
    assert whole.stop_reason == "end_turn" and whole.usage.output_tokens > 3
    types = [event.type for event in client.messages.create(**asked("weather", tools=[WEATHER]), stream=True)]
    assert types[:2] == ["message_start", "content_block_start"] and types[-2:] == ["message_delta", "message_stop"]
    assert types.count("content_block_start") == types.count("content_block_stop") == 2


def check_tools(client):
    whole = client.messages.create(**asked("weather", tools=[WEATHER]))
    assert kinds(whole) == ["text", "tool_use"] and whole.content[0].text == "I look."
    use = whole.content[1]
    assert use.name == "weather" and use.input == ZURICH and use.id.startswith("toolu_")
    assert whole.stop_reason == "tool_use"
    with client.messages.stream(**asked("weather", tools=[WEATHER])) as stream:
        parts = [event.partial_json for event in stream if event.type == "input_json"]
        streamed = stream.get_final_message()
    assert json.loads("".join(parts)) == ZURICH and len(parts) > 2
    assert streamed.content[1].input == ZURICH and streamed.stop_reason == "tool_use"
    both = client.messages.create(**asked("both", tools=[WEATHER]))
    assert [block.input for block in both.content] == [ZURICH, BERN]
    assert len({block.id for block in both.content}) == 2


def check_results(client):
    answer = client.messages.create(**asked("both", tools=[WEATHER]))
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": found}
               for block, found in zip(answer.content, ["21", [{"type": "text", "text": "22"}]])]
    history = [{"role": "user", "content": "both"}, {"role": "assistant", "content": answer.content},
               {"role": "user", "content": results}]
    end = client.messages.create(**asked("", tools=[WEATHER]) | {"messages": history})
    assert end.content[0].text == "Both are warm." and end.stop_reason == "end_turn"
    # The beginning of the conversation is not computed again.
    assert end.usage.cache_read_input_tokens > answer.usage.input_tokens * 0.8


def check_runner(client):
    seen = []

    @beta_tool
    def weather(city: str, days: int = 1) -> str:
        """Tells the weather.

        Args:
            city: A place.
            days: Number of days.
        """
        seen.append({"city": city, "days": days})
        return "21"

    for stream in [False, True]:
        runner = client.beta.messages.tool_runner(**asked("again", tools=[weather]), stream=stream)
        if stream:
            last = [turn.get_final_message() for turn in runner][-1]
        else:
            last = runner.until_done()
        assert last.content[0].text == "Both are warm."
    assert seen == [ZURICH, BERN] * 2


def check_choices(client):
    for choice in [{"type": "any"}, {"type": "tool", "name": "weather"}]:
        answer = client.messages.create(**asked("silent", tools=[WEATHER], tool_choice=choice))
        assert kinds(answer) == ["tool_use"] and answer.content[0].input == ZURICH
        # The model wants to talk, but has to call.
        forced = client.messages.create(**asked("long", tools=[WEATHER], tool_choice=choice, max_tokens=200))
        assert set(kinds(forced)) <= {"tool_use"}, forced
    one = {"type": "auto", "disable_parallel_tool_use": True}
    answer = client.messages.create(**asked("both", tools=[WEATHER], tool_choice=one))
    assert kinds(answer) == ["tool_use"] and answer.content[0].input == ZURICH
    none = client.messages.create(**asked("hello", tools=[WEATHER], tool_choice={"type": "none"}))
    assert none.content[0].text == HELLO


def check_structure(client):
    form = {"type": "json_schema", "schema": {**Person.model_json_schema(), "additionalProperties": False}}
    answer = client.messages.create(**asked("person", output_config={"format": form}))
    assert Person.model_validate_json(answer.content[0].text).age == 41
    parsed = client.messages.parse(**asked("person", output_format=Person))
    assert parsed.parsed_output == Person(name='Zoë "Z"', age=41)


def check_count(client):
    question = asked("weather", tools=[WEATHER], system="Be kind.")
    answer = client.messages.create(**question)
    del question["max_tokens"]
    count = client.messages.count_tokens(**question)
    assert count.input_tokens == answer.usage.input_tokens + answer.usage.cache_read_input_tokens


def check_thinking(client):
    # Requests for thoughts are no reason to refuse if the model has none.
    for thinking in [{"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}, {"type": "adaptive"}]:
        answer = client.messages.create(**asked("hello", max_tokens=2000, thinking=thinking))
        assert kinds(answer) == ["text"] and answer.content[0].text == HELLO
    thought = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Hi."}]
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": thought},
               {"role": "user", "content": "hello"}]
    assert client.messages.create(**asked("") | {"messages": history}).content[0].text == HELLO


def check_errors(client):
    def refused(kind, status, part, **more):
        for stream in [False, True]:
            try:
                client.messages.create(**asked("hello") | more, stream=stream)
            except kind as error:
                assert error.status_code == status and part in str(error), error
                assert error.body["type"] == "error" and error.body["error"]["message"]
            else:
                raise AssertionError(f"{more} was accepted")

    refused(anthropic.NotFoundError, 404, "nowhere", model="nowhere")
    refused(anthropic.BadRequestError, 400, "messages", messages=[])
    refused(anthropic.BadRequestError, 400, "temperature", extra_body={"temperature": -1})
    refused(anthropic.BadRequestError, 400, "prompt is too long", messages=[
        {"role": "user", "content": "😀" * 300_000}])
    refused(anthropic.BadRequestError, 400, "`weather`", tools=[WEATHER, WEATHER])
    refused(anthropic.BadRequestError, 400, "tools[0]", tools=[{"name": "", "input_schema": PARAMETERS}])
    refused(anthropic.BadRequestError, 400, "messages[1].content[0].tool_use_id", messages=[
        {"role": "user", "content": "hello"},
        {"role": "user", "content": [{"type": "tool_result", "content": "x"}]}])
    refused(anthropic.BadRequestError, 400, "image", messages=[{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]}])


def check_models(client):
    listed = {model.id: model for model in client.models.list()}
    assert NAME in listed
    assert client.models.retrieve(NAME).id == NAME


def check_result_after_message(client):
    answer = client.messages.create(**asked("weather", tools=[WEATHER]))
    results = [{"type": "tool_result", "tool_use_id": answer.content[1].id, "content": "21", "is_error": False}]
    history = [{"role": "user", "content": "weather"}, {"role": "assistant", "content": answer.content},
               {"role": "user", "content": results}]
    with client.messages.stream(**asked("", tools=[WEATHER]) | {"messages": history}) as stream:
        assert stream.get_final_text() == REPORT


# Checks that take seconds, for every change.
QUICK = {"messages", "stream", "tools", "results", "limits", "count", "errors"}


def make(address):
    return Anthropic(base_url=address, api_key="none", max_retries=0)


def run(address, quick=False):
    client = make(address)
    checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
    for name, check in checks:
        name = name.removeprefix("check_")
        if not quick or name in QUICK:
            check(client)
            print(f"anthropic: {name}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
