"""The fake servers that `mlxk bench` is tested with, checked with the official clients.

    peers.py PROGRAM

PROGRAM is the example `peers` of `tests/peers`. Tests may rely on responses that the official clients accept.
Our own clients have to refuse the responses that they refuse.
"""

import subprocess
import sys

import ollama
import openai


def fails(expected, part, call):
    try:
        call()
    except expected as error:
        assert part in str(error), error
    else:
        raise AssertionError(f"{part} was not an error")


def ollamas(address):
    client = ollama.Client(host=address)
    [model] = client.list().models
    assert (model.model, model.size, model.details.quantization_level) == ("tiny:latest", 80000, "Q4_0")
    assert client.ps().models == []
    assert client.show("tiny").modelinfo["general.parameter_count"] == 142000
    assert [step.status for step in client.pull("tiny", stream=True)][-1] == "success"
    assert client.generate("tiny", "", keep_alive=-1).done_reason == "load"
    assert client.ps().models[0].context_length == 4096
    assert client.generate("tiny", "", keep_alive=0).done_reason == "unload"
    assert client.ps().models == []
    pieces = list(client.generate("tiny", "1, ", raw=True, stream=True))
    assert ("".join(piece.response for piece in pieces), pieces[-1].eval_count) == ("2, 3", 4)

    def chat(text):
        return list(client.chat("tiny", [{"role": "user", "content": text}], stream=True))

    pieces = chat("well")
    assert [(piece.message.thinking or "") + piece.message.content for piece in pieces] == ["Hm.", "Good", ""]
    assert (pieces[-1].prompt_eval_count, pieces[-1].load_duration) == (80, 1_500_000_000)
    fails(ollama.ResponseError, "not found", lambda: chat("absent"))
    fails(ollama.ResponseError, "runner died", lambda: chat("broken"))
    fails(ValueError, "", lambda: chat("nonsense"))


def openais(address):
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0)
    assert [model.id for model in client.models.list()] == ["tiny"]
    pieces = list(client.completions.create(model="tiny", prompt="0, ", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == "1, 2"
    assert pieces[-1].choices[0].finish_reason == "length"

    def chat(text):
        messages = [{"role": "user", "content": text}]
        return list(client.chat.completions.create(model="tiny", messages=messages, stream=True))

    *pieces, end, counts = chat("well")
    assert [piece.choices[0].delta.content for piece in pieces] == ["", None, "Good"]
    assert pieces[1].choices[0].delta.reasoning_content == "Hm."
    assert end.choices[0].finish_reason == "stop"
    assert (counts.choices, counts.usage.prompt_tokens, counts.usage.completion_tokens) == ([], 10, 5)
    fails(openai.NotFoundError, "not found", lambda: chat("absent"))
    fails(openai.APIError, "out of memory", lambda: chat("broken"))
    fails(ValueError, "", lambda: chat("nonsense"))


def main():
    program = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with program:
        ollamas(program.stdout.readline().strip())
        openais(program.stdout.readline().strip())
        program.stdin.close()
    print("the official clients accept the servers of the tests")


if __name__ == "__main__":
    main()
