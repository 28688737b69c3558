"""Random schemas over HTTP: every answer matches its schema, according to the package `jsonschema`.

    schemas.py MLXK COUNT

Uses the starter model at a high temperature, with several requests at once.
"""

import json
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import jsonschema
from server import MODEL, call, server

CLIENTS = 8
FORMATS = ["date", "email", "ipv4", "uuid"]
CHECKER = jsonschema.FormatChecker(FORMATS)


def schema(draw, depth):
    """Returns a random schema whose answers are finite."""
    leaves = [
        lambda: {"type": draw.choice(["null", "boolean"])},
        lambda: {"type": "integer", "minimum": (low := draw.randint(-900, 900)), "maximum": low + draw.randint(0, 300)},
        lambda: {"type": "number", "exclusiveMinimum": 0, "maximum": draw.randint(1, 50)},
        lambda: {"type": "string", "minLength": (low := draw.randint(0, 4)), "maxLength": low + draw.randint(1, 12)},
        lambda: {"type": "string", "pattern": draw.choice(["^[a-c]{2}-[0-9]{1,3}$", "^(yes|no)$", "^[A-Z][a-z]{1,6}$"])},
        lambda: {"type": "string", "format": draw.choice(FORMATS), "maxLength": 60},
        lambda: {"enum": draw.sample(["red", 7, None, True, "ünï 🦀", 2.5, {"a": []}], 3)},
        lambda: {"const": draw.choice([{"a": [1, 2]}, "x\ny", 0, []])},
    ]
    if depth == 0:
        return draw.choice(leaves)()
    inner = lambda: schema(draw, depth - 1)
    branches = [
        lambda: {"type": "array", "items": inner(), "minItems": (low := draw.randint(0, 2)), "maxItems": low + draw.randint(0, 2)},
        lambda: {"type": "array", "prefixItems": [inner(), inner()], "items": False, "minItems": 2},
        lambda: {"anyOf": [inner(), inner()]},
        lambda: record(draw, depth),
        lambda: record(draw, depth),
    ]
    return draw.choice(leaves[1:] + 2 * branches)()


def record(draw, depth):
    names = draw.sample(["name", "with space", 'quote"d', "größe", "n", "a/b", "$ref "], draw.randint(1, 4))
    return {
        "type": "object",
        "properties": {name: schema(draw, depth - 1) for name in names},
        "required": [name for name in names if draw.random() < 0.7],
        "additionalProperties": False,
    }


def ask(address, index):
    draw = random.Random(index)
    form = record(draw, 2) if index % 3 else schema(draw, 2)
    if "properties" in form and draw.random() < 0.2:
        form["$defs"] = {"part": schema(draw, 1)}
        form["properties"]["part"] = {"$ref": "#/$defs/part"}
    asked = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Make something up."}],
        "max_tokens": 400,
        "temperature": 1.2,
        "seed": index,
        "response_format": {"type": "json_schema", "json_schema": {"name": "made", "strict": True, "schema": form}},
    }
    status, _, body = call(address, "/v1/chat/completions", asked)
    if status != 200:
        return "refused", f"{index}: {status} {body[:300]} for {json.dumps(form)}"
    choice = json.loads(body)["choices"][0]
    text = choice["message"]["content"]
    try:
        jsonschema.Draft202012Validator(form, format_checker=CHECKER).validate(json.loads(text))
    except (ValueError, jsonschema.ValidationError) as error:
        return "wrong", f"{index} ({choice['finish_reason']}): {text!r} for {json.dumps(form)}: {error}"
    return choice["finish_reason"], None


def main():
    binary, count = sys.argv[1], int(sys.argv[2])
    with server(binary, "--model", MODEL, "--no-pull") as running, ThreadPoolExecutor(CLIENTS) as clients:
        found = list(clients.map(lambda index: ask(running.address, index), range(count)))
    counts = Counter(kind for kind, _ in found)
    for _, problem in found:
        if problem:
            print(problem)
    print(", ".join(f"{kind} {number}" for kind, number in sorted(counts.items())))
    sys.exit(1 if counts["wrong"] or counts["refused"] else 0)


if __name__ == "__main__":
    main()
