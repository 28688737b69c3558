"""Embeddings, through the Python clients of OpenAI and Ollama.

    embeddings_client.py ADDRESS
"""

import json
import math
import sys

import ollama
import openai

from encoders import EMBEDDER, POSITIONS, RERANKER
from server import MODEL, call

TEXTS = ["The cat sits on the mat.", "a dog"]


def near(a, b):
    return len(a) == len(b) and all(abs(x - y) < 1e-6 for x, y in zip(a, b))


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


def refused(work, kind, words):
    try:
        work()
    except kind as error:
        assert words in str(error), error
        return
    raise AssertionError("it was not refused")


def check_openai(client):
    create = client.embeddings.create
    # The client asks for base64 if it isn't told otherwise.
    answer = create(model=EMBEDDER, input=TEXTS)
    assert [one.index for one in answer.data] == [0, 1] and answer.model == EMBEDDER
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(TEXTS)
    vectors = [one.embedding for one in answer.data]
    assert all(abs(length(vector) - 1) < 1e-5 for vector in vectors)
    floats = create(model=EMBEDDER, input=TEXTS[0], encoding_format="float").data[0].embedding
    assert near(floats, vectors[0]) and not near(vectors[0], vectors[1])
    short = create(model=EMBEDDER, input=TEXTS[0], dimensions=8).data[0].embedding
    assert len(short) == 8 and abs(length(short) - 1) < 1e-5
    # The tokens of `a dog`, with those around it.
    status, _, body = call(client.base_url.scheme + "://" + client.base_url.netloc.decode(), "/tokenize",
                           {"model": EMBEDDER, "content": TEXTS[1], "add_special": True})
    assert status == 200
    tokens = json.loads(body)["tokens"]
    assert near(create(model=EMBEDDER, input=[tokens]).data[0].embedding, vectors[1])
    assert near(create(model=EMBEDDER, input=tokens).data[0].embedding, vectors[1])
    bad = openai.BadRequestError
    refused(lambda: create(model=EMBEDDER, input=""), bad, "empty")
    refused(lambda: create(model=EMBEDDER, input=["a"] * 2049), bad, "2048")
    refused(lambda: create(model=EMBEDDER, input=[[1, 2, 99999]]), bad, "check_embedding_ctx_length")
    refused(lambda: create(model=EMBEDDER, input="a", dimensions=1000), bad, "dimensions")
    refused(lambda: create(model=EMBEDDER, input="a " * 500), bad, "at most")
    refused(lambda: create(model=RERANKER, input="a"), bad, "/v1/rerank")
    chat = {"model": EMBEDDER, "messages": [{"role": "user", "content": "Hi"}]}
    refused(lambda: client.chat.completions.create(**chat), bad, "does not write text")
    assert len(create(model=MODEL, input="Hi").data[0].embedding) > 100
    abilities = {model.id: model.capabilities for model in client.models.list()}
    found = {name: abilities[key] for key in abilities for name in (EMBEDDER, RERANKER) if key.endswith(name)}
    assert found == {EMBEDDER: ["embeddings"], RERANKER: ["rerank"]}, found


def check_ollama(client):
    answer = client.embed(model=EMBEDDER, input=TEXTS)
    assert len(answer.embeddings) == 2 and answer.prompt_eval_count > 4
    assert answer.total_duration >= answer.load_duration
    assert all(abs(length(vector) - 1) < 1e-5 for vector in answer.embeddings)
    one = client.embed(model=EMBEDDER, input=TEXTS[0])
    assert near(one.embeddings[0], answer.embeddings[0])
    assert len(client.embed(model=EMBEDDER, input="a", dimensions=8).embeddings[0]) == 8
    long = "a " * 500
    assert client.embed(model=EMBEDDER, input=long).prompt_eval_count == POSITIONS
    refused(lambda: client.embed(model=EMBEDDER, input=long, truncate=False), ollama.ResponseError,
            "exceeds the context length")
    assert client.embed(model=EMBEDDER, input="").embeddings == []
    old = client.embeddings(model=EMBEDDER, prompt=TEXTS[0]).embedding
    assert near([x / length(old) for x in old], answer.embeddings[0])
    assert client.show(EMBEDDER).capabilities == ["embedding"]


def run(address, quick):
    check_openai(openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0))
    check_ollama(ollama.Client(host=address))
    print("embeddings: OpenAI's and Ollama's clients agree")


if __name__ == "__main__":
    run(sys.argv[1], False)
