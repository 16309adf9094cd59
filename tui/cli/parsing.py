"""Parse what people type on the command line.

Properties with values, times, references.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from core import values
from core.errors import Refused
from core.schema import Kind, Property
from core.value_codec import Redacted, Ref, Scalar, Value
from core.values import MAX_INTEGER, MIN_INTEGER, quote_value
from tui.cli.help import option
from tui.i18n.translate import N_

if TYPE_CHECKING:
    from core.store.view import View
    from core.workspace import Workspace

AT_OPTION = option("--at", metavar="T", help=N_("As everything was at this time."))
KNOWN_AT_OPTION = option("--known-at", metavar="T", help=N_("As this device knew it at this time."))


class Finder(Protocol):
    """Whoever knows what things are called."""

    async def find(self, text: str) -> bytes:
        """Find the entity of this name; raises Refused."""


async def parse_view(workspace: Workspace, at: str | None, known_at: str | None) -> View:
    """The view that `--at` or `--known-at` asks for."""
    if at is not None and known_at is not None:
        raise Refused("Give --at or --known-at, not both.")
    text = known_at if at is None else at
    if text is None:
        return workspace.view()
    received = at is None
    return workspace.view(await workspace.parse_view_time(text, as_received=received), as_received=received)


async def parse_properties(workspace: Workspace, kind: Kind, given: Iterable[str]) -> dict[str, Value]:
    """The properties and values of `P=V` and `P:=JSON`.

    Raises Refused, also for one that is there twice.
    """
    from core.device.edit_check import editable_property

    found: dict[str, Value] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.rstrip(":"):
            raise Refused(
                "{text} is not a property with a value: write NAME=VALUE or NAME:=JSON.", text=quote_value(text)
            )
        as_json = name.endswith(":")
        name = name.removesuffix(":")
        prop = editable_property(kind, name)
        if prop.name in found:
            raise Refused("{property} is given twice: give it once.", property=prop.name)
        found[prop.name] = await (parse_json_value if as_json else parse_text_value)(workspace, prop, value)
    return found


async def parse_text_value(finder: Finder, prop: Property, text: str) -> Value:
    """The value that a text means for a property.

    A reference is the name of an entity.
    """
    if prop.type != "reference":
        return prop.parse(text)
    if not prop.many:
        return await _parse_reference(finder, prop, text.strip())
    try:
        items = values.split_list(text)
    except ValueError:
        raise Refused("{property}: a double quote in the list is not closed", property=prop.name) from None
    return tuple([await _parse_reference(finder, prop, item) for item in items])


async def parse_json_value(finder: Finder, prop: Property, text: str) -> Value:
    """The value that a JSON text means.

    What a fact can hold, `{"ref": ENTITY}`, or a list; decimals stay text.
    """
    from core.strict_json import AmbiguousJson, parse_json

    try:
        plain = parse_json(text)
    except AmbiguousJson as problem:
        raise Refused("{property}: {reason}", property=prop.name, reason=problem) from None
    except (ValueError, RecursionError):
        raise Refused("{property}: {text} is not JSON", property=prop.name, text=quote_value(text)) from None
    if isinstance(plain, list):
        return tuple([await _parse_json_scalar(finder, prop, item) for item in plain])
    return None if plain is None else await _parse_json_scalar(finder, prop, plain)


async def parse_plain_value(finder: Finder, prop: Property, plain: Any) -> Value:
    """The value that a file of TOML or JSON states.

    Text is read as on the command line, also the items of a list.
    """
    if isinstance(plain, list) and all(isinstance(item, str) for item in plain):
        one = replace(prop, many=False)
        items = [await parse_text_value(finder, one, item) for item in plain]
        return tuple(item for item in items if not isinstance(item, tuple | Redacted) and item is not None)
    if isinstance(plain, str):
        return await parse_text_value(finder, prop, plain)
    try:
        text = json.dumps(plain)
    except TypeError:
        raise Refused("{property}: write {value} as text, in quotes", property=prop.name, value=str(plain)) from None
    return await parse_json_value(finder, prop, text)


async def _parse_json_scalar(finder: Finder, prop: Property, plain: Any) -> Scalar:
    match plain:
        case str():
            values.check_visible(prop.name, plain)
            return values.typed_text(plain)
        case bool():
            return plain
        case int() if MIN_INTEGER <= plain <= MAX_INTEGER:
            return plain
        case {"ref": str(name)} if len(plain) == 1:
            return await _parse_reference(finder, prop, name)
    raise Refused(
        '{property}: a value is text, a whole number of 64 bits, true, false, null, {{"ref": "kind:key"}} or a list of '
        "such",
        property=prop.name,
    )


async def _parse_reference(finder: Finder, prop: Property, text: str) -> Ref:
    if not text:
        raise Refused("{property}: there is no value; give one, or clear the property", property=prop.name)
    if ":" not in text and prop.refers_to and not await _is_id(finder, text):
        text = f"{prop.refers_to}:{text}"
    return Ref(await finder.find(text))


async def _is_id(finder: Finder, text: str) -> bool:
    """Whether this names an entity by its id, so that it is not the key of one."""
    try:
        await finder.find(text)
    except Refused:
        return False
    return True
