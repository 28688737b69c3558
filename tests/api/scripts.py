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
REPORT = "It is 21 degrees in Zürich."
HELLO = "Hello, wörld! 🦀 I write\n\n* lists\n* and more."
PERSON = '{"name": "Zoë \\"Z\\"", "age": 41}'
# Text that has the marks of calls, with an unknown tool.
PATCH = '*** Begin Patch\n*** Update File: a.txt\n@@\n-"alpha"\n+\tbeta\\n <tool_call> é🦀\n*** End Patch\n'
# Tools that packages make of a type, to get its values as the arguments of a call: of OpenAI's client, instructor and
# LangChain, of the npm package `ai`, and of Pydantic AI.
FORM_TOOLS = ["Person", "json", "final_result"]

SCRIPTS = [
    *answers("hello", HELLO),
    *answers("weather", "I look.\n" + call("weather", ZURICH), REPORT),
    # The text of a call alone.
    *answers("silent", call("weather", ZURICH), REPORT),
    *answers("both", call("weather", ZURICH) + "\n" + call("weather", BERN), "Half.", "Both are warm."),
    *answers("again", call("weather", ZURICH), call("weather", BERN), "Both are warm."),
    *answers("time", call("clock", {}), "It is noon."),
    *[Script(f'asked == "person" and tools and tools[-1].function.name == "{tool}"', call(tool, json.loads(PERSON)))
      for tool in FORM_TOOLS],
    *answers("person", PERSON),
    *answers("call person", call("Person", {"name": "Zoë", "age": 41}), "Saved."),
    *answers("patch", call("apply_patch", {"input": PATCH}), "Patched."),
    *answers("mcp", call("mcp__files__read", {"path": "/a"}), "Read."),
    *answers("long", " ".join(f"number {count}," for count in range(60))),
]
