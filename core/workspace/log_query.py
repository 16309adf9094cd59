"""What people type to see only some changes of the log.

`toner by:maier of:"TSC Kiel" property:printer since:-7d`.

Words are searched for; what has one of the names below narrows down. What is not understood is refused with what is
possible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from typing import TypeVar

from core.device.context import DeviceContext
from core.errors import Refused
from core.schema import Schema
from core.store.queries.log import LogFilter
from core.store.view import View
from core.timestamps import ChangePrefix, parse_timestamp
from core.value_codec import normalized
from core.values import join_names, quote_value, stored_notation
from core.workspace.revisions import parse_view_time

FILTER_NAMES = ("by", "on", "of", "property", "since", "until")
GERMAN_FILTER_NAMES = {"von": "by", "auf": "on", "zu": "of", "eigenschaft": "property", "seit": "since", "bis": "until"}
"""The same names as German people write them; everybody may write either."""
MAX_NAMES_LISTED = 6
_MAX_HITS = 200

_K = TypeVar("_K", str, bytes)
_PART_PATTERN = re.compile(r'([A-Za-z]+):("[^"]*"|\S*)|("[^"]*"|\S+)')


async def parse_log_query(
    text: str, workspace: DeviceContext, view: View, *, zone: tzinfo | None = None, base: LogFilter | None = None
) -> LogFilter:
    """The filter that a person typed, within another one; raises Refused.

    `by` a user, `on` a device, `of` an entity (kind:key, its title or its id), a `property` (its name or its label),
    `since` and `until` a moment as everywhere; each name in English or in German. Capital letters do not matter.
    Without a zone times are local.
    """
    schema = await workspace.schema()
    words, filters = _split_query(text, schema)
    found = replace(base or LogFilter(), text=words)
    if "by" in filters:
        found = replace(found, user=await _find_user(*filters["by"], workspace))
    if "on" in filters:
        found = replace(found, device=await _find_device(*filters["on"], workspace))
    if "of" in filters:
        found = replace(found, entity=await find_entity_by_text(filters["of"][1], view, schema))
    if "property" in filters:
        kind = None if found.entity is None else (await view.record(found.entity, schema)).kind
        found = replace(found, property=_find_property(filters["property"][1], schema, kind))
    if "since" in filters:
        found = replace(
            found, since_us=await parse_query_time(filters["since"][1], workspace, zone=zone, is_first=True)
        )
    if "until" in filters:
        found = replace(found, until_us=await parse_query_time(filters["until"][1], workspace, zone=zone))
    if found.since_us is not None and found.until_us is not None and found.since_us > found.until_us:
        raise Refused("since: is later than until: so nothing can be between them.")
    return found


def _split_query(text: str, schema: Schema) -> tuple[str, dict[str, tuple[str, str]]]:
    """The words, and for each of NAMES how it was written and what follows it."""
    words: list[str] = []
    filters: dict[str, tuple[str, str]] = {}
    for match in _PART_PATTERN.finditer(text):
        written, value, word = match.groups()
        if written is None or stored_notation(match[0]):
            words.append((word or match[0]).strip('"'))
            continue
        name, value = GERMAN_FILTER_NAMES.get(written.lower(), written.lower()), value.strip('"')
        if name in FILTER_NAMES:
            filters[name] = (written, value)
            if not value:
                raise Refused("{name}: needs a value behind it.", name=written)
        elif written in schema.kinds:
            filters["of"] = ("of", f"{written}:{value}")
        else:
            raise Refused(
                "{name}: is no filter; there are by:, on:, of:, property:, since: and until:. "
                "Write a text with a colon in double quotes.",
                name=written,
            )
    return normalized(" ".join(words)), filters


async def parse_query_time(
    text: str, workspace: DeviceContext, *, zone: tzinfo | None = None, is_first: bool = False
) -> int:
    """The moment that a person means, local times in `zone`; raises Refused."""
    parsed = parse_timestamp(text, workspace.clock(), zone, is_start=is_first)
    if not isinstance(parsed, ChangePrefix):
        return parsed
    return await parse_view_time(workspace.store, text, workspace.clock(), is_first=is_first)


async def find_entity_by_text(text: str, view: View, schema: Schema) -> bytes:
    """The entity that people call so: kind:key, its id, its key or its title.

    Raises Refused.
    """
    try:
        return await view.find(text, schema)
    except Refused as refusal:
        if "matches" in refusal.params:
            raise
    found = list(
        dict.fromkeys([*await _find_by_full_key(text, view, schema), *await _find_by_title(text, view, schema)])
    )
    if len(found) == 1:
        return found[0]
    if found:
        names = await view.names(found, schema)
        raise Refused(
            "of: {text} could be any of {matches}: write kind:key.",
            text=quote_value(text),
            matches=join_names(sorted(f"{name.kind}:{name.key}" for name in names.values()), MAX_NAMES_LISTED),
        )
    raise Refused(
        "of: nothing here is called {text}: write its title, or kind:key with one of {kinds}.",
        text=quote_value(text),
        kinds=", ".join(schema.kinds),
    )


async def _find_by_full_key(text: str, view: View, schema: Schema) -> list[bytes]:
    """What has that as its whole key, as the log shows it: `241/Lane 1`."""
    found = []
    for kind in schema.kinds.values() if "/" in text else ():
        with suppress(Refused):
            found.append(await view.find(f"{kind.name}:{text}", schema))
    return found


async def _find_by_title(text: str, view: View, schema: Schema) -> list[bytes]:
    """What has that as its key or its title."""
    called = {name for kind in schema.kinds.values() for name in (kind.key, kind.title)}
    wanted = text.casefold()
    return [
        each.entity
        for each in await view.search(text, schema, limit=_MAX_HITS)
        if each.property in called and str(each.value).casefold() == wanted
    ]


async def _find_user(written: str, text: str, workspace: DeviceContext) -> str:
    users = await workspace.store.users()
    return _single_match(written, text, {user: user for user in users}, join_names(users, MAX_NAMES_LISTED))


async def _find_device(written: str, text: str, workspace: DeviceContext) -> bytes:
    members = (await workspace.membership()).members
    names = {device: member.name or device.hex()[:8] for device, member in members.items()}
    by_id = [device for device in names if len(text) >= 8 and device.hex().startswith(text.lower())]
    return (
        by_id[0]
        if len(by_id) == 1
        else _single_match(written, text, names, join_names(sorted(names.values()), MAX_NAMES_LISTED))
    )


def _find_property(text: str, schema: Schema, kind: str | None) -> str:
    """The name of a property by its name, or by its label in any language."""
    kinds = [schema.kind(kind)] if kind in schema.kinds else list(schema.kinds.values())
    defined = [each.property(name) for each in kinds for name in (*each.properties, "kind", "retired")]
    if any(prop.name == text for prop in defined):
        return text
    wanted = text.casefold()
    found = {p.name for p in defined if wanted in (p.name.casefold(), *(each.casefold() for each in p.labels.values()))}
    if len(found) == 1:
        return found.pop()
    if found:
        raise Refused(
            "property: {text} could be any of {matches}.",
            text=quote_value(text),
            matches=join_names(sorted(found), MAX_NAMES_LISTED),
        )
    names = sorted({prop.name for prop in defined})
    close = [name for name in names if wanted[:3] and wanted[:3] in name.casefold()]
    raise Refused(
        "property: there is no {text}; there are {names}.",
        text=quote_value(text),
        names=join_names(close or names, MAX_NAMES_LISTED),
    )


def _single_match(name: str, text: str, called: Mapping[_K, str], listed: str) -> _K:
    """The only one called so, or whose name contains the text if none is."""
    wanted = text.casefold()
    tests: list[Callable[[str], bool]] = [
        lambda label: label.casefold() == wanted,
        lambda label: wanted in label.casefold(),
    ]
    for test in tests:
        found = [key for key, label in called.items() if test(label)]
        if len(found) == 1:
            return found[0]
        if found:
            matches = join_names(sorted(called[key] for key in found), MAX_NAMES_LISTED)
            raise Refused(
                "{name}: {text} could be any of {matches}.", name=name, text=quote_value(text), matches=matches
            )
    raise Refused(
        "{name}: there is no {text} here; there are {names}.", name=name, text=quote_value(text), names=listed
    )
