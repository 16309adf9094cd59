"""Reading an edit history in JSON lines, one change a line.

A line is `{"at": seconds since 1970, "user": …, "comment": …, "edits": [{"entity": "kind:key", "kind": …,
"property": …, "value": …}, …]}`. A value is text, a whole number, a boolean, null (cleared), `{"ref": "kind:key"}` or a
list of such; a number with a fraction becomes text, digit for digit. `property` null retires the entity. Values are
kept as given: whether the schema likes them is a matter for the inbox. The form, however, is checked strictly, and
refused with the line's number.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from core.changes import MAX_AT, MAX_NOTE, MAX_PROPERTY, MAX_USER
from core.errors import Refused
from core.schema import KEY, KIND, RETIRED
from core.values import INTEGER_MAX, INTEGER_MIN, MAX_TEXT, is_storable, quoted

MAX_LINE = 16 * 2**20
"""Bytes (or characters) in one line."""

MAX_NAME = 512
"""Bytes in `kind:key`."""

SECOND = 1_000_000
_RESERVED_KINDS = ("fleet", "schema", "member")
_GIVEN_OTHERWISE = (KIND, RETIRED, KEY)


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A reference to an entity by what people call it (`kind:key`): only a fleet knows its id."""

    key: str


Given = str | int | bool | KeyRef


@dataclass(frozen=True, slots=True)
class ImportEdit:
    """One edit. `entity` is `kind:key`, the kind included.

    `property` None retires the entity; any later edit of it brings it back.
    """

    entity: str
    kind: str
    property: str | None
    value: Given | tuple[Given, ...] | None


@dataclass(frozen=True, slots=True)
class Line:
    """One change of the history: its line's number, its time in microseconds since 1970 UTC, and its edits in order."""

    number: int
    at: int
    user: str
    note: str | None
    edits: tuple[ImportEdit, ...]


def entity_uuid(fleet: bytes, name: str) -> bytes:
    """The id of what imports into a fleet call `kind:key`: a UUIDv5 (RFC 9562, 5.5), so all devices agree on it."""
    return uuid.uuid5(uuid.UUID(bytes=fleet), name).bytes


def read_lines(source: Iterable[bytes | str]) -> Iterator[Line]:
    """The changes of a history, line by line; empty lines are passed over.

    Raises Refused with the line's number for the first line that is not of the form above.
    """
    for number, raw in enumerate(source, 1):
        text = _text(raw, number)
        if text.strip():
            yield _line(_parsed(text, number), number)


def _text(raw: bytes | str, number: int) -> str:
    if len(raw) > MAX_LINE:
        raise Refused("Line {line} is longer than {limit} bytes; split the change", line=number, limit=MAX_LINE)
    if isinstance(raw, bytes):
        try:
            raw = raw.decode()
        except UnicodeDecodeError:
            raise Refused("Line {line} is not UTF-8; save the file as UTF-8", line=number) from None
    return raw.removeprefix("\ufeff") if number == 1 else raw


class _Fraction(str):
    """The digits of a JSON number with a fraction or an exponent."""

    __slots__ = ()


class _Unwanted(ValueError):
    """JSON that Python takes but that does not say one clear thing."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Unwanted("a key is there twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise _Unwanted(f"{name} is no number")


def _parsed(text: str, number: int) -> Any:
    try:
        return json.loads(text, parse_float=_Fraction, parse_constant=_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise Refused(
            "Line {line} is not JSON: {reason}", line=number, reason=f"{error.msg} ({error.pos + 1})"
        ) from None
    except (ValueError, RecursionError) as error:
        raise Refused("Line {line} is not JSON: {reason}", line=number, reason=error) from None


def _line(content: Any, number: int) -> Line:
    if not isinstance(content, dict) or content.keys() - {"comment"} != {"at", "user", "edits"}:
        raise Refused(
            "Line {line} is not a change; it needs the keys at, user and edits, may have comment, and no others",
            line=number,
        )
    note = content.get("comment")
    if not _is_line(content["user"], MAX_USER):
        raise Refused("Line {line}: user must be a name of at most {limit} bytes", line=number, limit=MAX_USER)
    if note is not None and not _is_text(note, MAX_NOTE):
        raise Refused("Line {line}: comment must be text of at most {limit} bytes", line=number, limit=MAX_NOTE)
    if not isinstance(content["edits"], list):
        raise Refused("Line {line}: edits must be a list", line=number)
    edits = tuple(_edit(edit, number, place) for place, edit in enumerate(content["edits"], 1))
    return Line(number, _time(content["at"], number), content["user"], note or None, edits)


def _time(at: Any, number: int) -> int:
    micros = None
    if isinstance(at, int) and not isinstance(at, bool):
        micros = at * SECOND
    elif isinstance(at, _Fraction) and (parts := re.fullmatch(r"([0-9]{1,12})\.([0-9]{1,6})", at)):
        micros = int(parts[1]) * SECOND + int(parts[2].ljust(6, "0"))
    if micros is None or not 0 <= micros <= MAX_AT:
        raise Refused("Line {line}: at must be the seconds since 1970, such as 1690305643", line=number)
    return micros


def _edit(content: Any, number: int, place: int) -> ImportEdit:
    if not isinstance(content, dict) or content.keys() | {"value"} != {"entity", "kind", "property", "value"}:
        raise Refused(
            "Line {line}, edit {edit}: it needs the keys entity, kind, property and value, and no others",
            line=number,
            edit=place,
        )
    entity, kind, name, value = content["entity"], content["kind"], content["property"], content.get("value")
    if not _is_entity(entity):
        raise Refused(
            "Line {line}, edit {edit}: entity must be kind:key, such as host:kirchhof/core", line=number, edit=place
        )
    if kind != entity.partition(":")[0] or kind in _RESERVED_KINDS:
        raise Refused(
            "Line {line}, edit {edit}: kind must be that of the entity {entity}, and none of {reserved}",
            line=number,
            edit=place,
            entity=quoted(entity),
            reserved=", ".join(_RESERVED_KINDS),
        )
    if name is None and value is not None:
        raise Refused("Line {line}, edit {edit}: a null property retires and has no value", line=number, edit=place)
    if name is not None and (not _is_line(name, MAX_PROPERTY) or name in _GIVEN_OTHERWISE or "value" not in content):
        raise Refused(
            "Line {line}, edit {edit}: property must be a name of at most {limit} bytes, none of {reserved}, "
            "with a value",
            line=number,
            edit=place,
            limit=MAX_PROPERTY,
            reserved=", ".join(_GIVEN_OTHERWISE),
        )
    try:
        given = tuple(map(_scalar, value)) if isinstance(value, list) else None if value is None else _scalar(value)
    except ValueError:
        raise Refused(
            "Line {line}, edit {edit}: the value of {property} must be text of at most {limit} bytes, a whole number "
            'of 64 bits, true, false, null, {{"ref": "kind:key"}} or a list of such',
            line=number,
            edit=place,
            property=quoted(name),
            limit=MAX_TEXT,
        ) from None
    return ImportEdit(entity, kind, name, given)


def _scalar(value: Any) -> Given:
    """Raises ValueError for what no fact can hold."""
    match value:
        case bool():
            return value
        case int() if INTEGER_MIN <= value <= INTEGER_MAX:
            return value
        case str() if is_storable(value):
            return str(value)
        case {"ref": name} if len(value) == 1 and _is_entity(name):
            return KeyRef(name)
    raise ValueError


def _is_text(value: Any, limit: int) -> bool:
    return (
        isinstance(value, str)
        and not isinstance(value, _Fraction)
        and is_storable(value)
        and len(value.encode()) <= limit
    )


def _is_line(value: Any, limit: int) -> bool:
    return _is_text(value, limit) and value != "" and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in value)


def _is_entity(value: Any) -> bool:
    return _is_line(value, MAX_NAME) and all(value.partition(":")[::2])
