"""Embeddings through LangChain, and rankings through Cohere's client.

    retrieval_client.py ADDRESS          (needs: langchain-openai, cohere)
"""

import sys

from encoders import EMBEDDER, RERANKER
from skips import need

DOCUMENTS = ["one", "two", "three", "four"]


def check_langchain(address):
    import openai
    from langchain_openai import OpenAIEmbeddings

    plain = OpenAIEmbeddings(base_url=f"{address}/v1", api_key="x", model=EMBEDDER,
                             check_embedding_ctx_length=False)
    vectors = plain.embed_documents(["a cat", "a dog"])
    assert len(vectors) == 2 and len(vectors[0]) == len(plain.embed_query("a cat"))
    # By default, LangChain sends tokens of another vocabulary. The error names the setting that changes this.
    tokens = OpenAIEmbeddings(base_url=f"{address}/v1", api_key="x", model=EMBEDDER, tiktoken_enabled=True)
    try:
        tokens.embed_documents(["unlikely supercalifragilistic words"])
    except openai.BadRequestError as error:
        assert "check_embedding_ctx_length=False" in str(error), error
    except OSError as error:
        # Without a network, it can't load that vocabulary.
        print("retrieval: LangChain's tokens were not sent:", str(error)[:100])
    else:
        raise AssertionError("tokens of another vocabulary were accepted")


def check_cohere(address):
    import cohere

    client = cohere.ClientV2(api_key="x", base_url=address)
    answer = client.rerank(model=RERANKER, query="a query", documents=DOCUMENTS, top_n=3)
    scores = [one.relevance_score for one in answer.results]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores) and answer.id
    assert answer.meta.billed_units.search_units == 1
    older = cohere.Client(api_key="x", base_url=address)
    found = older.rerank(model=RERANKER, query="a query", documents=DOCUMENTS, return_documents=True)
    assert [one.index for one in found.results][:3] == [one.index for one in answer.results]
    assert found.results[0].document.text == DOCUMENTS[found.results[0].index]


def run(address, quick=False):
    need("langchain_openai", "cohere")
    check_langchain(address)
    check_cohere(address)
    print("retrieval: LangChain and Cohere's client agree")


if __name__ == "__main__":
    run(sys.argv[1])
