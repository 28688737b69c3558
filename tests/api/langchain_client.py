"""LangChain, through its packages for OpenAI's, Anthropic's and Ollama's dialects.

    langchain_client.py ADDRESS

The server has to have the scripted model (see `scripts.py`) and the encoders (see `encoders.py`).
"""

import json
import sys

import pydantic

from encoders import EMBEDDER
from scripts import BERN, HELLO, NAME, PERSON, ZURICH
from server import MODEL
from skips import need

LONG = "word " * 20_000


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    age: int


def weather(city: str, days: int = 1) -> str:
    """Tells the weather.

    Args:
        city: A place.
        days: Number of days.
    """
    return "21"


def openai_model(address, name, **more):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(base_url=f"{address}/v1", api_key="none", model=name, max_retries=0, **more)


def chats(address, name=NAME):
    return openai_model(address, name, stream_usage=True)


def responses(address, name=NAME):
    return openai_model(address, name, use_responses_api=True)


def messages(address, name=NAME):
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(base_url=address, api_key="none", model=name, max_retries=0, max_tokens=400)


def ollamas(address, name=NAME):
    from langchain_ollama import ChatOllama

    return ChatOllama(base_url=address, model=name)


# Makers of models, with the forms of structured output that their packages know.
MODELS = {
    chats: ["json_schema", "function_calling", "json_mode"],
    responses: ["json_schema", "function_calling", "json_mode"],
    messages: ["json_schema", "function_calling"],
    ollamas: ["json_schema", "function_calling", "json_mode"],
}


def found(message):
    return [(call["name"], call["args"]) for call in message.tool_calls]


def joined(pieces):
    pieces = list(pieces)
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return whole


def check_chat(make, address):
    answer = make(address).invoke([("system", "Be kind."), ("user", "hello")])
    assert answer.text == HELLO, answer
    usage = answer.usage_metadata
    assert usage["output_tokens"] > 3 and usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def check_stream(make, address):
    pieces = list(make(address).stream("hello"))
    assert len([piece for piece in pieces if piece.text]) > 1
    whole = joined(pieces)
    assert whole.text == HELLO and whole.usage_metadata["output_tokens"] > 3, whole


def check_structure(make, address):
    person = Person(**json.loads(PERSON))
    for method in MODELS[make]:
        structured = make(address).with_structured_output(Person, method=method)
        assert structured.invoke("person") == person, method
        assert list(structured.stream("person"))[-1] == person, method


def check_calls(make, address):
    bound = make(address).bind_tools([weather])
    assert found(bound.invoke("both")) == [("weather", ZURICH), ("weather", BERN)]
    whole = joined(bound.stream("both"))
    assert found(whole) == [("weather", ZURICH), ("weather", BERN)], whole
    assert not whole.invalid_tool_calls and whole.response_metadata


def check_loop(make, address):
    from langchain.agents import create_agent

    agent = create_agent(make(address), tools=[weather])
    for text, calls in [("again", [ZURICH, BERN]), ("both", [ZURICH, BERN])]:
        turns = agent.invoke({"messages": [("user", text)]})["messages"]
        assert turns[-1].text == "Both are warm.", turns
        assert [call["args"] for turn in turns if turn.type == "ai" for call in turn.tool_calls] == calls
    *_, (_, values) = agent.stream({"messages": [("user", "again")]}, stream_mode=["messages", "values"])
    assert values["messages"][-1].text == "Both are warm."


def check_errors(make, address):
    for stream in [False, True]:
        error = raised(make(address, "nosuch"), "hello", stream)
        assert error.status_code == 404 and "nosuch" in str(error), error
        error = raised(make(address, MODEL), LONG, stream)
        assert error.status_code == 400, error
        # LangChain has no such error for Ollama.
        if make is not ollamas:
            from langchain_core.exceptions import ContextOverflowError

            assert isinstance(error, ContextOverflowError), (type(error), error)


def raised(model, text, stream):
    """Returns the error of an answer. It has to be one of the package for the dialect."""
    import anthropic
    import ollama
    import openai

    try:
        list(model.stream(text)) if stream else model.invoke(text)
    except (openai.APIStatusError, anthropic.APIStatusError, ollama.ResponseError) as error:
        return error
    raise AssertionError("it was answered")


def check_embeddings(address):
    from langchain_ollama import OllamaEmbeddings
    from langchain_openai import OpenAIEmbeddings

    plain = OpenAIEmbeddings(base_url=f"{address}/v1", api_key="none", model=EMBEDDER, check_embedding_ctx_length=False)
    for embedder in [plain, OllamaEmbeddings(base_url=address, model=EMBEDDER)]:
        vectors = embedder.embed_documents(["a cat", "a dog"])
        query = embedder.embed_query("a cat")
        assert len(vectors) == 2 and vectors[0] != vectors[1]
        assert all(abs(one - other) < 1e-6 for one, other in zip(query, vectors[0], strict=True))


def run(address, quick=False):
    need("langchain", "langchain_openai", "langchain_anthropic", "langchain_ollama")
    for make in MODELS:
        for check in [check_chat, check_stream, check_structure, check_calls, check_loop, check_errors]:
            check(make, address)
            print(f"langchain: {make.__name__}: {check.__name__.removeprefix('check_')}", flush=True)
    check_embeddings(address)
    print("langchain: embeddings", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
