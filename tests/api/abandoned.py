"""Hostile requests of clients that leave at once, next to plain requests: those are still answered.

    abandoned.py MLXK [COUNT]

Prints the times of plain requests before and during, and what is left at the end. The times are an indication only,
unless the machine is quiet and the binary is a release build.
"""

import contextlib
import json
import os
import random
import socket
import statistics
import sys
import threading
import time

from server import MODEL, call, memory_mb, server

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0}
# Clients that send hostile requests at the same time.
CLIENTS = 16


def chain(count):
    definitions = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(count)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{count}": {"type": "null"}}}


def strings(count):
    return {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(count)}}


def nested(keyword, count):
    schema = {"type": "null"}
    for _ in range(count):
        schema = {keyword: [schema, {"minLength": 1}]}
    return schema


SCHEMAS = [
    chain(250),
    chain(600),
    nested("allOf", 60),
    nested("anyOf", 60),
    strings(900),
    strings(4200),
    {"allOf": [{"anyOf": [strings(1)] * 10}] * 12},
    {"type": "integer", "multipleOf": 99999989},
    {"type": "integer", "multipleOf": 997},
    {"const": [1] * 100_000},
    {"enum": [f"value {i}" for i in range(3000)]},
    {"type": "string", "pattern": "^((a|b)*a(a|b){30}|(.*a){12})$"},
    {"type": "string", "minLength": 16_000},
    {"type": "array", "minItems": 9000, "items": {"type": "integer"}},
]


def hostile(draw):
    """Returns the bytes of a request, and the seconds for which the client stays."""
    asked = {**CHAT, "max_tokens": 200}
    asked["response_format"] = {"type": "json_object", "schema": draw.choice(SCHEMAS)}
    body = json.dumps(asked).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    complete = head + b"content-length: %d\r\n\r\n" % len(body) + body
    kind = draw.randrange(10)
    if kind < 6:
        return complete, draw.choice([0, 0, 0.1])
    if kind == 6:
        return complete[: len(complete) // 2], draw.choice([0, 2])
    if kind == 7:
        return complete[: draw.randrange(10, 90)], draw.choice([0, 2])
    if kind == 8:
        return head + b"content-length: 30000000\r\n\r\n" + b" " * 3_000_000, 0
    return head + b"content-length: 40000\r\n\r\n" + b'{"messages":' + b"[" * 39_000, 0.1


def abandon(port, seeds):
    for seed in seeds:
        bytes_, stay_s = hostile(random.Random(seed))
        # The server may refuse before everything is sent.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(bytes_)
            time.sleep(stay_s)


def plain_ms(address):
    started = time.monotonic()
    status, _, body = call(address, "/v1/chat/completions", CHAT)
    assert status == 200, (status, body)
    return (time.monotonic() - started) * 1e3


def run(address, pid, count):
    plain_ms(address)
    before = [plain_ms(address) for _ in range(30)]
    print(f"before: median {statistics.median(before):.0f} ms; {memory_mb(pid):.0f} MB", flush=True)
    port = int(address.rsplit(":", 1)[1])
    clients = [
        threading.Thread(target=abandon, args=(port, range(first, count, CLIENTS))) for first in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    during, most_mb = [], 0
    while any(client.is_alive() for client in clients):
        during.append(plain_ms(address))
        most_mb = max(most_mb, memory_mb(pid))
    print(
        f"during {count} abandoned requests: {len(during)} plain ones, median {statistics.median(during):.0f} ms, "
        f"longest {max(during):.0f} ms; up to {most_mb:.0f} MB",
        flush=True,
    )
    started = time.monotonic()
    schema = {"type": "json_object", "schema": {"enum": ["red", "green"]}}
    while call(address, "/v1/chat/completions", {**CHAT, "max_tokens": 20, "response_format": schema})[0] != 200:
        assert time.monotonic() - started < 60, "formats are not compiled any more"
    print(f"a format is compiled after {time.monotonic() - started:.1f} s", flush=True)
    assert call(address, "/health")[0] == 200
    assert all(model["requests"] == 0 for model in json.loads(call(address, "/models")[2])["data"])
    after = [plain_ms(address) for _ in range(30)]
    print(f"after: median {statistics.median(after):.0f} ms; {memory_mb(pid):.0f} MB", flush=True)


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    arguments = ["--model", MODEL, "--no-pull", "--ctx", "512", "--log-level", "error"]
    with server(os.path.abspath(sys.argv[1]), *arguments) as (address, pid):
        run(address, pid, count)


if __name__ == "__main__":
    main()
