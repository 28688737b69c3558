"""The package instructor in all its modes, with OpenAI's and Anthropic's clients.

    instructor_client.py ADDRESS

The server has to have the scripted model (see `scripts.py`).
"""

import json
import logging
import sys
import typing

import anthropic
import openai
import pydantic

from scripts import NAME, OLDER, PERSON
from skips import need

LONG = "😀" * 300_000


class Person(pydantic.BaseModel):
    name: str
    age: int


class Old(Person):
    """A rule that no schema can say."""

    @pydantic.field_validator("age")
    @classmethod
    def check_age(cls, age):
        if age < 100:
            raise ValueError("too young")
        return age


# The scripts know the tool by this name.
Old.__name__ = "Person"


def openai_client(address, mode):
    import instructor

    return instructor.from_openai(openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0), mode=mode)


def anthropic_client(address, mode):
    import instructor

    client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
    return instructor.from_anthropic(client, mode=mode)


# Makers of clients, with the names of their modes.
MODES = {
    openai_client: ["TOOLS", "TOOLS_STRICT", "FUNCTIONS", "PARALLEL_TOOLS", "JSON", "JSON_O1", "MD_JSON", "JSON_SCHEMA",
                    "RESPONSES_TOOLS", "RESPONSES_TOOLS_WITH_INBUILT_TOOLS"],
    anthropic_client: ["ANTHROPIC_TOOLS", "ANTHROPIC_REASONING_TOOLS", "ANTHROPIC_JSON", "JSON_SCHEMA",
                       "ANTHROPIC_PARALLEL_TOOLS"],
}


def asked(text="person", form=Person, **more):
    return {"model": NAME, "messages": [{"role": "user", "content": text}], "max_tokens": 400,
            "response_model": form, **more}


def check_values(client):
    assert client.create(**asked()).model_dump() == json.loads(PERSON)
    value, answer = client.create_with_completion(**asked())
    assert value.model_dump() == json.loads(PERSON) and answer.usage


def check_stream(client):
    pieces = [piece.model_dump() for piece in client.create_partial(**asked())]
    assert pieces[-1] == json.loads(PERSON) != pieces[0], pieces


def check_retries(client):
    """The package answers a wrong value with what is wrong about it."""
    assert client.create(**asked(form=Old, max_retries=1)).model_dump() == json.loads(OLDER)


def check_parallel(client):
    assert [one.model_dump() for one in client.create(**asked(form=typing.Iterable[Person]))] == [json.loads(PERSON)]


def check_errors(client):
    from instructor.core import InstructorRetryException

    form = typing.Iterable[Person] if "parallel" in client.mode.value else Person
    for text, model, status in [("person", "nosuch", 404), (LONG, NAME, 400)]:
        try:
            client.create(**asked(text, form, max_retries=0) | {"model": model})
        except InstructorRetryException as error:
            assert error.__cause__.status_code == status, error
        else:
            raise AssertionError("it was answered")


def run(address, quick=False):
    need("instructor")
    import instructor

    # The package logs the errors that it raises.
    logging.getLogger("instructor").setLevel(logging.CRITICAL)
    for make, modes in MODES.items():
        for mode in modes:
            client = make(address, instructor.Mode[mode])
            checks = [check_parallel] if "PARALLEL" in mode else [check_values, check_stream, check_retries]
            for check in [*checks, check_errors]:
                check(client)
            print(f"instructor: {make.__name__}, {mode}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1])
