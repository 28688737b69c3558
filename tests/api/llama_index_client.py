"""LlamaIndex, through its packages for OpenAI's and Ollama's dialects.

    llama_index_client.py ADDRESS

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
CONTEXT = 262_144


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    age: int


def openai_like(address, name=NAME, **more):
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(model=name, api_base=f"{address}/v1", api_key="none", max_retries=0, context_window=CONTEXT,
                      is_chat_model=True, is_function_calling_model=True, **more)


def openai_strict(address, name=NAME):
    """The same, with schemas instead of calls for structured output."""
    return openai_like(address, name, should_use_structured_outputs=True)


def ollamas(address, name=NAME):
    from llama_index.llms.ollama import Ollama

    return Ollama(model=name, base_url=address, context_window=CONTEXT, request_timeout=300)


MODELS = [openai_like, openai_strict, ollamas]


def asked(text):
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role="user", content=text)]


def tool(seen):
    """Returns a tool that notes the arguments of its calls."""
    from llama_index.core.tools import FunctionTool

    def weather(city: str, days: int = 1) -> str:
        """Tells the weather."""
        seen.append({"city": city, "days": days})
        return "21"

    return FunctionTool.from_defaults(weather)


def check_chat(model):
    from llama_index.core.llms import ChatMessage

    answer = model.chat([ChatMessage(role="system", content="Be kind."), *asked("hello")])
    assert answer.message.content == HELLO, answer
    assert model.complete("hello").text == HELLO


def check_stream(model):
    pieces = list(model.stream_chat(asked("hello")))
    assert "".join(piece.delta or "" for piece in pieces) == HELLO and len(pieces) > 1
    assert pieces[-1].message.content == HELLO


def check_structure(model):
    from llama_index.core import PromptTemplate

    prompt, person = PromptTemplate("person"), json.loads(PERSON)
    assert model.structured_predict(Person, prompt).model_dump() == person
    *_, last = model.stream_structured_predict(Person, prompt)
    assert last.model_dump() == person, last
    assert model.as_structured_llm(Person).chat(asked("person")).raw.model_dump() == person


def check_calls(model):
    several = {"user_msg": "both", "allow_parallel_tool_calls": True}
    answer = model.chat_with_tools([tool([])], **several)
    calls = model.get_tool_calls_from_response(answer)
    assert [call.tool_kwargs for call in calls] == [ZURICH, BERN], answer
    *_, last = model.stream_chat_with_tools([tool([])], **several)
    calls = model.get_tool_calls_from_response(last)
    assert [call.tool_kwargs for call in calls] == [ZURICH, BERN], last


def check_loop(model):
    from llama_index.core.agent.workflow import FunctionAgent

    async def answers():
        for text, streams in [("again", False), ("again", True), ("both", False), ("both", True)]:
            seen = []
            agent = FunctionAgent(tools=[tool(seen)], llm=model, streaming=streams)
            answer = await agent.run(text)
            assert answer.response.content == "Both are warm.", answer
            # Calls of one answer run at the same time.
            assert sorted(seen, key=str) == sorted([ZURICH, BERN], key=str), seen

    asyncio.run(answers())


def check_errors(make, address):
    import ollama
    import openai

    for name, text, status in [("nosuch", "hello", 404), (NAME, LONG, 400)]:
        model = make(address, name)
        for ask in [model.chat, model.stream_chat]:
            try:
                list(ask(asked(text)))
            except (openai.APIStatusError, ollama.ResponseError) as error:
                assert error.status_code == status, error
            else:
                raise AssertionError("it was answered")


def check_embeddings(address):
    from llama_index.embeddings.ollama import OllamaEmbedding
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    like = OpenAILikeEmbedding(model_name=EMBEDDER, api_base=f"{address}/v1", api_key="none", max_retries=0)
    for embedder in [like, OllamaEmbedding(model_name=EMBEDDER, base_url=address)]:
        one, two = embedder.get_text_embedding_batch(["a cat", "a dog"])
        assert one != two
        assert all(abs(a - b) < 1e-6 for a, b in zip(embedder.get_query_embedding("a cat"), one, strict=True))


def run(address, quick=False):
    need("llama_index.llms.openai_like", "llama_index.llms.ollama", "llama_index.embeddings.openai_like",
         "llama_index.embeddings.ollama")
    for make in MODELS:
        for check in [check_chat, check_stream, check_structure, check_calls, check_loop]:
            check(make(address))
        check_errors(make, address)
        print(f"llama-index: {make.__name__} passed", flush=True)
    check_embeddings(address)
    print("llama-index: embeddings", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
