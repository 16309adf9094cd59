"""What was new at a place since somebody last looked: the moment of each visit is kept on this device only.

A visit is somebody's (several people share a device over SSH), and "new" is what the device has received since then, no
matter when it was written elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.records import Record
from core.schema import Property, Schema
from core.slots import Candidate, Slot
from core.store.store import Store
from core.values import same
from tui.language.i18n import _, language
from tui.language.when import When
from tui.rows.forms import GLYPHS, Names, rows_of, shown
from tui.rows.lines import Column, Line, beside, columns

_KEY = "tui.visit:{user}:{entity}"


@dataclass(frozen=True, slots=True)
class New:
    """A property that shows something else than at the last visit, and who said so."""

    prop: Property
    old: Slot
    new: Slot
    said: Candidate | None


async def last_visit(store: Store, user: str, entity: bytes) -> int | None:
    """When `user` last looked at an entity here (microseconds since 1970 UTC), None if never."""
    kept = await store.get_meta(_KEY.format(user=user, entity=entity.hex()))
    text = bytes(kept).decode("ascii", "replace") if kept is not None else ""
    return int(text) if text.isascii() and text.isdigit() else None


async def visited(store: Store, user: str, entity: bytes, moment: int) -> None:
    """Remember that `user` looked at an entity at this moment."""
    await store.put_meta(_KEY.format(user=user, entity=entity.hex()), str(moment).encode("ascii"))


def news(before: Record, now: Record, schema: Schema, user: str, device: bytes) -> list[New]:
    """What differs between two records, without what `user` said on this device: that is no news to them."""
    found = []
    for row in rows_of(now, schema):
        old = before.slot(row.prop.name)
        if old.state == row.slot.state and same(old.value, row.slot.value):
            continue
        said = row.said
        if said is not None and (said.user, said.device) == (user, device) and row.slot.state != "conflict":
            continue
        found.append(New(row.prop, old, row.slot, said))
    return found


def news_line(new: New, width: int, label: int, names: Names, when: When) -> Line:
    """What a property was and is, and who said so."""
    wide = width >= 100
    people, time, device = (14, 17, 12) if wide else (9, 9, 7)
    said = new.said
    moment = "" if said is None else when.dated(said.at) if wide else when.brief(said.at)
    before = shown(new.prop, new.old.value, names) if new.old.leaves else _("not configured")
    after = shown(new.prop, new.new.value, names) if new.new.leaves else _("not configured")
    room = width - label - 1 - people - time - device - 5
    before, after = beside(before, after, max(8, room - 3))
    contested = new.new.state == "conflict"
    return columns(
        width,
        [
            Column(new.prop.label(language()), label),
            Column(GLYPHS[new.new.state], 1, "attention" if contested else "plain"),
            Column(f"{before} → {after}", None, "attention" if contested else "plain"),
            Column(said.user if said else "", people, "dim"),
            Column(moment, time, "dim"),
            Column(names.device(said.device) if said else "", device, "dim"),
        ],
    )
