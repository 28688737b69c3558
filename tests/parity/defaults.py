#!/usr/bin/env python3
"""Write defaults.json: the defaults of mlx-lm's arguments, by model type.

    python3 defaults.py     (needs: mlx[cpu], mlx-lm, numpy)

Goldens state most of their keys, so they rarely show what holds for a key that is absent. This table does: a test in
`crates/models/src/registry/tests.rs` reads each golden's configuration without a key and with mlx-lm's default, and
compares the two descriptions. Keys of a nested `text_config` are below that name. Only defaults that JSON can express
are listed.
"""

import dataclasses
import importlib
import json
from pathlib import Path

import mlx_lm.models
from mlx_lm.utils import MODEL_REMAPPING

import goldens

HERE = Path(__file__).parent
# Names of the class that reads a nested `text_config`.
NESTED = ("TextArgs", "TextConfig", "TextModelArgs")
# Keys of every class that say nothing about arithmetic.
IGNORED = {"model_type", "vision_config", "text_config"}


def defaults(arguments):
    """Return the defaults of a dataclass."""
    found = {}
    for field in dataclasses.fields(arguments):
        value = field.default
        if field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        plain = value is None or isinstance(value, (bool, int, float, str, list))
        if plain and field.name not in IGNORED:
            found[field.name] = value
    return found


def main():
    mlx_lm.models.__path__.append(str(goldens.MODELS))
    goldens.repair_olmo()
    kinds = {json.loads(path.read_text())["config"]["model_type"]
             for path in (HERE / "fixtures").glob("*.json")}
    table = {}
    for kind in sorted(kinds):
        module = importlib.import_module(f"mlx_lm.models.{MODEL_REMAPPING.get(kind, kind)}")
        found = defaults(module.ModelArgs)
        nested = next((getattr(module, name) for name in NESTED if hasattr(module, name)), None)
        if nested is not None and "text_config" in {f.name for f in dataclasses.fields(module.ModelArgs)}:
            found["text_config"] = defaults(nested)
        if found:
            table[kind] = found
    lines = (f"{json.dumps(kind)}: {json.dumps(found)}" for kind, found in table.items())
    (HERE / "defaults.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
