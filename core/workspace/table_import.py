"""Import a table of entities of one kind.

Each row creates one, or changes what is different of it.

A row of an exported table says what its author was shown (`core.seen_column`). Of such a row only what was edited
counts, and it obsoletes what its author was shown: what somebody changed since becomes a conflict.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.device import edit_check
from core.errors import Refused
from core.records import Edit, Record, diff_edits
from core.schema import KIND, RETIRED, Kind, Property
from core.seen_column import SEEN_HEAD, Seen, SeenCell, cell_digest, parse_seen, short_fact
from core.table_file import TableRow, read_table
from core.value_codec import ID_BYTES, Value
from core.values import is_same_value, quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.types import OnProgress

_LISTED_KEYS = {"entity", "kind", "key", "values"}
"""Of an entity in what `list --json` prints."""
ParseCell = Callable[[Property, Any], Awaitable[Value]]
"""Parse a cell for a property; raises Refused."""
Outcome = Literal["new", "changed", "same", "conflict"]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What a row comes to: its entity as shown, and what others changed since."""

    number: int
    outcome: Outcome
    shown: Record
    edits: tuple[Edit, ...]
    contested: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What the import of a table would write."""

    rows: tuple[RowPlan, ...]

    @property
    def edits(self) -> list[Edit]:
        """The edits of all rows."""
        return [edit for row in self.rows for edit in row.edits]

    @property
    def resolved_count(self) -> int:
        """How many conflicts the edits resolve."""
        return sum(
            row.shown.slot(edit.property).provisional
            for row in self.rows
            for edit in row.edits
            if edit.property not in row.contested
        )

    def counts(self) -> dict[Outcome, int]:
        """How many rows come to what."""
        found = Counter(row.outcome for row in self.rows)
        return {"new": found["new"], "changed": found["changed"], "same": found["same"], "conflict": found["conflict"]}


@dataclass(slots=True)
class _Heads:
    """The properties that the heads of a table mean.

    `mapped` says so for some, with an empty name for none.
    """

    kind: Kind
    mapped: Mapping[str, str]
    used: set[str] = field(default_factory=set)
    _found: dict[str, Property | None] = field(default_factory=dict)

    def property(self, head: str) -> Property | None:
        """The property of a column; None for one that does not count. Raises Refused."""
        if head not in self._found:
            name = self.mapped.get(head, head)
            self.used.add(head)
            skipped = head == SEEN_HEAD or not name
            self._found[head] = None if skipped else edit_check.editable_property(self.kind, name)
        return self._found[head]

    def check_used(self) -> None:
        """Raise Refused for a head that is mapped and is not there."""
        for head in self.mapped:
            if head not in self.used:
                raise Refused("There is no column {name} to map: name one of the head.", name=quote_value(head))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: its cells by property, and what its author was shown."""

    number: int
    cells: Mapping[str, Any]
    seen: Seen | None


async def plan_table(
    workspace: DeviceContext,
    path: Path,
    kind_name: str,
    parse_cell: ParseCell,
    mapped: Mapping[str, str],
    on_progress: OnProgress,
) -> TablePlan:
    """See `Workspace.plan_table`."""
    schema, view = await workspace.schema(), workspace.view()
    kind = edit_check.creatable_kind(schema, kind_name)
    heads = _Heads(kind, mapped)
    table = await asyncio.to_thread(_read_rows, path, heads)
    rows = _without_copies(kind, [_each_row(row, heads) for row in table])
    heads.check_used()
    by_id = await view.records_by_id({row.seen.entity for row in rows if row.seen}, schema)
    by_key: dict[tuple[Value, ...], Record] = {}
    if not all(row.seen for row in rows):
        # Of several that are called the same, one that is in use counts first.
        for record in sorted(await view.records(kind.name, schema, retired=True), key=lambda each: each.retired):
            by_key.setdefault(_key(kind, record), record)
    planner = _Planner(workspace, kind, parse_cell, by_id, by_key)
    planned = []
    for done, row in enumerate(rows):
        on_progress(done, len(rows))
        try:
            planned.append(await planner.plan(row))
        except Refused as problem:
            raise _row_refused(row.number, problem) from None
    await _check_rows(workspace, planned)
    return TablePlan(tuple(planned))


def _read_rows(path: Path, heads: _Heads) -> list[TableRow]:
    try:
        rows = read_table(path.read_text(encoding="utf-8-sig"), heads.property)
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=quote_value(str(path))) from None
    return [_listed_row(row, heads.kind) for row in rows]


def _listed_row(row: TableRow, kind: Kind) -> TableRow:
    """Unpack a row of what `list --json` prints; any other stays as it is."""
    values = row.values.get("values")
    if row.values.keys() != _LISTED_KEYS or not isinstance(values, dict):
        return row
    if row.values["kind"] != kind.name:
        problem = Refused("it is of the kind {other}, not {kind}", other=str(row.values["kind"]), kind=kind.name)
        raise _row_refused(row.number, problem)
    key = {} if kind.within or kind.key in values else {kind.key: row.values["key"]}
    return TableRow(row.number, {**key, **values})


def _each_row(row: TableRow, heads: _Heads) -> _Row:
    """A row by the names of the properties; a column may be headed by a label."""
    cells: dict[str, Any] = {}
    try:
        for head, cell in row.values.items():
            prop = heads.property(head)
            if prop is None:
                continue
            if prop.name in cells:
                raise Refused("{property} is given twice: give it once.", property=prop.name)
            cells[prop.name] = cell
        seen = row.values.get(SEEN_HEAD)
        return _Row(row.number, cells, None if seen is None else parse_seen(seen))
    except Refused as problem:
        raise _row_refused(row.number, problem) from None


def _without_copies(kind: Kind, rows: Sequence[_Row]) -> list[_Row]:
    """Take what was seen from rows that were copied to make something new.

    The original still has its key.
    """
    count = Counter(row.seen.entity for row in rows if row.seen)
    found = []
    originals: set[bytes] = set()
    for row in rows:
        if row.seen is None or count[row.seen.entity] == 1:
            found.append(row)
            continue
        has_key = all(_is_untouched(row.seen.cells.get(name), row.cells.get(name)) for name in _key_names(kind))
        if has_key:
            originals.add(row.seen.entity)
        found.append(row if has_key else _Row(row.number, row.cells, None))
    for row in rows:
        if row.seen and count[row.seen.entity] > 1 and row.seen.entity not in originals:
            problem = Refused("several rows are about the same {kind}, and none has its key", kind=kind.name)
            raise _row_refused(row.number, problem)
    return found


class _Planner:
    """Plans row by row."""

    def __init__(
        self,
        workspace: DeviceContext,
        kind: Kind,
        parse_cell: ParseCell,
        by_id: Mapping[bytes, Record],
        by_key: Mapping[tuple[Value, ...], Record],
    ) -> None:
        self._workspace = workspace
        self._kind = kind
        self._parse = parse_cell
        self._by_id = by_id
        self._by_key = by_key
        self._keys: set[tuple[Value, ...]] = set()
        self._entities: set[bytes] = set()

    async def plan(self, row: _Row) -> RowPlan:
        """Plan what a row comes to; raises Refused."""
        if row.seen is not None:
            plan = await self._plan_seen(row, row.seen)
        else:
            plan = await self._plan_by_key(row)
        if plan.shown.entity in self._entities:
            raise Refused("there is another row about the same {kind}", kind=self._kind.name)
        self._entities.add(plan.shown.entity)
        return plan

    async def _plan_by_key(self, row: _Row) -> RowPlan:
        wanted = {name: await self._parse(self._kind.property(name), cell) for name, cell in row.cells.items()}
        key = tuple(wanted.get(name) for name in _key_names(self._kind))
        if None in key:
            needed = ", ".join(_key_names(self._kind))
            raise Refused(
                "it has to say which {kind} it is about: {properties}", kind=self._kind.name, properties=needed
            )
        if key in self._keys:
            raise Refused("there is another row about the same {kind}", kind=self._kind.name)
        self._keys.add(key)
        there = self._by_key.get(key)
        if there is not None:
            if there.retired and RETIRED not in wanted:
                raise Refused("it is retired: set {property} = false to put it back in use", property=RETIRED)
            edits = _different(there, wanted)
            return RowPlan(row.number, "changed" if edits else "same", there, tuple(edits))
        stated = {name: value for name, value in wanted.items() if value is not None}
        new = Record(self._workspace.entropy(ID_BYTES))
        return RowPlan(row.number, "new", new, tuple(diff_edits(new, {KIND: self._kind.name, **stated})))

    async def _plan_seen(self, row: _Row, seen: Seen) -> RowPlan:
        """Plan a row of an exported table: only cells that were edited count."""
        shown = self._by_id[seen.entity]
        if shown.kind is None:
            raise Refused("what it is about is not here: sync with the device of which it was exported")
        if shown.kind != self._kind.name:
            raise Refused("it is about a {other}, and not a {kind}", other=shown.kind, kind=self._kind.name)
        edits: list[Edit] = []
        contested: set[str] = set()
        for name, cell in row.cells.items():
            then = seen.cells.get(name)
            if _is_untouched(then, cell):
                continue
            value = await self._parse(self._kind.property(name), cell)
            slot = shown.slot(name)
            if is_same_value(slot.value, value):
                continue
            if then is None or then.facts == {short_fact(leaf.fact) for leaf in slot.leaves}:
                edits += diff_edits(shown, {name: value})
                continue
            facts = await self._seen_facts(shown.entity, name, then)
            before = list(facts.values()) or [None]
            if facts and _is_all(before, value):  # not edited, but written in other letters
                continue
            if not slot.provisional and _is_all(before, slot.value):  # said again, or set and undone
                edits += diff_edits(shown, {name: value})
            else:
                edits.append(Edit(shown.entity, name, value, tuple(sorted(facts))))
                contested.add(name)
        outcome: Outcome = "same"
        if edits:
            outcome = "conflict" if contested or shown.retired else "changed"
        return RowPlan(row.number, outcome, shown, tuple(edits), frozenset(contested))

    async def _seen_facts(self, entity: bytes, name: str, then: SeenCell) -> dict[bytes, Value]:
        """The facts that the author of a cell was shown, and their values.

        Raises Refused if they are not all here.
        """
        known = await self._workspace.view().slot_facts(entity, name)
        shown = {fact: stated for fact, stated in known.items() if short_fact(fact) in then.facts}
        if len(shown) < len(then.facts):
            raise Refused(
                "{property}: what it was exported of is not here: sync with the device of which it was exported",
                property=name,
            )
        return shown


def _is_all(values: Sequence[Value], value: Value) -> bool:
    return all(is_same_value(each, value) for each in values)


def _is_untouched(then: SeenCell | None, cell: Any) -> bool:
    """Whether a cell is as it was exported.

    An empty one of what is set states nothing either.
    """
    return then is not None and (cell is None if not then.facts else cell_digest(cell) == then.digest)


def _different(there: Record, wanted: Mapping[str, Value]) -> list[Edit]:
    """The edits to what a row says.

    The pick of a conflict is not stated again: that would resolve it.
    """
    return diff_edits(
        there, {name: value for name, value in wanted.items() if not is_same_value(there.value(name), value)}
    )


def _key_names(kind: Kind) -> list[str]:
    return edit_check.key_properties(kind)


def _key(kind: Kind, record: Record) -> tuple[Value, ...]:
    return tuple(record.value(name) for name in _key_names(kind))


async def _check_rows(workspace: DeviceContext, planned: Sequence[RowPlan]) -> None:
    """Check all before anything is written.

    Raises Refused with the number of the first row that is refused.
    """
    try:
        await workspace.check(edit for row in planned for edit in row.edits)
    except Refused:
        for row in planned:
            try:
                await workspace.check(row.edits)
            except Refused as problem:
                raise _row_refused(row.number, problem) from None
        raise


def _row_refused(number: int, problem: Refused) -> Refused:
    return Refused("Row {row}: {why}", row=number, why=problem)
