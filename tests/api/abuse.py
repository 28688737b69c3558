"""Hostile clients: the server stays within its limits, and keeps serving.

    abuse.py MLXK [SCHEMATHESIS]

With the path of schemathesis, it also runs that on the server's own description. The models are in a scratch
folder, because a client may delete them.
"""

import asyncio
import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time

from server import MODEL, call, memory_mb, server

PLACES = 700
# Routes that are not offered, need the network, or delete the models of the other requests.
LEFT_OUT = ["/api/embed", "/api/embeddings", "/api/push", "/api/pull", "/api/delete"]


async def ask(port, bytes_, limit=300):
    """Sends bytes on a new connection. Returns the first line of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(bytes_)
        await writer.drain()
        line = await asyncio.wait_for(reader.readline(), limit)
        await asyncio.wait_for(reader.read(), limit)
        return line.decode(errors="replace").strip()[:12] or "closed"
    except (ConnectionError, BrokenPipeError):
        return "reset"
    finally:
        writer.close()


def request(body, path="/v1/chat/completions"):
    text = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}connection: close\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()


async def many(port, count, make):
    """Sends `count` requests, at most PLACES at a time. Returns the number of times each status came back."""
    places = asyncio.Semaphore(PLACES)

    async def one(number):
        async with places:
            return await ask(port, make(number))

    return collections.Counter(await asyncio.gather(*map(one, range(count))))


async def hold(port, count, bytes_):
    """Opens connections that send a few bytes and wait."""
    held = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes_)
        held.append((reader, writer))
    return held


def health_ms(address):
    started = time.monotonic()
    status = call(address, "/health")[0]
    return f"{status} in {(time.monotonic() - started) * 1e3:.0f} ms"


async def run(address, pid):
    port = int(address.rsplit(":", 1)[1])
    chat = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    found = await many(port, 10_000, lambda number: request({**chat, "seed": number}))
    print(f"10,000 requests: {dict(found)}; {memory_mb(pid):.0f} MB", flush=True)
    assert set(found) <= {"HTTP/1.1 200", "HTTP/1.1 503"} and found["HTTP/1.1 200"] > 0, found
    started = time.monotonic()
    slow = await hold(port, PLACES, b"POST /v1/chat/completions HTTP/1.1\r\nhost: local")
    print(f"{PLACES} incomplete heads: /health {await asyncio.to_thread(health_ms, address)}", flush=True)
    await asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
    print(f"all closed after {time.monotonic() - started:.0f} s", flush=True)
    large = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 104857600\r\n\r\n"
    print(f"100 MB: {await ask(port, large)}", flush=True)
    draw = random.Random(1)
    noise = await many(port, 500, lambda number: draw.randbytes(draw.randint(1, 400)) + b"\r\n\r\n")
    print(f"500 requests of noise: {dict(noise)}", flush=True)
    assert set(noise) <= {"HTTP/1.1 400", "closed", "reset"}, noise
    bad = [b'{"messages": ' + b"[" * 20_000, b"\xff\xfe", b'{"a": "\\ud800"}', b'{"n": 1e400}', b"null"]
    for body in bad:
        head = f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        answer = await ask(port, head.encode() + body)
        assert answer == "HTTP/1.1 400", (body[:40], answer)
    print(f"afterwards: {await asyncio.to_thread(health_ms, address)}, {memory_mb(pid):.0f} MB", flush=True)
    assert (await ask(port, request(chat))) == "HTTP/1.1 200"


def main():
    binary = os.path.abspath(sys.argv[1])
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        folders = {"XDG_DATA_HOME": f"{scratch}/data", "HF_HUB_CACHE": f"{scratch}/hub"}
        if not os.path.isdir(MODEL):
            subprocess.run([binary, "pull", MODEL], check=True, env={**os.environ, **folders})
        arguments = ["--model", MODEL, "--no-pull", "--ctx", "96", "--log-level", "error"]
        address, pid = stack.enter_context(server(binary, *arguments, **folders))
        asyncio.run(run(address, pid))
        if len(sys.argv) > 2:
            checks = "not_a_server_error,status_code_conformance,content_type_conformance"
            command = [sys.argv[2], "run", f"{address}/openapi.json", "-c", checks, "--max-time", "200"]
            command += ["--request-timeout", "60"]
            command += [word for path in LEFT_OUT for word in ("--exclude-path", path)]
            command += ["-w", "4", "--suppress-health-check", "all", "--continue-on-failure"]
            subprocess.run(command, check=True, cwd=os.environ.get("TMPDIR", "/tmp"))


if __name__ == "__main__":
    main()
