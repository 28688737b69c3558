"""Thoughts, through the official clients and the frameworks: streamed, hidden, and sent back with the results of calls.

    thinking_client.py ADDRESS

The server has to have the model that thinks (see `scripts.py`). Frameworks that are not installed are left out.
"""

import asyncio
import json
import sys

import anthropic
import ollama
import openai

from scripts import ABOUT, BERN, HELLO, PARAMETERS, PERSON, THINKER, THOUGHT, ZURICH
from skips import is_installed

WEATHER = {"name": "weather", "description": ABOUT}
WANTED = json.loads(PERSON)
END = "Both are warm."
BUDGET = {"type": "enabled", "budget_tokens": 1024}


def user(text):
    return [{"role": "user", "content": text}]


def check_openai_chats(address):
    create = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0).chat.completions.create
    fixed = {"model": THINKER, "tools": [{"type": "function", "function": {**WEATHER, "parameters": PARAMETERS}}]}
    answer = create(messages=user("hello"), **fixed)
    assert answer.choices[0].message.content == HELLO
    assert answer.choices[0].message.reasoning_content == THOUGHT
    assert answer.usage.completion_tokens_details.reasoning_tokens > 3
    deltas = [event.choices[0].delta for event in create(messages=user("hello"), stream=True, **fixed)]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == THOUGHT
    assert "".join(delta.content or "" for delta in deltas) == HELLO
    quiet = create(messages=user("hello"), reasoning_effort="none", **fixed).choices[0].message
    assert quiet.content == HELLO and not getattr(quiet, "reasoning_content", None)
    messages, seen = user("again"), []
    for _ in range(3):
        message = create(messages=messages, **fixed).choices[0].message
        assert message.reasoning_content == THOUGHT
        # All fields are sent back, also the thoughts.
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or []:
            seen.append(json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "21"})
    assert message.content == END and seen == [ZURICH, BERN]


def check_openai_responses(address):
    create = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0).responses.create
    fixed = {"model": THINKER, "tools": [{"type": "function", **WEATHER, "parameters": PARAMETERS}],
             "reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    for keeps in [True, False]:
        given, seen, previous = user("again"), [], None
        for _ in range(3):
            answer = create(input=given, store=keeps, previous_response_id=previous, **fixed)
            thought = answer.output[0]
            assert thought.type == "reasoning" and thought.summary[0].text == THOUGHT, answer
            calls = [item for item in answer.output if item.type == "function_call"]
            results = [{"type": "function_call_output", "call_id": call.call_id, "output": "21"} for call in calls]
            seen += [json.loads(call.arguments) for call in calls]
            # Without a kept response, all items are sent back.
            given, previous = (results, answer.id) if keeps else (given + answer.output + results, None)
        assert answer.output_text == END and seen == [ZURICH, BERN], answer
    events = list(create(input=user("hello"), stream=True, **fixed))
    deltas = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert "".join(deltas) == THOUGHT, {event.type for event in events}


def check_anthropic(address):
    client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
    fixed = {"model": THINKER, "max_tokens": 2000, "tools": [{**WEATHER, "input_schema": PARAMETERS}]}
    with client.messages.stream(messages=user("hello"), thinking=BUDGET, **fixed) as stream:
        pieces = [event.thinking for event in stream if event.type == "thinking"]
        answer = stream.get_final_message()
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert "".join(pieces) == THOUGHT == answer.content[0].thinking and answer.content[0].signature
    messages, seen = user("again"), []
    for _ in range(3):
        answer = client.messages.create(messages=messages, thinking=BUDGET, **fixed)
        assert answer.content[0].thinking == THOUGHT
        messages.append({"role": "assistant", "content": answer.content})
        uses = [block for block in answer.content if block.type == "tool_use"]
        seen += [use.input for use in uses]
        messages += [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "21"}
                                                  for use in uses]}] if uses else []
    assert answer.content[-1].text == END and seen == [ZURICH, BERN]
    quiet = client.messages.create(messages=user("hello"), thinking={"type": "disabled"}, **fixed)
    assert [block.type for block in quiet.content] == ["text"]


def check_ollama(address):
    client = ollama.Client(host=address)
    tools = [{"type": "function", "function": {**WEATHER, "parameters": PARAMETERS}}]
    pieces = list(client.chat(THINKER, user("hello"), think=True, stream=True))
    assert "".join(piece.message.thinking or "" for piece in pieces) == THOUGHT
    assert "".join(piece.message.content for piece in pieces) == HELLO
    assert not client.chat(THINKER, user("hello"), think=False).message.thinking
    messages, seen = user("again"), []
    for _ in range(3):
        message = client.chat(THINKER, messages, tools=tools, think="high").message
        assert message.thinking == THOUGHT
        messages.append(message)
        seen += [dict(call.function.arguments) for call in message.tool_calls or []]
        messages += [{"role": "tool", "tool_name": "weather", "content": "21"} for _ in message.tool_calls or []]
    assert message.content == END and seen == [ZURICH, BERN]


def check_forms(address):
    """A form or a required call begins after the thoughts. The template leaves it to the model to open them."""
    chats = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0).chat.completions
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
              "required": ["name", "age"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    message = chats.create(model=THINKER, messages=user("person"), response_format=form).choices[0].message
    assert getattr(message, "reasoning_content", None) == THOUGHT and json.loads(message.content) == WANTED, message
    message = ollama.Client(host=address).chat(THINKER, user("person"), think=True, format=schema).message
    assert message.thinking == THOUGHT and json.loads(message.content) == WANTED, message
    client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
    answer = client.messages.create(model=THINKER, messages=user("person"), max_tokens=2000, thinking=BUDGET,
                                    output_config={"format": {"type": "json_schema", "schema": schema}})
    assert answer.content[0].thinking == THOUGHT and json.loads(answer.content[1].text) == WANTED, answer
    tools = [{"type": "function", "function": {**WEATHER, "parameters": PARAMETERS}}]
    required = {"tools": tools, "tool_choice": "required"}
    message = chats.create(model=THINKER, messages=user("again"), **required).choices[0].message
    assert getattr(message, "reasoning_content", None) == THOUGHT, message
    # Where the script ends, the grammar lets the model call again.
    assert json.loads(message.tool_calls[0].function.arguments) == ZURICH, message


def weather(city: str, days: int = 1) -> str:
    """Tells the weather."""
    return "21"


def check_langchain(address):
    from langchain.agents import create_agent
    from langchain_anthropic import ChatAnthropic
    from langchain_ollama import ChatOllama
    from langchain_openai import ChatOpenAI

    openai_settings = {"base_url": f"{address}/v1", "api_key": "none", "model": THINKER, "max_retries": 0}
    models = [ChatOpenAI(**openai_settings),
              ChatOpenAI(**openai_settings, use_responses_api=True, reasoning={"effort": "medium", "summary": "auto"}),
              ChatOpenAI(**openai_settings, output_version="responses/v1", store=False,
                         include=["reasoning.encrypted_content"]),
              ChatAnthropic(base_url=address, api_key="none", model=THINKER, max_tokens=2000, thinking=BUDGET),
              ChatOllama(base_url=address, model=THINKER, reasoning=True)]
    for number, model in enumerate(models):
        for text in ["again", "both"]:
            turns = create_agent(model, tools=[weather]).invoke({"messages": [("user", text)]})["messages"]
            assert turns[-1].text == END, (number, turns)
        *_, (_, values) = create_agent(model, tools=[weather]).stream(
            {"messages": [("user", "again")]}, stream_mode=["messages", "values"])
        assert values["messages"][-1].text == END
        thoughts = [block.get("reasoning") for block in values["messages"][1].content_blocks
                    if block["type"] == "reasoning"]
        # Its model for OpenAI's chats leaves them out.
        assert thoughts == ([] if number == 0 else [THOUGHT]), (number, thoughts)


async def check_pydantic_ai(address):
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModelSettings
    from pydantic_ai.models.openai import OpenAIResponsesModelSettings

    import pydantic_ai_client as models

    settings = {models.messages: AnthropicModelSettings(anthropic_thinking=BUDGET, max_tokens=2000),
                models.responses: OpenAIResponsesModelSettings(openai_reasoning_effort="high",
                                                               openai_reasoning_summary="detailed")}
    for make in models.MODELS:
        agent = models.with_weather(make(address, THINKER))
        result = await agent.run("again", model_settings=settings.get(make))
        thoughts = [part.content for message in result.all_messages() for part in message.parts
                    if part.part_kind == "thinking"]
        assert result.output == END and models.calls(result) == [ZURICH, BERN], result
        assert thoughts == [THOUGHT] * 3, (make, thoughts)
        async with agent.run_stream("again", model_settings=settings.get(make)) as stream:
            assert await stream.get_output() == END
            more = await agent.run("hello", message_history=stream.all_messages(), model_settings=settings.get(make))
            assert more.output == HELLO


def run(address, quick=False):
    for check in [check_openai_chats, check_openai_responses, check_anthropic, check_ollama, check_forms]:
        check(address)
        print(f"thinking: {check.__name__.removeprefix('check_')}", flush=True)
    frameworks = {"langchain": check_langchain, "pydantic_ai": lambda address: asyncio.run(check_pydantic_ai(address))}
    for module, check in frameworks.items():
        if not is_installed(module):
            print(f"thinking: {module} is left out, because it is not installed", file=sys.stderr)
            continue
        check(address)
        print(f"thinking: {module}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
