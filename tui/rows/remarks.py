"""What to know before edits are saved: what others said meanwhile, and with what the new values would clash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.changes import Value
from core.inbox import Matter
from core.records import Edit, Record
from core.schema import KIND, RETIRED, Property, Schema
from core.slots import Candidate
from core.store.view import View
from core.workspace.clashing import clashes
from tui.language.i18n import _, language, number
from tui.rows.forms import FormRow, Names, referred, shown
from tui.rows.lines import cut
from tui.rows.naming import paths

MOST = 4
"""Clashes that are told one by one."""
MOST_LOOKED_AT = 100
"""Entities whose clashes are looked for before something is brought back."""
_LONGEST = 60


def said_meanwhile(prop: Property, said: Candidate, names: Names) -> str:
    """What somebody else said of a property, in a few words."""
    value = cut(shown(prop, said.value, names), _LONGEST)
    return _("{user} meanwhile: {value}").format(user=said.user, value=value)


def meanwhile(rows: Iterable[FormRow], names: Names) -> list[str]:
    """What others said since the edits began, and what comes of it."""
    told = [
        _("{label}: {user} said “{value}” meanwhile.").format(
            label=row.prop.label(language()),
            user=row.news.user,
            value=cut(shown(row.prop, row.news.value, names), _LONGEST),
        )
        for row in rows
        if row.news
    ]
    both = _("If you save, both stay until somebody settles it; edit the line again to replace it.")
    return [*told, both] if told else []


async def clash_remarks(
    view: View, schema: Schema, wanted: Mapping[bytes, tuple[Record, Mapping[str, Value]]]
) -> list[str]:
    """A sentence for each clash that these values would make, and for each reference to something out of use;
    `consequence` says what comes of them.
    """
    found = await clashes(view, schema, wanted)
    others = {e for matter in found[:MOST] for e in _others(matter, wanted)[:2]}
    called = await paths(others, view, schema)
    texts = [_clash(matter, schema, [called[e] for e in _others(matter, wanted)[:2]]) for matter in found[:MOST]]
    if len(found) > MOST:
        texts.append(_("… and {count} more").format(count=number(len(found) - MOST)))
    return texts + await _out_of_use(view, schema, wanted)


async def edits_clash(view: View, schema: Schema, edits: Sequence[Edit]) -> list[str]:
    """What to know of edits that bring something back: as `clash_remarks`, and what comes of it.

    Of very many nothing is told: what clashes is in the inbox afterwards.
    """
    by_entity: dict[bytes, dict[str, Value]] = {}
    for each in edits:
        by_entity.setdefault(each.entity, {})[each.property] = each.value
    if len(by_entity) > MOST_LOOKED_AT:
        return []
    wanted: dict[bytes, tuple[Record, Mapping[str, Value]]] = {}
    for entity, values in by_entity.items():
        record = await view.record(entity, schema)
        if values.get(RETIRED, record.retired) is True:
            continue
        # Of what comes back into use all that it says counts again.
        again = {name: slot.value for name, slot in record.slots.items()} if record.retired else {}
        counting = {name: value for name, value in {**again, **values}.items() if name not in (KIND, RETIRED)}
        wanted[entity] = (replace(record, retired=False), counting)
    clashing = await clash_remarks(view, schema, wanted)
    return clashing + consequence(clashing)


async def _out_of_use(
    view: View, schema: Schema, wanted: Mapping[bytes, tuple[Record, Mapping[str, Value]]]
) -> list[str]:
    """A sentence for each thing out of use that is referred to."""
    labels = {
        entity: schema.property(record.kind, name).label(language())
        for record, values in wanted.values()
        for name, value in values.items()
        for entity in referred(value)
    }
    retired = set(await view.retired(labels)) - wanted.keys()
    called = await paths(retired, view, schema)
    return [
        _("{label}: {other} is out of use.").format(label=labels[entity], other=called[entity])
        for entity in sorted(retired, key=called.__getitem__)[:MOST]
    ]


def consequence(clashing: Sequence[str]) -> list[str]:
    """What comes of clashes, to stand below them."""
    return [_("If you save, that is a matter for the inbox.")] if clashing else []


def _others(matter: Matter, wanted: Mapping[bytes, object]) -> Sequence[bytes]:
    """Whom it clashes with: those that are not edited, or, if all are, all."""
    return [entity for entity in matter.entities if entity not in wanted] or matter.entities


def _clash(matter: Matter, schema: Schema, others: list[str]) -> str:
    label = schema.property(matter.kind, matter.property).label(language())
    names = ", ".join(others)
    if matter.type == "overlap":
        return _("{label} overlaps that of {others}.").format(label=label, others=names)
    return _("{label} is in use already: {others}.").format(label=label, others=names)
