"""A server whose models do what a message says, for tests of the page.

The page itself comes from a real server (`files` returns a path's response), and it also lays out reports. The routes that the page uses are answered
here, because no small model thinks, takes images, fails midway or writes 10,000 tokens when a test needs it.
"""

import base64
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTEXT = 32768
# A proxy may show the server below a path.
PREFIX = "/below/a/path"
MODELS = {
    "org/Plain-1B-4bit": ["completion", "tools"],
    "org/Thinker-2B-4bit": ["completion", "tools", "thinking"],
    "org/Viewer-3B-4bit": ["completion", "vision"],
    "org/Embedder": ["embedding"],
}
HELLO = "Hello! I am a **scripted** model."
CODE = '''Here is a function:

```python
def add(a, b):
    """Returns the sum."""
    return a + b
```

It has one line.

| name | value |
|:-----|------:|
| a    |     1 |
| b    |     2 |

1. First
   - nested
2. Second

> A quote with `code` and a [link](https://example.com).
'''
THOUGHT = "The user wants to see me think.\n\nSo I think in two paragraphs."
# Everything that could run or fetch something if it became markup.
HOSTILE = '''<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 2">

[click](javascript:window.hacked=3) ![picture](https://example.com/x.png) [data](data:text/html,x)

<iframe src="https://example.com"></iframe>

```html
<script>window.hacked = 4</script>
```
'''


def long_text(tokens):
    """Returns Markdown of about this many tokens: prose, lists, tables and code."""
    words = "the quick model writes one more sentence about pages and tokens for you".split()
    parts, count, number = [], 0, 0
    while count < tokens:
        number += 1
        sentence = " ".join(words[(number + at) % len(words)] for at in range(40)) + "."
        parts += [f"## Part {number}\n\n", f"{sentence} **Bold** and `code`.\n\n",
                  "".join(f"{at}. item {at} of part {number}\n" for at in range(1, 9)) + "\n"]
        if number % 3 == 0:
            parts.append("```js\n" + "".join(f"const value{at} = compute({at}, {number});\n" for at in range(30)) + "```\n\n")
        if number % 4 == 0:
            parts.append("| a | b |\n|---|---|\n" + "".join(f"| {at} | {at * number} |\n" for at in range(8)) + "\n")
        count = len(pieces("".join(parts)))
    return "".join(parts)


def pieces(text):
    """Cuts a text into pieces of the size of tokens."""
    return re.findall(r"\s?\w{1,6}|\s+|[^\w\s]", text)


class Server(ThreadingHTTPServer):
    """Browsers that leave are no errors."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Peer:
    """A running server. `asked` has the bodies of all chats."""

    def __init__(self, files, key=None, may_change=True):
        self.files, self.key, self.may_change = files, key, may_change
        self.asked, self.loaded, self.pulled = [], {}, []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                peer.get(self)

            def do_POST(self):
                peer.post(self)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()

    def get(self, handler):
        path = handler.path.split("?")[0].removeprefix(PREFIX)
        if path == "/" or path.startswith("/page/"):
            status, headers, body = self.files(path, dict(handler.headers))
            return self.send(handler, status, body, headers)
        if not self.permits(handler):
            return None
        names = [*MODELS, *self.pulled]
        kinds = {name: MODELS.get(name, ["completion"]) for name in names}
        found = {
            "/health": {"status": "healthy", "version": "0.1.0", "uptime_s": 4000},
            "/props": {"may_change_models": self.may_change},
            "/models": {"data": list(self.loaded.values())},
            "/v1/models": {"data": [{"id": name, "created": 1.7e9, "context_length": CONTEXT, "capabilities": ["chat"]}
                                    for name in names]},
            "/api/tags": {"models": [{"name": f"{name}:latest", "size": 812_000_000, "capabilities": kinds[name],
                                      "details": {"parameter_size": "1.5B", "quantization_level": "int4",
                                                  "family": "llama"}} for name in names]},
        }.get(path)
        return self.send_json(handler, 200 if found else 404, found or problem(f"There is no `GET {path}`"))

    def permits(self, handler):
        if self.key is None or handler.headers.get("authorization") == f"Bearer {self.key}":
            return True
        length = int(handler.headers.get("content-length") or 0)
        handler.rfile.read(length)
        self.send_json(handler, 401, problem("The API key is wrong"))
        return False

    def post(self, handler):
        if not self.permits(handler):
            return None
        text = handler.rfile.read(int(handler.headers["content-length"]))
        path = handler.path.removeprefix(PREFIX)
        if path == "/bench/report":
            status, headers, answer = self.files(path, dict(handler.headers), text)
            return self.send(handler, status, answer, headers)
        body = json.loads(text)
        routes = {"/models/load": self.load, "/models/unload": self.unload, "/api/pull": self.pull,
                  "/v1/chat/completions": self.chat}
        return routes[path](handler, body)

    def load(self, handler, body):
        time.sleep(0.3)
        self.loaded[body["model"]] = {"id": body["model"], "context": CONTEXT, "weights_bytes": 800_000_000,
                                      "kv_bytes": 12_000_000, "device": "cpu", "requests": 0, "expires_in_s": 290}
        self.send_json(handler, 200, {"success": True})

    def unload(self, handler, body):
        self.loaded.pop(body["model"], None)
        self.send_json(handler, 200, {"success": True})

    def pull(self, handler, body):
        name = body["model"]
        self.begin(handler, "application/x-ndjson")
        if "absent" in name:
            return self.finish(handler, json.dumps({"error": f"The hub has no model `{name}`"}) + "\n")
        total = 50_000_000
        try:
            self.progress(handler, name, total)
            self.pulled.append(name)
            self.finish(handler, '{"status": "success"}\n')
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        return None

    def progress(self, handler, name, total):
        self.part(handler, '{"status": "pulling manifest"}\n')
        for step in range(11):
            self.part(handler, json.dumps({"status": "pulling", "total": total, "completed": total // 10 * step}) + "\n")
            time.sleep(0.2 if "slow" in name else 0.03)

    def chat(self, handler, body):
        self.asked.append(body)
        text, thought, pause, fails = answer(body)
        self.begin(handler, "text/event-stream")

        def event(value):
            self.part(handler, f"data: {json.dumps(value)}\n\n")

        def delta(**fields):
            event({"choices": [{"index": 0, "delta": fields, "finish_reason": None}], "usage": None})

        delta(role="assistant", content="")
        written = 0
        try:
            for field, words in [("reasoning_content", thought), ("content", text)]:
                for piece in pieces(words):
                    if fails and written == 5:
                        event(problem("The model ran out of memory"))
                        return self.finish(handler, "data: [DONE]\n\n")
                    delta(**{field: piece})
                    written += 1
                    if pause:
                        time.sleep(pause)
            prompt = sum(len(pieces(str(message["content"]))) for message in body["messages"])
            event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None,
                   "timings": {"predicted_per_second": 31.4, "prompt_per_second": 415.9}})
            event({"choices": [], "usage": {
                "prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written,
                "prompt_tokens_details": {"cached_tokens": prompt // 2},
                "completion_tokens_details": {"reasoning_tokens": len(pieces(thought))}}})
            return self.finish(handler, "data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
            return None

    def begin(self, handler, kind):
        handler.send_response(200)
        handler.send_header("content-type", kind)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()

    def part(self, handler, text):
        data = text.encode()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.flush()

    def finish(self, handler, text):
        self.part(handler, text)
        handler.wfile.write(b"0\r\n\r\n")

    def send_json(self, handler, status, value):
        self.send(handler, status, json.dumps(value).encode(), {"content-type": "application/json"})

    def send(self, handler, status, body, headers):
        handler.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "date", "connection", "transfer-encoding"):
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def problem(text):
    return {"error": {"message": text}}


def answer(body):
    """Returns the text, the reasoning, the pause between pieces, and if the answer fails."""
    last = body["messages"][-1]
    content = last["content"]
    asked = content if isinstance(content, str) else next((it["text"] for it in content if it["type"] == "text"), "image")
    if last["role"] == "assistant":
        return " And on it goes.", "", 0, False
    if body.get("response_format"):
        return '{"name": "Zoë"}', "", 0, False
    if found := re.match(r"long (\d+)(?: pause ([\d.]+))?", asked):
        return long_text(int(found[1])), "", float(found[2] or 0), False
    if asked.startswith("image"):
        kinds = [it["image_url"]["url"].split(";")[0] for it in content if it["type"] == "image_url"]
        sizes = [len(base64.b64decode(it["image_url"]["url"].split(",")[1])) for it in content if it["type"] == "image_url"]
        return f"I see {len(kinds)} of {kinds[0]} with {sizes[0] > 50}.", "", 0, False
    texts = {"code": CODE, "hostile": HOSTILE, "slow": " ".join(f"word{at}" for at in range(200)), "think": "So I answer."}
    return (texts.get(asked, f"{HELLO} You said: {asked}"), THOUGHT if asked == "think" else "",
            0.05 if asked == "slow" else 0, asked == "fail")
