"""Plan what makes things be as a file wants them (TOML or JSON).

What the file does not name stays as it is.

`["place:241/Lane 1"]` is about something that is there. `[[place]]` lists things of a kind, each with its key: what is
not there yet becomes new, and others in the same file may refer to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.device import edit_check
from core.errors import Refused
from core.parsers import parse_toml
from core.records import Edit, Record, diff_edits
from core.schema import KIND, RETIRED, Kind, Property, Schema
from core.strict_json import parse_json
from core.table_file import UNSET_CELL
from core.value_codec import Ref, Value
from core.values import is_same_value, quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext

_TOML_WORDS = {UNSET_CELL: None, f"'{UNSET_CELL}": UNSET_CELL}
MAX_DEPTH = 4
"""Kinds around a kind that are looked at to put what others are called by first."""


class StateNames:
    """The names of what there is, and of what the file makes."""

    def __init__(self, workspace: DeviceContext) -> None:
        self._workspace = workspace
        self._new: dict[str, list[bytes]] = {}
        self._keys: dict[bytes, str] = {}

    async def find(self, text: str) -> bytes:
        """Find the entity of this name; raises Refused."""
        found = self._new.get(text, [])
        if len(found) > 1:
            raise Refused("{text} could be several things that are new: name the one around it, too.", text=text)
        if found:
            return found[0]
        return await self._workspace.store.now().find(text, await self._workspace.schema())

    async def add(self, entity: bytes, kind: Kind, key: str, around: Value) -> None:
        """Remember what something new is called."""
        names = {f"{kind.name}:{key}"}
        if isinstance(around, Ref):
            key = f"{await self._key_of(around.entity)}/{key}"
            names.add(f"{kind.name}:{key}")
        self._keys[entity] = key
        for name in names:
            self._new.setdefault(name, []).append(entity)

    async def _key_of(self, entity: bytes) -> str | None:
        if entity in self._keys:
            return self._keys[entity]
        view = self._workspace.view()
        return (await view.names([entity], await self._workspace.schema()))[entity].key


ParseValue = Callable[[StateNames, Property, Any], Awaitable[Value]]
"""Parse a value of the file for a property; raises Refused."""


@dataclass(slots=True)
class _Item:
    """One thing of the file: where it stands there, and what it says.

    `shown` is the entity as it is here.
    """

    label: str
    kind: Kind
    stated: Mapping[str, Any]
    name: str | None = None
    shown: Record = field(default_factory=lambda: Record(b""))

    @property
    def is_new(self) -> bool:
        return self.shown.kind is None


@dataclass(frozen=True, slots=True)
class StatePlan:
    """What would be written, and how many conflicts that resolves."""

    edits: tuple[Edit, ...]
    resolved: int


async def plan_state(workspace: DeviceContext, path: Path, parse_value: ParseValue) -> StatePlan:
    """See `Workspace.plan_state`."""
    schema = await workspace.schema()
    content = await asyncio.to_thread(_read_file, path)
    items = sorted(_items(schema, content), key=lambda item: _depth(schema, item.kind))
    planner = _Planner(workspace, StateNames(workspace), parse_value)
    for item in items:
        if item.name is not None:
            item.shown = await workspace.view().record(await planner.names.find(item.name), schema)
            item.kind = schema.kind(item.shown.kind)
        with _labelled(item):
            await planner.identify(item)
    edits: list[Edit] = []
    resolved = 0
    for item in items:
        with _labelled(item):
            found = await planner.edits(item)
        edits += found
        resolved += sum(item.shown.slot(edit.property).provisional for edit in found)
    await workspace.check(edits)
    return StatePlan(tuple(edits), resolved)


@contextmanager
def _labelled(item: _Item) -> Iterator[None]:
    """Say of a refusal which thing of the file it is about."""
    try:
        yield
    except Refused as problem:
        raise Refused("{item}: {why}", item=item.label, why=problem) from None


class _Planner:
    """Finds out which things are meant, and what is to be written of each."""

    def __init__(self, workspace: DeviceContext, names: StateNames, parse_value: ParseValue) -> None:
        self._workspace = workspace
        self.names = names
        self._parse = parse_value
        self._by_key: dict[str, dict[tuple[Value, ...], list[Record]]] = {}
        self._seen: set[object] = set()

    async def identify(self, item: _Item) -> None:
        """Find the entity of an item that is named by its key, or make up one that is new."""
        item.stated = _by_property(item.kind, item.stated)
        if not item.is_new:
            self._check_once(item.shown.entity)
            return
        names = edit_check.key_properties(item.kind)
        if any(name not in item.stated for name in names):
            raise Refused(
                "it has to say which {kind} it is about: {properties}",
                kind=item.kind.name,
                properties=", ".join(names),
            )
        key = tuple([await self._value(item, name) for name in names])
        there = (await self._records(item.kind)).get(key, [])
        in_use = [record for record in there if not record.retired]
        if there and not in_use and RETIRED not in item.stated:
            raise Refused("it is retired: set {property} = false to put it back in use", property=RETIRED)
        if there:
            item.shown = (in_use or there)[0]
            self._check_once(item.shown.entity)
            return
        item.shown = Record(await self._workspace.make_entity_id())
        self._check_once((item.kind.name, key))
        around = key[1] if len(key) > 1 else None
        await self.names.add(item.shown.entity, item.kind, str(key[0]), around)

    async def edits(self, item: _Item) -> list[Edit]:
        """The edits of an item.

        The pick of a conflict is not stated again, which would resolve it.
        """
        wanted = {name: await self._value(item, name) for name in item.stated}
        if item.is_new:
            stated = {name: value for name, value in wanted.items() if value is not None}
            if stated.get(RETIRED) is False:
                del stated[RETIRED]
            return diff_edits(item.shown, {KIND: item.kind.name, **stated})
        shown = item.shown
        if wanted.get(RETIRED) is False and not shown.slot(RETIRED).leaves:
            del wanted[RETIRED]
        return diff_edits(shown, {n: v for n, v in wanted.items() if not is_same_value(shown.value(n), v)})

    async def _value(self, item: _Item, name: str) -> Value:
        return await self._parse(self.names, item.kind.property(name), item.stated[name])

    async def _records(self, kind: Kind) -> dict[tuple[Value, ...], list[Record]]:
        """All of a kind by their keys, the retired ones, too."""
        if kind.name not in self._by_key:
            found: dict[tuple[Value, ...], list[Record]] = {}
            for record in await self._workspace.view().records(kind.name, await self._workspace.schema(), retired=True):
                key = tuple(record.value(name) for name in edit_check.key_properties(kind))
                found.setdefault(key, []).append(record)
            self._by_key[kind.name] = found
        return self._by_key[kind.name]

    def _check_once(self, thing: object) -> None:
        if thing in self._seen:
            raise Refused("the file is about it twice: put it into one place")
        self._seen.add(thing)


def _read_file(path: Path) -> Mapping[str, Any]:
    """Read JSON if it begins with `{`, else TOML.

    Numbers with a point are text, which loses nothing of them.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=quote_value(str(path))) from None
    try:
        if text.lstrip().startswith("{"):
            content: dict[str, Any] = parse_json(text)
            return content
        return {name: _with_unset(stated) for name, stated in parse_toml(text, parse_float=str).items()}
    except (ValueError, RecursionError) as error:
        raise Refused("The file is neither TOML nor a JSON object: {why}.", why=str(error) or "?") from None


def _with_unset(stated: Any) -> Any:
    """What TOML states, with None where it says `-`: it has no null."""
    if isinstance(stated, list):
        return [_with_unset(each) for each in stated]
    if isinstance(stated, dict):
        return {
            name: _TOML_WORDS.get(value, value) if isinstance(value, str) else value for name, value in stated.items()
        }
    return stated


def _items(schema: Schema, content: Mapping[str, Any]) -> Iterator[_Item]:
    """The things of a file, in its order; raises Refused for what is none."""
    for name, stated in content.items():
        if isinstance(stated, dict) and name not in schema.kinds:
            yield _Item(name, Kind(""), stated, name=name)
            continue
        kind = edit_check.creatable_kind(schema, name)
        if not isinstance(stated, list) or not all(isinstance(each, dict) for each in stated):
            raise Refused("{name}: a kind has a list of things: write [[{kind}]] over each.", name=name, kind=name)
        for number, each in enumerate(stated, 1):
            yield _Item(f"{name} {number}", kind, each)


def _by_property(kind: Kind, stated: Mapping[str, Any]) -> dict[str, Any]:
    """What is said by the names of properties: it may be said by their labels."""
    found: dict[str, Any] = {}
    for name, value in stated.items():
        prop = edit_check.editable_property(kind, name)
        if prop.name in found:
            raise Refused("{property} is given twice: give it once.", property=prop.name)
        found[prop.name] = value
    return found


def _depth(schema: Schema, kind: Kind) -> int:
    """How many kinds a kind is called by: what others are called by is found first."""
    depth = 0
    while kind.within and depth < MAX_DEPTH:
        kind = schema.kind(kind.property(kind.within).refers_to)
        depth += 1
    return depth
