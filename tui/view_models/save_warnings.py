"""Warnings before edits are saved.

What others set meanwhile, and what the new values clash with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.records import Edit, Record
from core.schema import KIND, RETIRED, Property, Schema
from core.slots import Candidate
from core.store.view import View
from core.value_codec import Value
from tui.i18n.translate import _, format_number, language
from tui.layout import cut
from tui.view_models.breadcrumbs import breadcrumbs
from tui.view_models.form import DisplayNames, FormRow, format_value, value_references

if TYPE_CHECKING:
    from core.inbox import InboxItem

MAX_CLASHES = 4
"""Clashes that are listed one by one, so that the edits stay in sight."""
MAX_CHECKED_ENTITIES = 100
"""Entities whose clashes are looked for before something is restored: each costs a reading."""
_MAX_VALUE_COLUMNS = 60
"""Columns of a value in a sentence, so that the sentence can be read."""


def newer_value_text(prop: Property, newer: Candidate, names: DisplayNames) -> str:
    """A value that somebody else has set, in a few words."""
    value = cut(format_value(prop, newer.value, names), _MAX_VALUE_COLUMNS)
    return _("{user} meanwhile: {value}").format(user=newer.user, value=value)


def newer_value_warnings(rows: Iterable[FormRow], names: DisplayNames) -> list[str]:
    """The values that others have set since the edits began, and what comes of it."""
    warnings = [
        _("{label}: {user} set “{value}” meanwhile.").format(
            label=row.prop.label(language()),
            user=row.newer_candidate.user,
            value=cut(format_value(row.prop, row.newer_candidate.value, names), _MAX_VALUE_COLUMNS),
        )
        for row in rows
        if row.newer_candidate
    ]
    both = _("If you save, both stay until somebody resolves it; edit the line again to replace it.")
    return [*warnings, both] if warnings else []


async def clash_warnings(
    view: View, schema: Schema, wanted: Mapping[bytes, tuple[Record, Mapping[str, Value]]]
) -> list[str]:
    """A sentence for each clash and each reference to something retired.

    That these values would make; `inbox_notice` says what comes of them.
    """
    from core.workspace.conflict_preview import preview_conflicts

    found = await preview_conflicts(view, schema, wanted)
    others = {e for item in found[:MAX_CLASHES] for e in _other_entities(item, wanted)[:2]}
    called = await breadcrumbs(others, view, schema)
    texts = [
        _clash_text(item, schema, [called[e] for e in _other_entities(item, wanted)[:2]])
        for item in found[:MAX_CLASHES]
    ]
    if len(found) > MAX_CLASHES:
        texts.append(_("… and {count} more").format(count=format_number(len(found) - MAX_CLASHES)))
    return texts + await _retired_warnings(view, schema, wanted)


async def edit_warnings(view: View, schema: Schema, edits: Sequence[Edit]) -> list[str]:
    """The warnings of edits that restore something.

    Those of `edit_clashes`, and what comes of it.
    """
    clashing = await edit_clashes(view, schema, edits)
    return clashing + inbox_notice(clashing)


async def edit_clashes(view: View, schema: Schema, edits: Sequence[Edit]) -> list[str]:
    """The sentences of `clash_warnings` for edits.

    There are none for very many edits: what clashes is in the inbox afterwards.
    """
    by_entity: dict[bytes, dict[str, Value]] = {}
    for each in edits:
        by_entity.setdefault(each.entity, {})[each.property] = each.value
    if len(by_entity) > MAX_CHECKED_ENTITIES:
        return []
    wanted: dict[bytes, tuple[Record, Mapping[str, Value]]] = {}
    for entity, values in by_entity.items():
        record = await view.record(entity, schema)
        if values.get(RETIRED, record.retired) is True:
            continue
        # Of what is put back in use all values count again.
        again = {name: slot.value for name, slot in record.slots.items()} if record.retired else {}
        counting = {name: value for name, value in {**again, **values}.items() if name not in (KIND, RETIRED)}
        wanted[entity] = (replace(record, retired=False), counting)
    return await clash_warnings(view, schema, wanted)


async def _retired_warnings(
    view: View, schema: Schema, wanted: Mapping[bytes, tuple[Record, Mapping[str, Value]]]
) -> list[str]:
    """A sentence for each retired entity that is referred to."""
    labels = {
        entity: schema.property(record.kind, name).label(language())
        for record, values in wanted.values()
        for name, value in values.items()
        for entity in value_references(value)
    }
    retired = set(await view.retired(labels)) - wanted.keys()
    called = await breadcrumbs(retired, view, schema)
    return [
        _("{label}: {other} is retired.").format(label=labels[entity], other=called[entity])
        for entity in sorted(retired, key=called.__getitem__)[:MAX_CLASHES]
    ]


def inbox_notice(clashing: Sequence[str]) -> list[str]:
    """What comes of clashes, to stand below them."""
    return [_("If you save, that becomes an item in the inbox.")] if clashing else []


def _other_entities(item: InboxItem, wanted: Mapping[bytes, object]) -> Sequence[bytes]:
    """Whom it clashes with: those that are not edited, or, if all are, all."""
    return [entity for entity in item.entities if entity not in wanted] or item.entities


def _clash_text(item: InboxItem, schema: Schema, others: list[str]) -> str:
    label = schema.property(item.kind, item.property).label(language())
    names = ", ".join(others)
    if item.type == "overlap":
        return _("{label} overlaps that of {others}.").format(label=label, others=names)
    return _("{label} is in use already: {others}.").format(label=label, others=names)
