"""A session of a coding agent: twelve requests, each with everything that was said before.

    session.py MLXK [DIALECT...] [--tokens N] [--ctx N]

DIALECT is `messages` (the default), `responses` or `chat`. `--tokens` is the length of the first prompt. Prints, for
each request, the tokens of its prompt, those that are new since the last request, and those that were computed. After
the first request, at most 3 % of a prompt may be computed, also after a restart with `--spill`.

The agent behaves like Claude Code, Codex or opencode: it changes a line of its system prompt and a counter of tokens on
every request, marks other blocks for the cache, adds reminders, and asks for a title in between. What it says was
recorded, so the answers of the model don't matter. MLXK_TEST_MODEL names the model, which has to know tools. By default
it is a scripted one (see `scripted.py`).
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import tempfile
import time
import urllib.parse
from typing import NamedTuple

import scripted
from server import call, server

SCRIPTED = "scripted"
MODEL = os.environ.get("MLXK_TEST_MODEL", SCRIPTED)
REQUESTS = 12
MAX_TOKENS = 30
# Most tokens that may be computed after the first request, as a part of the prompt.
MOST = 0.03
# Tokens of an earlier prompt that may be computed again: the mark of an answer, and what the cache rounds off.
AGAIN = 64
SESSION = "0b7d6f0e-52a1-4f7a-9c64-1f2d3a4b5c6d"

NAMES = """Bash Read Edit Write Glob Grep Task TodoWrite WebFetch NotebookEdit ExitPlanMode BashOutput KillShell
Skill SlashCommand mcp__files__list mcp__files__move mcp__issues__search mcp__issues__comment
mcp__docs__lookup""".split()
WORDS = """file line path command output search pattern folder change test error build branch commit review function
module value option default user project absolute relative timeout result description string number required edit
replace exact match multiple parallel never always before after only unless instead prefer read write
list""".split()


class Use(NamedTuple):
    """A call of a tool that the agent made, with its result."""

    id: str
    text: str
    name: str
    arguments: dict
    result: str


class Count(NamedTuple):
    """Tokens and time of a request."""

    prompt: int
    cached: int
    first_ms: float

    @property
    def computed(self):
        return self.prompt - self.cached


def prose(draw, count):
    """Returns sentences with this many words."""
    words = draw.choices(WORDS, k=count)
    for at in range(0, count, 11):
        words[at] = words[at].capitalize()
        words[at - 1] += "."
    return " ".join(words)


def code(draw, lines):
    """Returns a file as the tool `Read` shows it."""
    names = draw.choices(WORDS, k=2 * lines)
    return "\n".join(f"{at + 1:6}→    let {names[2 * at]}_{at} = {names[2 * at + 1]}(&{draw.randint(0, 9999)});"
                     for at in range(lines))


def tools(words):
    """Returns names, descriptions and schemas. Each description has this many words."""
    draw = random.Random(1)
    kinds = [{"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}, {"enum": ["content", "count"]},
             {"type": "array", "items": {"type": "string"}}]
    found = []
    for name in NAMES:
        fields = draw.sample(WORDS, 4)
        properties = {field: {**draw.choice(kinds), "description": prose(draw, 14)} for field in fields}
        # Keys are in the order in which clients of different languages send them.
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": False,
                  "required": fields[:2], "properties": {**properties, "path": {"type": "string"}}}
        found.append((name, prose(draw, words), schema))
    return found


def record(count, lines):
    """Returns the calls of a session. Their results have about this many lines."""
    draw = random.Random(2)
    uses = []
    for number in range(count):
        name = NAMES[number % 4]
        arguments = {"path": f"/project/src/{draw.choice(WORDS)}.rs", "pattern": 'let x = "a\\tb";\n\t// ü 🦀'}
        uses.append(Use(f"toolu_{number:024}", f"I look at step {number}. {prose(draw, 9)}", name, arguments,
                        code(draw, lines + number % 3)))
    return uses


class Session:
    """What an agent sends. `words` is the length of its instructions, and of the descriptions of its tools."""

    def __init__(self, words):
        self.instructions = prose(random.Random(3), words)
        self.tools = tools(words // len(NAMES))
        # Results are short, so that what is new is a small part of a prompt.
        self.uses = record(REQUESTS + 1, words // 1200)

    def reminder(self, number):
        about = prose(random.Random(number), 20)
        return f"<system-reminder>\nThe list of tasks has {number} entries. {about}\n</system-reminder>"

    def first(self):
        return (f"<system-reminder>\nToday is Monday. {prose(random.Random(4), 60)}\n</system-reminder>",
                "Rename the function in all files, then run the tests.")

    def messages(self, number):
        """Returns the body of request `number` in Anthropic's dialect, as Claude Code sends it."""
        turns = [{"role": "user", "content": [{"type": "text", "text": text} for text in self.first()]}]
        for at, use in enumerate(self.uses[:number]):
            called = {"type": "tool_use", "id": use.id, "name": use.name, "input": use.arguments}
            result = {"type": "tool_result", "tool_use_id": use.id,
                      "content": use.result if at % 2 else [{"type": "text", "text": use.result}]}
            turns.append({"role": "assistant", "content": [{"type": "text", "text": use.text}, called]})
            told = [result, {"type": "text", "text": self.reminder(at)}] if at % 4 == 3 else [result]
            turns.append({"role": "user", "content": told})
        # The two last turns of the user are marked, so the marks move with every request.
        for turn in [turn for turn in turns if turn["role"] == "user"][-2:]:
            turn["content"][-1]["cache_control"] = {"type": "ephemeral"}
        turns.append({"role": "system", "content": f"<total_tokens>{200_000 - 31 * number} tokens left</total_tokens>"})
        attribution = f"cc_version=2.1.{number}; cc_entrypoint=cli; cch={number * 7919:05x};"
        blocks = [f"x-anthropic-billing-header: {attribution}", "You are a coding agent.", self.instructions]
        system = [{"type": "text", "text": text} for text in blocks]
        system[-1]["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
        offered = [{"name": name, "description": about, "input_schema": schema} for name, about, schema in self.tools]
        user = json.dumps({"device_id": "d", "session_id": SESSION})
        return {"model": "claude-sonnet-4-5", "max_tokens": MAX_TOKENS, "stream": True, "temperature": 0,
                "system": system, "messages": turns, "tools": offered, "metadata": {"user_id": f"user_{user}"},
                "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}

    def responses(self, number):
        """Returns the body of request `number` in OpenAI's newer dialect, as Codex sends it."""
        def said(role, kind, *texts):
            return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in texts]}

        items = [said("developer", "input_text", "Sandbox: workspace-write."),
                 said("user", "input_text", *self.first())]
        for use in self.uses[:number]:
            items += [said("assistant", "output_text", use.text),
                      {"type": "function_call", "call_id": use.id, "name": use.name,
                       "arguments": json.dumps(use.arguments)},
                      {"type": "function_call_output", "call_id": use.id, "output": use.result}]
        offered = [{"type": "function", "name": name, "description": about, "strict": False, "parameters": schema}
                   for name, about, schema in self.tools]
        return {"model": MODEL, "instructions": self.instructions, "input": items,
                "tools": [*offered, {"type": "web_search"}], "tool_choice": "auto", "parallel_tool_calls": True,
                "store": False, "stream": True, "temperature": 0, "max_output_tokens": MAX_TOKENS,
                "include": ["reasoning.encrypted_content"], "prompt_cache_key": SESSION}

    def chat(self, number):
        """Returns the body of request `number` in OpenAI's chat dialect, as opencode sends it."""
        turns = [{"role": "system", "content": self.instructions},
                 {"role": "user", "content": [{"type": "text", "text": text} for text in self.first()]}]
        for use in self.uses[:number]:
            function = {"name": use.name, "arguments": json.dumps(use.arguments)}
            turns += [{"role": "assistant", "content": use.text,
                       "tool_calls": [{"id": use.id, "type": "function", "function": function}]},
                      {"role": "tool", "tool_call_id": use.id, "content": use.result}]
        offered = [{"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
                   for name, about, schema in self.tools]
        return {"model": MODEL, "messages": turns, "tools": offered, "tool_choice": "auto", "max_tokens": MAX_TOKENS,
                "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}


PATHS = {"messages": "/v1/messages", "responses": "/v1/responses", "chat": "/v1/chat/completions"}
COUNT_PATHS = {"messages": "/v1/messages/count_tokens", "responses": "/v1/responses/input_tokens",
               "chat": "/v1/chat/completions/input_tokens"}


def usage(dialect, event):
    """Returns the tokens of a prompt, and those from the cache, or `None` if an event doesn't say so."""
    if dialect == "messages" and event.get("type") == "message_delta":
        found = event["usage"]
        return found["input_tokens"] + found["cache_read_input_tokens"], found["cache_read_input_tokens"]
    if dialect == "responses" and event.get("type") in ["response.completed", "response.incomplete"]:
        found = event["response"]["usage"]
        return found["input_tokens"], found["input_tokens_details"]["cached_tokens"]
    if dialect == "chat" and event.get("usage"):
        found = event["usage"]
        return found["prompt_tokens"], found["prompt_tokens_details"]["cached_tokens"]
    return None


def has_output(dialect, event):
    """Returns `true` if an event has text or a part of a call."""
    if dialect == "chat":
        return any(choice["delta"].get("content") or choice["delta"].get("tool_calls") for choice in event["choices"])
    return event["type"].endswith("delta") and event["type"] != "message_delta"


def ask(address, dialect, body):
    """Sends a streamed request. Returns what it cost."""
    headers = {"content-type": "application/json", "x-api-key": "none", "anthropic-version": "2023-06-01",
               "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
               "x-claude-code-session-id": SESSION, "session_id": SESSION}
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=3600)
    begin, first, found = time.monotonic(), None, None
    connection.request("POST", PATHS[dialect], json.dumps(body), headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    for line in response:
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            assert event.get("type") != "error" and "error" not in event, event
            if first is None and has_output(dialect, event):
                first = time.monotonic()
            found = usage(dialect, event) or found
    connection.close()
    return Count(*found, ((first or time.monotonic()) - begin) * 1e3)


def count(address, dialect, body):
    status, _, answer = call(address, COUNT_PATHS[dialect], {**body, "stream": False})
    assert status == 200, answer
    return json.loads(answer)["input_tokens"]


def sized(address, dialect, tokens):
    """Returns a session whose first prompt has about this many tokens."""
    words = 600
    for _ in range(4):
        session = Session(words)
        found = count(address, dialect, getattr(session, dialect)(0))
        if abs(found - tokens) < tokens / 100:
            break
        # Instructions and descriptions have about a token and a quarter per word.
        words = max(len(NAMES), words + round((tokens - found) / 2.5))
    return session


def side_request(address, dialect):
    """Asks for a title, as agents do next to the session, without tools."""
    asked = {"model": MODEL, "max_tokens": 8, "temperature": 0,
             "messages": [{"role": "user", "content": "Write a title of three words: rename a function in all files."}]}
    path = PATHS["messages" if dialect == "messages" else "chat"]
    assert call(address, path, asked)[0] == 200


def check(what, cost, before):
    """Prints a request, and checks what it computed. `before` is the length of the prompt before it."""
    new = cost.prompt - before
    part = cost.computed / cost.prompt
    print(f"{what:>8} {cost.prompt:7} {new:6} {cost.computed:9} {part:8.2%} {cost.first_ms:9.0f}", flush=True)
    if before == 0:
        return []
    problems = [f"computes {part:.2%} of the prompt"] if part > MOST else []
    if cost.computed > new + AGAIN:
        problems.append(f"computes {cost.computed} tokens, but {new} are new")
    return [f"request {what} {problem}" for problem in problems]


def settle(folder):
    """Waits until an idle server has written its prompts to disk."""
    names, before = [], None
    while not names or names != before:
        time.sleep(7)
        names, before = sorted(path.name for path in folder.iterdir()), names


def run(binary, dialect, tokens, context):
    """Returns what went wrong."""
    problems = []
    print(f"{dialect}\n request  prompt    new  computed  of prompt  first ms", flush=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("MLXK_TEST_FOLDER")) as data:
        environment = {"XDG_DATA_HOME": data}
        if MODEL == SCRIPTED:
            environment["MLXK_WORKSPACE_HOME"] = f"{data}/models"
            scripted.write(f"{data}/models/{SCRIPTED}", [scripted.Script("true", "I work on it.")], " ".join(WORDS))
        arguments = ["--model", MODEL, "--no-pull", "--spill", "8GB", "--ctx", str(context)]
        with server(binary, *arguments, **environment) as running:
            session = sized(running.address, dialect, tokens)
            before = 0
            for number in range(REQUESTS):
                cost = ask(running.address, dialect, getattr(session, dialect)(number))
                problems += check(str(number + 1), cost, before)
                before = cost.prompt
                if number in [0, 5]:
                    side_request(running.address, dialect)
            settle(pathlib.Path(data) / "mlxk/prefixes")
        print("restart", flush=True)
        with server(binary, *arguments, **environment) as running:
            for number in [REQUESTS - 1, REQUESTS]:
                cost = ask(running.address, dialect, getattr(session, dialect)(number))
                problems += check(str(number + 1), cost, before)
                before = cost.prompt
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("dialects", nargs="*", default=["messages"])
    parser.add_argument("--tokens", type=int, default=25_000)
    parser.add_argument("--ctx", type=int, default=32_768)
    given = parser.parse_args()
    problems = []
    for dialect in given.dialects:
        found = run(given.binary, dialect, given.tokens, given.ctx)
        problems += [f"{dialect}: {problem}" for problem in found]
    assert not problems, "\n".join(problems)


if __name__ == "__main__":
    main()
