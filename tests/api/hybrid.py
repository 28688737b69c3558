"""A hybrid of attention and recurrent layers under load, and in a long conversation.

    hybrid.py MLXK [--seconds N] [--clients N] [--model FOLDER]

*Load.* Clients send prompts of many lengths that share beginnings, and some leave in the middle of an answer. In exact
mode, every answer that is read to its end must be the one computed alone.

*Conversation.* Twenty turns. Counters show how many tokens of a prompt were reused; from the second turn on, all but
those of the last question and answer, and what the cache rounds off, also after a restart with `--spill`. The times
of first tokens are printed; the quotient of turns 20 and 2 is an indication only, unless the machine is quiet.

By default, the model is a small Qwen3.5 of random weights, made by `mlxk bench model --synthetic`.
"""

import argparse
import collections
import http.client
import json
import pathlib
import random
import subprocess
import tempfile
import threading
import time
import urllib.parse

from server import call, server

CONFIG = {
    "model_type": "qwen3_5", "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "rms_norm_eps": 1e-6,
    "vocab_size": 512, "max_position_embeddings": 32768, "linear_num_value_heads": 4,
    "linear_num_key_heads": 2, "linear_key_head_dim": 32, "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4, "full_attention_interval": 4, "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "partial_rotary_factor": 0.25},
}
ANSWER = 24
TURNS = 20
# Tokens that may be computed again: checkpoints of states are rounded to what the cache keeps.
AGAIN = 64


def words(draw, count):
    alphabet = "abcdefghijklmnopqrstuvwxyz     "
    return "".join(draw.choice(alphabet) for _ in range(count))


def prompts(draw):
    """Return prompts of up to about 2,000 tokens; many begin alike."""
    found = []
    for _ in range(6):
        text = words(draw, draw.randrange(20, 300))
        for _ in range(8):
            found.append(text)
            text += words(draw, draw.randrange(5, 250))
    return found


def request(model, prompt, tokens, stream):
    body = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": stream,
            "ignore_eos": True}
    return {**body, "stream_options": {"include_usage": True}} if stream else body


def answered(address, body, leave_after=None):
    """Return the text, the usage and the time to the first piece; `None` for the text if the client left."""
    target = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=300)
    started, first, text, usage, pieces = time.monotonic(), None, "", None, 0
    try:
        connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:300]}")
        for line in response:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
            for choice in event.get("choices", []):
                if choice.get("text"):
                    first = first or time.monotonic() - started
                    text += choice["text"]
                    pieces += 1
            if leave_after is not None and pieces >= leave_after:
                return None, usage, first
    finally:
        connection.close()
    return text, usage, first


def load(binary, model, seconds, clients):
    draw = random.Random(7)
    texts = prompts(draw)
    with server(binary, "--model", model, "--exact", "--queue", "64") as running:
        alone = [answered(running.address, request(model, text, ANSWER, True))[0] for text in texts]
    counts, wrong = collections.Counter(), []
    end = time.monotonic() + seconds
    with server(binary, "--model", model, "--exact", "--queue", "64") as running:
        def client(number):
            own = random.Random(number)
            while time.monotonic() < end and not wrong:
                index = own.randrange(len(texts))
                leaves = own.randrange(1, ANSWER // 2) if own.random() < 0.3 else None
                try:
                    text, _, _ = answered(running.address, request(model, texts[index], ANSWER, True), leaves)
                except Exception as error:
                    wrong.append(f"prompt {index}: {error}")
                    return
                counts["left" if text is None else "answered"] += 1
                if text is not None and text != alone[index]:
                    wrong.append(f"prompt {index}: {text!r} instead of {alone[index]!r}")

        threads = [threading.Thread(target=client, args=[number]) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"load: {clients} clients, {seconds} s, {counts['answered']} answers, {counts['left']} clients left, "
          f"{len(wrong)} wrong")
    assert not wrong, wrong[:3]
    assert counts["answered"] > 0 and counts["left"] > 0
    assert len(set(alone)) > 1, "all answers are the same, so the comparison shows nothing"


def reused(usage):
    return (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)


def converse(address, model, text, turns, report):
    """Extend a conversation by turns. Return its text and the times of the first tokens."""
    times = []
    for turn in turns:
        text += f"\nQ{turn}: {words(random.Random(turn), 120)}\nA: "
        answer, usage, first = answered(address, request(model, text, ANSWER, True))
        times.append(first)
        report(turn, usage, first)
        text += answer
    return text, times


def conversation(binary, model):
    # The question, the answer before it, and what the cache rounds off.
    most = 130 + 2 * ANSWER + AGAIN

    def report(turn, usage, first):
        total, cached = usage["prompt_tokens"], reused(usage)
        print(f"turn {turn:2}: {total:5} tokens, {cached:5} reused, first token after {first * 1000:.0f} ms")
        assert turn == 1 or total - cached <= most, f"turn {turn} computes {total - cached} tokens again"

    with tempfile.TemporaryDirectory() as folder:
        settings = {"XDG_DATA_HOME": folder}
        start = words(random.Random(3), 400)
        with server(binary, "--model", model, "--spill", "1GB", **settings) as running:
            text, times = converse(running.address, model, start, range(1, TURNS + 1), report)
        print(f"first token of turn {TURNS} over that of turn 2: {times[-1] / times[1]:.2f}")
        with server(binary, "--model", model, "--spill", "1GB", **settings) as running:
            print("after a restart:")
            converse(running.address, model, text, [TURNS + 1], report)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model
        if model is None:
            config = pathlib.Path(folder) / "config.json"
            config.write_text(json.dumps(CONFIG))
            model = f"{folder}/model"
            subprocess.run([arguments.binary, "bench", "model", "--synthetic", config, "--keep", model, "--no-run"],
                           check=True)
        conversation(arguments.binary, model)
        load(arguments.binary, model, arguments.seconds, arguments.clients)


if __name__ == "__main__":
    main()
