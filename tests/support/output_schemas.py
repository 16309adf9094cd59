"""The JSON Schemas of docs/schemas, which every tested output is held to.

They are stricter here than for those who read them: a key that no schema names is an error, so that none is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tui.cli.verbs import VERBS

FOLDER = Path(__file__).parent.parent.parent / "docs" / "schemas"
LINE_VERBS = ("log", "watch", "serve")
"""Commands that print an object a line."""
MAX_CHECKED_CHARS = 200_000
"""Longer output is not checked: it would take seconds, and short output of the same command is."""


def schema_names() -> list[str]:
    """The names of all outputs: a command, or one of a group with a hyphen."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "common")


def output_name(arguments: Sequence[str]) -> str | None:
    """Which output these arguments of the program give.

    None for one that is no command's.
    """
    words = [word for word in arguments if not word.startswith("-")]
    if not words or words[0] not in VERBS:
        return None
    grouped = "-".join(words[:2])
    return grouped if (FOLDER / f"{grouped}.json").exists() else words[0]


def _strict(schema: Any) -> Any:
    """The schema with every key that an object may have named."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    return made


@cache
def _registry() -> Registry[Any]:
    documents = {path.name: _strict(json.loads(path.read_text(encoding="utf-8"))) for path in FOLDER.glob("*.json")}
    return Registry().with_resources((name, Resource.from_contents(doc)) for name, doc in documents.items())


@cache
def validator(name: str) -> Draft202012Validator:
    """What checks the output of this name."""
    registry = _registry()
    return Draft202012Validator(registry.contents(f"{name}.json"), registry=registry)


def check_output(name: str, data: Any) -> None:
    """Fail with all that is wrong with an output, such as an unknown key."""
    found = sorted(validator(name).iter_errors(data), key=lambda error: list(map(str, error.absolute_path)))
    assert not found, "\n".join(f"{name} {error.json_path}: {error.message}"[:600] for error in found[:5])


def check_printed(arguments: Sequence[str], printed: str) -> str | None:
    """Check what a call with `--json` printed, and give the name of its output.

    None if it has no schema.
    """
    name = output_name(arguments)
    if name is None or not printed or len(printed) > MAX_CHECKED_CHARS or not (FOLDER / f"{name}.json").exists():
        return None
    for text in printed.splitlines() if name in LINE_VERBS else [printed]:
        check_output(name, json.loads(text))
    return name
