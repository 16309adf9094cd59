"""Show what a verb writes, or would write.

Each property with its value before and after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.fleet_secrets import HIDDEN_TEXT, is_secret
from core.records import Edit
from core.schema import KIND, in_schema_order
from core.slots import Slot
from core.store.entities import EntityName
from core.value_codec import Ref, Value
from core.workspace import Workspace
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter
from tui.cli.help import option
from tui.i18n.translate import N_, _, language, ngettext

DRY_RUN_OPTION = option("--dry-run", is_flag=True, help=N_("Write nothing, only show what would be written."))
_MAX_DEPTH = 4
"""How many things that are new may be called by one another."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What becomes of one property."""

    entity: bytes
    property: str
    before: Slot
    new: Value


async def read_plan(formatter: Formatter, edits: Sequence[Edit]) -> list[PlanLine]:
    """The lines of edits that are not saved yet.

    The formatter then knows all names in them.
    """
    edits = [replace(edit, value=HIDDEN_TEXT) if is_secret(edit.entity, edit.property) else edit for edit in edits]
    records = await formatter.view.records_by_id({edit.entity for edit in edits}, formatter.schema)
    lines = [
        PlanLine(edit.entity, edit.property, records[edit.entity].slot(edit.property), edit.value) for edit in edits
    ]
    await formatter.load_names(
        (line.entity for line in lines), [v for line in lines for v in (line.before.value, line.new)]
    )
    stated: dict[bytes, dict[str, Value]] = {}
    for edit in edits:
        if records[edit.entity].kind is None:
            stated.setdefault(edit.entity, {})[edit.property] = edit.value
    for entity in stated:
        formatter.names[entity] = _new_name(formatter, entity, stated, _MAX_DEPTH)
    return in_schema_order(
        lines, lambda line: (line.entity, line.property), lambda e: formatter.names[e].kind, formatter.schema
    )


def _new_name(
    formatter: Formatter, entity: bytes, stated: Mapping[bytes, Mapping[str, Value]], depth: int
) -> EntityName:
    """What something is called that is not there yet."""
    if entity not in stated or not depth:
        return formatter.names[entity]
    values = stated[entity]
    kind = formatter.schema.kind(str(values.get(KIND)))
    key = str(values.get(kind.key, entity.hex()[:8]))
    around = values.get(kind.within or "")
    outer = _new_name(formatter, around.entity, stated, depth - 1).key if isinstance(around, Ref) else None
    return EntityName(entity, kind.name, f"{outer}/{key}" if outer else key, key)


def plan_json(formatter: Formatter, lines: Sequence[PlanLine]) -> list[dict[str, Any]]:
    """A plan as JSON."""
    return [
        {
            **formatter.kind_json(line.entity),
            "property": line.property,
            "old": formatter.value_json(line.before.value),
            "new": formatter.value_json(line.new),
        }
        for line in lines
    ]


def print_plan_table(context: CliContext, formatter: Formatter, lines: Sequence[PlanLine]) -> None:
    """A plan for people; that something new is of its kind goes without saying."""
    rows = []
    for line in lines:
        if line.property == KIND:
            continue
        name = formatter.names[line.entity]
        prop = formatter.schema.property(name.kind, line.property)
        old, new = formatter.slot_text(prop, line.before), formatter.value_text(prop, line.new)
        rows.append([formatter.entity_text(line.entity), prop.label(language()), f"{old} → {new}"])
    if rows:
        context.print_table(rows, shrinkable=(2, 0))


async def print_dry_run(
    context: CliContext, workspace: Workspace, results: Sequence[Edit] | None = None, **more: Any
) -> None:
    """Print what a dry run would have written.

    `results` are the edits as they come out, where they are others.
    """
    formatter = await Formatter.create(workspace)
    lines = await read_plan(formatter, (workspace.planned or []) if results is None else results)
    if context.json:
        context.print_json({"change": None, "facts": len(lines), **more, "plan": plan_json(formatter, lines)})
        return
    print_plan_table(context, formatter, lines)
    if lines:
        count = ngettext("{count} value", "{count} values", len(lines))
        context.print_message(_("{facts} would be saved; nothing was written.").format(facts=count))
    else:
        context.print_message(_("Nothing is different: nothing was written."))
