"""Many clients at once: every answer is the one that it would be alone, nothing fails, memory stays flat.

    load.py MLXK SECONDS [CLIENTS]

Clients mix lengths, sampling parameters, streams and formats, and some disconnect midway.
"""

import http.client
import json
import random
import sys
import threading
import time
import urllib.parse

from server import MODEL, call, memory_mb, server


def requests(count, seed):
    draw = random.Random(seed)
    words = "river stone letter garden window music yellow paper engine silent".split()
    for index in range(count):
        asked = {
            "model": MODEL,
            "messages": [{"role": "user", "content": " ".join(draw.choices(words, k=draw.randint(1, 120)))}],
            "max_tokens": draw.randint(1, 60),
            "temperature": draw.choice([0, 0.7, 1.2]),
            "top_k": draw.choice([0, 40]),
            "repetition_penalty": draw.choice([1, 1.1]),
            "seed": index,
        }
        if index % 7 == 3:
            asked["response_format"] = {"type": "json_object"}
        if index % 5 == 1:
            asked["stop"] = ["e "]
        yield asked


def answer(address, asked):
    status, _, body = call(address, "/v1/chat/completions", asked)
    assert status == 200, body
    choice = json.loads(body)["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def streamed(address, asked, leave_after=None):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=600)
    body = json.dumps({**asked, "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    text, reason, count = "", None, 0
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        assert "error" not in event, event
        choice = event["choices"][0]
        text += choice["delta"].get("content") or ""
        reason = choice["finish_reason"] or reason
        count += 1
        if leave_after is not None and count > leave_after:
            break
    connection.close()
    return text, reason


def main():
    binary, seconds = sys.argv[1], float(sys.argv[2])
    clients = int(sys.argv[3]) if len(sys.argv) > 3 else 32
    asked = list(requests(48, 5))
    with server(binary, "--model", MODEL, "--no-pull") as (address, pid):
        alone = [answer(address, one) for one in asked]
        print(f"{len(alone)} answers alone", flush=True)
        end = time.monotonic() + seconds
        counts, slowest_health, wrong, lock = {}, [0.0], [], threading.Lock()

        def client(number):
            draw = random.Random(number)
            while time.monotonic() < end and not wrong:
                index = draw.randrange(len(asked))
                kind = draw.choice(["whole", "stream", "stream", "leave"])
                try:
                    if kind == "whole":
                        found = answer(address, asked[index])
                    elif kind == "stream":
                        found = streamed(address, asked[index])
                    else:
                        streamed(address, asked[index], draw.randint(0, 6))
                        found = alone[index]
                    if found != alone[index]:
                        wrong.append((asked[index], found, alone[index]))
                except Exception as error:
                    wrong.append((asked[index], repr(error)))
                with lock:
                    counts[kind] = counts.get(kind, 0) + 1

        def probe():
            while time.monotonic() < end:
                started = time.monotonic()
                assert call(address, "/health")[0] == 200
                slowest_health[0] = max(slowest_health[0], time.monotonic() - started)
                time.sleep(0.1)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        threads.append(threading.Thread(target=probe))
        for thread in threads:
            thread.start()
        memory = []
        while time.monotonic() < end:
            time.sleep(max(0.1, min(seconds / 10, 30)))
            memory.append(round(memory_mb(pid)))
        for thread in threads:
            thread.join()
        time.sleep(1)
        left = json.loads(call(address, "/models")[2])["data"][0]["requests"]
        print(f"{clients} clients, {seconds:.0f} s: {counts}, {len(wrong)} wrong")
        print(f"memory in MB: {memory}; slowest /health {slowest_health[0] * 1e3:.0f} ms")
        print(f"requests left: {left}")
        for one in wrong[:5]:
            print(one)
        assert not wrong and left == 0


if __name__ == "__main__":
    main()
