"""Answers of the scripted model, by what the user says."""

import json

from scripted import Script, answers, call

NAME = "scripted"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
ABOUT = "Tells the weather."
ZURICH = {"city": 'Zürich "west" 🦀', "days": 3}
BERN = {"city": "Bern", "days": 1}
SKY = "Because the air scatters blue light more than red."
BERN_REPORT = "It is 21 degrees in Bern."
REPORT = "It is 21 degrees in Zürich."
HELLO = "Hello, wörld! 🦀 I write\n\n* lists\n* and more."
PERSON = '{"name": "Zoë \\"Z\\"", "age": 41}'
# The answer to a complaint that the person is too young.
OLDER = PERSON.replace("41", "101")
# Text that has the marks of calls, with an unknown tool.
PATCH = '*** Begin Patch\n*** Update File: a.txt\n@@\n-"alpha"\n+\tbeta\\n <tool_call> é🦀\n*** End Patch\n'
# Tools that packages make of a type, to get its values as the arguments of a call: of OpenAI's client, instructor and
# LangChain, of the npm package `ai`, and of Pydantic AI.
FORM_TOOLS = ["Person", "PartialPerson", "json", "final_result"]


def form_calls(tool):
    """Returns calls of a tool with a person's values: first, and after a complaint about them."""
    offered = f'asked and tools and tools[-1].function.name == "{tool}"'
    return [Script(f'{offered} and asked == "person" and results == 0', call(tool, json.loads(PERSON))),
            Script(f'{offered} and (asked == "person" or "too young" in asked)', call(tool, json.loads(OLDER)))]


SCRIPTS = [
    *answers("hello", HELLO),
    # Of the guide.
    *answers("Why is the sky blue?", SKY),
    *answers("What is the weather in Bern?", call("weather", {"city": "Bern"}), BERN_REPORT),
    *answers("weather", "I look.\n" + call("weather", ZURICH), REPORT),
    # The text of a call alone.
    *answers("silent", call("weather", ZURICH), REPORT),
    *answers("both", call("weather", ZURICH) + "\n" + call("weather", BERN), "Half.", "Both are warm."),
    *answers("again", call("weather", ZURICH), call("weather", BERN), "Both are warm."),
    *answers("time", call("clock", {}), "It is noon."),
    *[script for tool in FORM_TOOLS for script in form_calls(tool)],
    Script("asked and 'too young' in asked", OLDER),
    Script("asked and 'person' in asked and '```json' in asked", f"```json\n{PERSON}\n```"),
    *answers("person", PERSON),
    *answers("call person", call("Person", {"name": "Zoë", "age": 41}), "Saved."),
    *answers("patch", call("apply_patch", {"input": PATCH}), "Patched."),
    *answers("mcp", call("mcp__files__read", {"path": "/a"}), "Read."),
    *answers("long", " ".join(f"number {count}," for count in range(60))),
]

# A model that thinks first, unless it is told not to.
THINKER = "thinker"
THOUGHT = 'I think "twice" 🦀.\n\nThen I speak.'
THINKS = "(enable_thinking is not defined or enable_thinking)"


def thoughtful(script):
    """Returns a script with thoughts and the script itself."""
    return [Script(f"({script.when}) and {THINKS}", f"<think>\n{THOUGHT}\n</think>\n\n{script.say}"), script]


THINKER_SCRIPTS = [thought for script in [
    *answers("hello", HELLO),
    *answers("again", call("weather", ZURICH), call("weather", BERN), "Both are warm."),
    *answers("both", call("weather", ZURICH) + "\n" + call("weather", BERN), "Half.", "Both are warm."),
    *answers("person", PERSON),
] for thought in thoughtful(script)]
