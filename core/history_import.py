"""Read an edit history in JSON lines, one change a line.

A line is `{"at": seconds since 1970, "user": …, "comment": …, "edits": [{"entity": "kind:key", "kind": …,
"property": …, "value": …}, …]}`. A value is text, a whole number, a boolean, null (cleared), `{"ref": "kind:key"}` or a
list of such; a number with a fraction becomes text, digit for digit. `property` null retires the entity. Values are
kept as given: what the schema refuses becomes an item in the inbox. The form, however, is checked strictly, and
refused with the line's number.

The lines of `fieldline log --json` are taken, too, the newest first as that writes them: so the history of a device can
go on in another fleet. What cannot be named there (members, the schema, things without a key) is passed over.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from core.body import MAX_NOTE_BYTES, MAX_PROPERTY_BYTES
from core.changes import MAX_USER_BYTES
from core.errors import Refused
from core.header import MAX_TIMESTAMP_US
from core.schema import KEY, KIND, RESERVED_KINDS, RETIRED
from core.strict_json import parse_json
from core.timestamps import SECOND_US, parse_timestamp
from core.value_codec import normalized
from core.values import MAX_INTEGER, MAX_TEXT_BYTES, MIN_INTEGER, invisible_mark, is_line, is_storable, quote_value

MAX_LINE_BYTES = 16 * 2**20
"""Bytes (or characters) in one line."""

MAX_ENTITY_NAME_BYTES = 512
"""Bytes in `kind:key`."""

_RESERVED_PROPERTIES = (KIND, RETIRED, KEY)


@dataclass(frozen=True, slots=True)
class KeyRef:
    """A reference to an entity by what people call it (`kind:key`).

    Only a fleet knows its id.
    """

    key: str


ImportValue = str | int | bool | KeyRef


@dataclass(frozen=True, slots=True)
class ImportEdit:
    """One edit. `entity` is `kind:key`, the kind included.

    `property` None retires the entity; any later edit of it brings it back.
    """

    entity: str
    kind: str
    property: str | None
    value: ImportValue | tuple[ImportValue, ...] | None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change of the history.

    Its line's number, its time in microseconds since 1970 UTC, and its edits in order.
    """

    number: int
    at_us: int
    user: str
    note: str | None
    edits: tuple[ImportEdit, ...]
    is_from_log: bool = False


def entity_uuid(fleet: bytes, name: str) -> bytes:
    """Derive the id of an imported entity from `kind:key`.

    A UUIDv5 (RFC 9562, 5.5), so all devices agree on it.
    """
    return uuid.uuid5(uuid.UUID(bytes=fleet), name).bytes


def read_history(source: Iterable[bytes | str]) -> list[HistoryLine]:
    """All changes of a history in the order to write them.

    Raises Refused as `read_lines` does.
    """
    lines = list(read_lines(source))
    is_log = bool(lines) and lines[0].is_from_log
    for line in lines:
        if line.is_from_log != is_log:
            raise Refused(
                "Line {line} is of another form than those before it: put it in a file of its own", line=line.number
            )
    return [line for line in reversed(lines) if line.edits] if is_log else lines


def read_lines(source: Iterable[bytes | str]) -> Iterator[HistoryLine]:
    """Yield the changes of a history, line by line; empty lines are skipped.

    Raises Refused with the line's number for the first line that is not of the form above.
    """
    for number, raw in enumerate(source, 1):
        text = _decode_line(raw, number)
        if text.strip():
            yield _parse_line(_parse_json(text, number), number)


def _decode_line(raw: bytes | str, number: int) -> str:
    if len(raw) > MAX_LINE_BYTES:
        raise Refused("Line {line} is longer than {limit} bytes; split the change", line=number, limit=MAX_LINE_BYTES)
    if isinstance(raw, bytes):
        try:
            raw = raw.decode()
        except UnicodeDecodeError:
            raise Refused("Line {line} is not UTF-8; save the file as UTF-8", line=number) from None
    return raw.removeprefix("\ufeff") if number == 1 else raw


class _FractionText(str):
    """The digits of a JSON number with a fraction or an exponent."""

    __slots__ = ()


def _parse_json(text: str, number: int) -> Any:
    try:
        return parse_json(text, parse_float=_FractionText)
    except json.JSONDecodeError as error:
        raise Refused(
            "Line {line} is not JSON: {reason}", line=number, reason=f"{error.msg} ({error.pos + 1})"
        ) from None
    except (ValueError, RecursionError) as error:
        raise Refused("Line {line} is not JSON: {reason}", line=number, reason=error) from None


def _parse_line(content: Any, number: int) -> HistoryLine:
    if isinstance(content, dict) and content.keys() >= _LOG_KEYS:
        return _parse_log_line(content, number)
    if not isinstance(content, dict) or content.keys() - {"comment"} != {"at", "user", "edits"}:
        raise Refused(
            "Line {line} is not a change; it needs the keys at, user and edits, may have comment, and no others",
            line=number,
        )
    note = content.get("comment")
    if not _is_line(content["user"], MAX_USER_BYTES):
        raise Refused("Line {line}: user must be a name of at most {limit} bytes", line=number, limit=MAX_USER_BYTES)
    if note is not None and not _is_text(note, MAX_NOTE_BYTES):
        raise Refused("Line {line}: comment must be text of at most {limit} bytes", line=number, limit=MAX_NOTE_BYTES)
    if not isinstance(content["edits"], list):
        raise Refused("Line {line}: edits must be a list", line=number)
    edits = tuple(_parse_edit(edit, number, place) for place, edit in enumerate(content["edits"], 1))
    _check_visible(number, content["user"])
    at = _parse_timestamp(content["at"], number)
    return HistoryLine(number, at, normalized(content["user"]), normalized(note) if note else None, edits)


_LOG_KEYS = {"change", "at", "user", "note", "state", "edits"}


def _parse_log_line(content: dict[str, Any], number: int) -> HistoryLine:
    """A line that `fieldline log --json` wrote, as the line of a history."""
    edits: list[dict[str, Any]] = []
    for edit in content["edits"] if isinstance(content["edits"], list) and content["state"] == "good" else ():
        if not isinstance(edit, dict) or not {"kind", "key", "property", "new"} <= edit.keys():
            raise Refused("Line {line}: edits are not those of a log", line=number)
        kind, key, name, value = (edit[each] for each in ("kind", "key", "property", "new"))
        called = {"entity": f"{kind}:{key}", "kind": kind, "property": name, "value": value}
        if kind is None or key is None or kind in RESERVED_KINDS or name in (KIND, KEY) or not _is_named(value):
            continue
        if name == RETIRED:
            if value is True:
                edits.append({**called, "property": None, "value": None})
        else:
            edits.append(called)
    at, moment = content["at"], None
    with suppress(Refused):
        # A log names days by their dates only.
        moment = parse_timestamp(at, 0, UTC, is_start=True) if isinstance(at, str) and at[:1].isdigit() else None
    if not isinstance(moment, int):
        raise Refused("Line {line}: at is not the time of a log", line=number)
    line = _parse_line({"at": 0, "user": content["user"], "comment": content["note"], "edits": edits}, number)
    return replace(line, at_us=moment, is_from_log=True)


def _is_named(value: Any) -> bool:
    """Whether what a value of a log refers to has a name there."""
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, dict) and not _is_entity_name(item.get("ref")) for item in items)


def _parse_timestamp(at: Any, number: int) -> int:
    micros = None
    if isinstance(at, int) and not isinstance(at, bool):
        micros = at * SECOND_US
    elif isinstance(at, _FractionText) and (parts := re.fullmatch(r"([0-9]{1,12})\.([0-9]{1,6})", at)):
        micros = int(parts[1]) * SECOND_US + int(parts[2].ljust(6, "0"))
    if micros is None or not 0 <= micros <= MAX_TIMESTAMP_US:
        raise Refused("Line {line}: at must be the seconds since 1970, such as 1690305643", line=number)
    return micros


def _parse_edit(content: Any, number: int, place: int) -> ImportEdit:
    if not isinstance(content, dict) or content.keys() | {"value"} != {"entity", "kind", "property", "value"}:
        raise Refused(
            "Line {line}, edit {edit}: it needs the keys entity, kind, property and value, and no others",
            line=number,
            edit=place,
        )
    entity, kind, name, value = content["entity"], content["kind"], content["property"], content.get("value")
    if not _is_entity_name(entity):
        raise Refused(
            "Line {line}, edit {edit}: entity must be kind:key, such as host:kirchhof/core", line=number, edit=place
        )
    if kind != entity.partition(":")[0] or kind in RESERVED_KINDS:
        raise Refused(
            "Line {line}, edit {edit}: kind must be that of the entity {entity}, and none of {reserved}",
            line=number,
            edit=place,
            entity=quote_value(entity),
            reserved=", ".join(RESERVED_KINDS),
        )
    if name is None and value is not None:
        raise Refused("Line {line}, edit {edit}: a null property retires and has no value", line=number, edit=place)
    if name is not None and (
        not _is_line(name, MAX_PROPERTY_BYTES) or name in _RESERVED_PROPERTIES or "value" not in content
    ):
        raise Refused(
            "Line {line}, edit {edit}: property must be a name of at most {limit} bytes, none of {reserved}, "
            "with a value",
            line=number,
            edit=place,
            limit=MAX_PROPERTY_BYTES,
            reserved=", ".join(_RESERVED_PROPERTIES),
        )
    try:
        given = (
            tuple(map(_parse_scalar, value))
            if isinstance(value, list)
            else None
            if value is None
            else _parse_scalar(value)
        )
    except ValueError:
        raise Refused(
            "Line {line}, edit {edit}: the value of {property} must be text of at most {limit} bytes, a whole number "
            'of 64 bits, true, false, null, {{"ref": "kind:key"}} or a list of such',
            line=number,
            edit=place,
            property=quote_value(name),
            limit=MAX_TEXT_BYTES,
        ) from None
    _check_visible(number, entity, name, *(given if isinstance(given, tuple) else (given,)))
    return ImportEdit(normalized(entity), normalized(kind), None if name is None else normalized(name), given)


def _check_visible(number: int, *texts: object) -> None:
    """Raise Refused for a text that looks like another one and is not."""
    for item in texts:
        text = item.key if isinstance(item, KeyRef) else item
        if isinstance(text, str) and (mark := invisible_mark(text)):
            raise Refused(
                "Line {line}: {value} has an invisible mark in it, {mark}: write it without",
                line=number,
                value=quote_value(text),
                mark=mark,
            )


def _parse_scalar(value: Any) -> ImportValue:
    """Raises ValueError for what no fact can hold."""
    match value:
        case bool():
            return value
        case int() if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
        case str() if is_storable(value):
            return normalized(str(value))
        case {"ref": name} if len(value) == 1 and _is_entity_name(name):
            return KeyRef(normalized(name))
    raise ValueError


def _is_text(value: Any, limit: int) -> bool:
    return (
        isinstance(value, str)
        and not isinstance(value, _FractionText)
        and is_storable(value)
        and len(value.encode()) <= limit
    )


def _is_line(value: Any, limit: int) -> bool:
    return _is_text(value, limit) and value != "" and is_line(value, limit)


def _is_entity_name(value: Any) -> bool:
    return _is_line(value, MAX_ENTITY_NAME_BYTES) and all(value.partition(":")[::2])
