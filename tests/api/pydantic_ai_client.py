"""Pydantic AI, through OpenAI's chats and responses, Anthropic's messages, and Ollama's address for OpenAI's dialect.

    pydantic_ai_client.py ADDRESS

The server has to have the scripted model (see `scripts.py`) and the encoders (see `encoders.py`).
"""

import asyncio
import json
import sys

import pydantic

from encoders import EMBEDDER
from scripts import BERN, HELLO, NAME, PERSON, ZURICH
from skips import need

LONG = "😀" * 300_000


class Person(pydantic.BaseModel):
    name: str
    age: int


def chats(address, name=NAME):
    from pydantic_ai.models.openai import OpenAIChatModel

    return OpenAIChatModel(name, provider=openai_provider(address))


def responses(address, name=NAME):
    from pydantic_ai.models.openai import OpenAIResponsesModel

    return OpenAIResponsesModel(name, provider=openai_provider(address))


def openai_provider(address):
    import openai
    from pydantic_ai.providers.openai import OpenAIProvider

    client = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    return OpenAIProvider(openai_client=client)


def messages(address, name=NAME):
    import anthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = anthropic.AsyncAnthropic(base_url=address, api_key="none", max_retries=0)
    # Of models that it doesn't know, the package assumes that they have no structured output.
    profile = {"supports_json_schema_output": True}
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client), profile=profile)


def ollamas(address, name=NAME):
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.providers.ollama import OllamaProvider

    return OllamaModel(name, provider=OllamaProvider(base_url=f"{address}/v1"))


MODELS = [chats, responses, messages, ollamas]


def calls(result):
    """Returns the arguments of all calls of a run."""
    return [part.args_as_dict() for message in result.all_messages() for part in message.parts
            if part.part_kind == "tool-call"]


def with_weather(model):
    from pydantic_ai import Agent

    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str, days: int = 1) -> str:
        """Tells the weather."""
        return "21"

    return agent


async def check_chat(model):
    from pydantic_ai import Agent

    result = await Agent(model, instructions="Be kind.").run("hello")
    assert result.output == HELLO, result
    usage = result.usage
    assert usage.input_tokens > 0 and usage.output_tokens > 3, usage


async def check_stream(model):
    from pydantic_ai import Agent

    async with Agent(model).run_stream("hello") as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == HELLO and len(pieces) > 1, pieces


async def check_structure(model):
    from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput

    for form in [ToolOutput, NativeOutput, PromptedOutput]:
        agent = Agent(model, output_type=form(Person))
        result = await agent.run("person")
        assert result.output == Person(**json.loads(PERSON)), (form, result)
        async with agent.run_stream("person") as stream:
            *_, last = [piece async for piece in stream.stream_output(debounce_by=None)]
        assert last == result.output, (form, last)


async def check_loop(model):
    agent = with_weather(model)
    for text in ["again", "both"]:
        result = await agent.run(text)
        assert result.output == "Both are warm." and calls(result) == [ZURICH, BERN], result
        async with agent.run_stream(text) as stream:
            assert await stream.get_output() == "Both are warm."
            assert calls(stream) == [ZURICH, BERN]


async def check_errors(make, address):
    from pydantic_ai import Agent, exceptions

    for name, text, kind in [("nosuch", "hello", exceptions.ModelNotFoundError),
                             (NAME, LONG, exceptions.ModelContextWindowExceededError)]:
        agent = Agent(make(address, name))
        for run in [agent.run, streamed(agent)]:
            try:
                await run(text)
            except kind as error:
                assert error.model_name == name, error
            else:
                raise AssertionError("it was answered")


def streamed(agent):
    async def run(text):
        async with agent.run_stream(text) as stream:
            await stream.get_output()

    return run


async def check_embeddings(address):
    from pydantic_ai import Embedder
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

    embedder = Embedder(OpenAIEmbeddingModel(EMBEDDER, provider=openai_provider(address)))
    one, two = (await embedder.embed_documents(["a cat", "a dog"])).embeddings
    [query] = (await embedder.embed_query("a cat")).embeddings
    assert one != two and all(abs(a - b) < 1e-6 for a, b in zip(query, one, strict=True))


async def check_all(address):
    for make in MODELS:
        for check in [check_chat, check_stream, check_structure, check_loop]:
            await check(make(address))
        await check_errors(make, address)
        print(f"pydantic-ai: {make.__name__} passed", flush=True)
    await check_embeddings(address)
    print("pydantic-ai: embeddings", flush=True)


def run(address, quick=False):
    need("pydantic_ai")
    asyncio.run(check_all(address))


if __name__ == "__main__":
    run(sys.argv[1])
