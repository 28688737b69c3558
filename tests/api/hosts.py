"""A server that passes requests on to real hosts, asked by the official clients.

    hosts.py MLXK HOST...

A HOST is an address as in `mlxk server --backend`, such as `openai://127.0.0.1:8080/smollm2` for a llama-server. Every
client asks every host for the same greedy answer, at once and as a stream, and all have to get the same text with its
token counts. MLXK is the program; its server runs here.
"""

import sys

import anthropic
import ollama
import openai
from server import server

QUESTION = "Name the four seasons."
TOKENS = 24



def chat(address, model, streamed):
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0, timeout=300)
    more = {"stream_options": {"include_usage": True}} if streamed else {}
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=TOKENS,
        stream=streamed, **more)
    if not streamed:
        return answer.choices[0].message.content, answer.usage.completion_tokens, 1
    *pieces, last = list(answer)
    assert not last.choices and last.usage, last
    assert pieces[-1].choices[0].finish_reason in ("length", "stop"), pieces[-1]
    texts = [piece.choices[0].delta.content or "" for piece in pieces]
    return "".join(texts), last.usage.completion_tokens, sum(map(bool, texts))


def responses(address, model, streamed):
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0, timeout=300)
    answer = client.responses.create(model=model, input=QUESTION, temperature=0, max_output_tokens=TOKENS,
                                     stream=streamed)
    if not streamed:
        return answer.output_text, answer.usage.output_tokens, 1
    events = list(answer)
    assert events[-1].type in ("response.completed", "response.incomplete"), events[-1]
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    return "".join(texts), events[-1].response.usage.output_tokens, len(texts)


def messages(address, model, streamed):
    client = anthropic.Anthropic(base_url=address, api_key="any", max_retries=0, timeout=300)
    asked = {"model": model, "max_tokens": TOKENS, "extra_body": {"temperature": 0},
             "messages": [{"role": "user", "content": QUESTION}]}
    if not streamed:
        answer = client.messages.create(**asked)
        return answer.content[0].text, answer.usage.output_tokens, 1
    with client.messages.stream(**asked) as stream:
        texts = list(stream.text_stream)
        last = stream.get_final_message()
    assert last.stop_reason in ("max_tokens", "end_turn"), last
    return "".join(texts), last.usage.output_tokens, len(texts)


def ollamas(address, model, streamed):
    client = ollama.Client(host=address, timeout=300)
    answer = client.chat(model, [{"role": "user", "content": QUESTION}], stream=streamed,
                         options={"temperature": 0, "num_predict": TOKENS})
    if not streamed:
        return answer.message.content, answer.eval_count, 1
    pieces = list(answer)
    assert pieces[-1].done and pieces[-1].done_reason in ("length", "stop"), pieces[-1]
    texts = [piece.message.content for piece in pieces]
    return "".join(texts), pieces[-1].eval_count, sum(map(bool, texts))


def generate(address, model, streamed):
    client = ollama.Client(host=address, timeout=300)
    answer = client.generate(model, QUESTION, stream=streamed, options={"temperature": 0, "num_predict": TOKENS})
    if not streamed:
        return answer.response, answer.eval_count, 1
    pieces = list(answer)
    return "".join(piece.response for piece in pieces), pieces[-1].eval_count, len(pieces) - 1


CLIENTS = {"OpenAI chat": chat, "OpenAI Responses": responses, "Anthropic": messages, "Ollama chat": ollamas,
           "Ollama generate": generate}


def main():
    program, *hosts = sys.argv[1:]
    names = [f"host-{number}" for number in range(len(hosts))]
    backends = [f"--backend={name}={host}" for name, host in zip(names, hosts)]
    failures = 0
    with server(program, *backends) as router:
        for name, host in zip(names, hosts):
            found = {}
            for client, ask in CLIENTS.items():
                try:
                    whole, streamed = ask(router.address, name, False), ask(router.address, name, True)
                except Exception as error:  # every pair is tried
                    failures += 1
                    print(f"{host}: {client}: {type(error).__name__}: {error}")
                    continue
                assert whole[1] and streamed[1], f"{host}: {client}: no token counts: {whole} {streamed}"
                assert streamed[2] > 2, f"{host}: {client}: it does not stream: {streamed}"
                found[client] = {whole[0].strip(), streamed[0].strip()}
            texts = set().union(*found.values())
            same = "the same text for all" if len(texts) == 1 else f"{len(texts)} different texts: {texts}"
            print(f"{host}: {len(found)} of {len(CLIENTS)} clients, {same}")
            failures += len(texts) != 1
    if failures:
        sys.exit(f"{failures} failures")


if __name__ == "__main__":
    main()
