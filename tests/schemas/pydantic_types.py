"""Writes the JSON Schemas of 40 types that pydantic emits, with instances that it made itself.

    pydantic_types.py > crates/engine/tests/fixtures/schemas/pydantic.json

Needs pydantic 2. An instance comes from a value by `model_dump(mode="json")`; invalid ones are refused by pydantic.
"""

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union
from uuid import UUID

from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, StringConstraints, TypeAdapter, conint, conlist
from typing_extensions import TypedDict


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Item(BaseModel):
    """Something to buy."""

    name: str
    price: float = Field(gt=0, description="In euros")
    tags: list[str] = []


class Order(BaseModel):
    id: int
    items: list[Item]
    note: Optional[str] = None


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool = True


class Pet(BaseModel):
    pet: Union[Cat, Dog] = Field(discriminator="kind")


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int


class Aliased(BaseModel):
    user_name: str = Field(alias="userName", min_length=1, max_length=8, examples=["ann"])


class Derived(Item):
    stock: int = Field(ge=0, le=999, json_schema_extra={"x-unit": "pieces"})


class Point(NamedTuple):
    x: int
    y: int


class Movie(TypedDict, total=False):
    title: str
    year: int


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    entries: list[T]
    next: Optional[int] = None


class Linked(BaseModel):
    head: Node
    color: Color = Color.RED


CODE = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-\d{3}$")]

# Name, type, values, invalid instances.
TYPES = [
    ("a string", str, ["a", "ü\n"], [1]),
    ("an integer", int, [0, -12], [1.5, "1"]),
    ("a float", float, [0.5, -1.0], ["x"]),
    ("a boolean", bool, [True], [1]),
    ("nothing", type(None), [None], [0]),
    ("bytes", bytes, [b"ab"], [1]),
    ("a decimal", Decimal, [Decimal("1.5")], [[]]),
    ("a date", date, [date(2024, 2, 29)], ["2023-02-29"]),
    ("a moment", datetime, [datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)], ["2024-05-06"]),
    ("a time", time, [time(7, 8, 9, tzinfo=timezone.utc)], ["25:00:00Z"]),
    ("a duration", timedelta, [timedelta(days=1, hours=2)], ["1 day"]),
    ("a UUID", UUID, [UUID(int=7)], ["7"]),
    ("an IPv4 address", IPv4Address, [IPv4Address("127.0.0.1")], ["127.0.0.256"]),
    ("a URL", AnyUrl, [AnyUrl("https://example.com/a?b=c")], ["no url"]),
    ("an enum", Color, [Color.BLUE], ["green"]),
    ("an integer enum", Level, [Level.HIGH], [3]),
    ("literals of several types", Literal["a", 1, True, None], ["a", 1, None], ["b", 2]),
    ("a pattern", CODE, ["AB-123"], ["ab-123", "AB-1234"]),
    ("a bounded integer", conint(ge=1, lt=10, multiple_of=3), [3, 9], [0, 4, 12]),
    ("a bounded list", conlist(int, min_length=1, max_length=2), [[1], [1, 2]], [[], [1, 2, 3]]),
    ("a dictionary", dict[str, int], [{}, {"a": 1}], [{"a": "b"}]),
    ("a dictionary with integer keys", dict[int, str], [{1: "a"}], [{"1": 1}]),
    ("a dictionary with enum keys", dict[Color, int], [{Color.RED: 1}], [{"green": 1}]),
    ("a dictionary with UUID keys", dict[UUID, int], [{UUID(int=7): 1}], [{"a": 1}]),
    ("a dictionary with patterns", dict[CODE, int], [{"AB-123": 1}], [{"a": 1}]),
    ("a tuple", tuple[int, str], [(1, "a")], [["a", 1], [1]]),
    ("an open tuple", tuple[int, ...], [(1, 2, 3)], [["a"]]),
    ("an optional", Optional[int], [None, 1], ["a"]),
    ("a union", Union[int, str, list[bool]], [1, "a", [True]], [1.5, [1]]),
    ("a model", Item, [Item(name="a", price=1)], [{"name": "a"}, {"name": "a", "price": 0}, {"name": "a", "price": 1, "zzz": 1}]),
    ("a model with models", Order, [Order(id=1, items=[Item(name="a", price=1, tags=["b"])])], [{"id": 1, "items": [1]}]),
    ("a recursive model", Node, [Node(value=1, children=[Node(value=2)])], [{"value": 1, "children": [{}]}]),
    ("a discriminated union", Pet, [Pet(pet=Cat(kind="cat", lives=9))], [{"pet": {"kind": "dog", "lives": 9}}, {"pet": {"kind": "cow"}}]),
    ("a model that allows more", Loose, [Loose(a=1, b="c")], [{"b": 1}]),
    ("a model that forbids more", Strict, [Strict(a=1)], [{"a": 1, "b": 2}]),
    ("an alias", Aliased, [Aliased(userName="ann")], [{"user_name": "ann"}, {"userName": ""}, {"userName": "123456789"}]),
    ("a derived model", Derived, [Derived(name="a", price=2, stock=3)], [{"name": "a", "price": 2, "stock": 1000}]),
    ("a named tuple", Point, [Point(1, 2)], [[1, "a"]]),
    ("a typed dictionary", Movie, [{"title": "a"}, {}], [{"year": "b"}, {"title": "a", "zzz": 1}]),
    ("a generic model", Page[Item], [Page[Item](entries=[Item(name="a", price=1)], next=2)], [{"entries": [1]}]),
    ("a root model", RootModel[list[Color]], [RootModel[list[Color]]([Color.RED])], [["green"]]),
    ("a model with a default enum", Linked, [Linked(head=Node(value=1))], [{"head": {}, "color": "red"}]),
    ("anything", dict[str, Any], [{"a": [1, {"b": None}]}], [1]),
]
# Types that a grammar cannot hold.
REFUSED = [("a set", set[int], "uniqueItems")]


def main():
    fixtures = []
    for name, kind, values, invalid in TYPES:
        adapter = TypeAdapter(kind)
        # Of the values themselves where the two forms differ: a decimal is written as a text.
        schema = adapter.json_schema(mode="serialization" if kind is Decimal else "validation")
        valid = [adapter.dump_python(value, mode="json", by_alias=True) for value in values]
        fixtures.append({"name": name, "schema": schema, "valid": valid, "invalid": invalid})
    for name, kind, words in REFUSED:
        fixtures.append({"name": name, "schema": TypeAdapter(kind).json_schema(), "refused": words})
    print(json.dumps(fixtures, indent=1, ensure_ascii=False))


main()
