"""What has changed at a place since a user's last visit; kept locally.

A visit is somebody's (several people share a device over SSH), and "new" is what the device has received since then, no
matter when it was written elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.records import Record
from core.schema import Property, Schema
from core.slots import Candidate, Slot
from core.store.store import Store
from core.values import is_same_value
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import _, language
from tui.layout import Column, Line, fit_pair, layout_columns
from tui.view_models.form import WIDE_COLUMNS, DisplayNames, author_columns, form_rows, format_value

_META_KEY = "tui.visit:{user}:{entity}"


@dataclass(frozen=True, slots=True)
class ChangedProperty:
    """A property whose value changed since the last visit, and its leaf."""

    prop: Property
    old: Slot
    new: Slot
    pick: Candidate | None


async def read_last_visit(store: Store, user: str, entity: bytes) -> int | None:
    """When `user` last looked at an entity here (microseconds since 1970 UTC).

    None if never.
    """
    kept = await store.read_meta(_META_KEY.format(user=user, entity=entity.hex()))
    text = bytes(kept).decode("ascii", "replace") if kept is not None else ""
    return int(text) if text.isascii() and text.isdigit() else None


async def save_visit(store: Store, user: str, entity: bytes, timestamp_us: int) -> None:
    """Remember that `user` looked at an entity at a time.

    In microseconds since 1970 UTC.

    Args:
        store: of this device.
        user: the user in front of the screen.
        entity: what was looked at.
        timestamp_us: the time.
    """
    await store.write_meta(_META_KEY.format(user=user, entity=entity.hex()), str(timestamp_us).encode("ascii"))


def changed_properties(before: Record, now: Record, schema: Schema, user: str, device: bytes) -> list[ChangedProperty]:
    """What differs between two records, without what `user` set here.

    Args:
        before: the record at the last visit.
        now: the record now.
        schema: the definitions of kinds and properties.
        user: the user in front of the screen.
        device: this device.
    """
    found = []
    for row in form_rows(now, schema):
        old = before.slot(row.prop.name)
        if old.state == row.slot.state and is_same_value(old.value, row.slot.value):
            continue
        pick = row.pick
        if pick is not None and (pick.user, pick.device) == (user, device) and row.slot.state != "conflict":
            continue
        found.append(ChangedProperty(row.prop, old, row.slot, pick))
    return found


def changed_property_line(
    new: ChangedProperty, width: int, label: int, names: DisplayNames, dates: DateFormatter
) -> Line:
    """A property's value before and now, and its author.

    Args:
        new: the property.
        width: the columns that a line may take.
        label: the columns of the labels.
        names: what entities and devices are called.
        dates: formats times.
    """
    author = author_columns(new.pick, width >= WIDE_COLUMNS, names, dates)
    before = format_value(new.prop, new.old.value, names) if new.old.leaves else _("not configured")
    after = format_value(new.prop, new.new.value, names) if new.new.leaves else _("not configured")
    room = width - label - 1 - sum(column.width or 0 for column in author) - 5
    before, after = fit_pair(before, after, max(8, room - 3))
    contested = new.new.state == "conflict"
    return layout_columns(
        width,
        [
            Column(new.prop.label(language()), label),
            Column(GLYPHS[new.new.state], 1, "attention" if contested else "plain"),
            Column(f"{before} → {after}", None, "attention" if contested else "plain"),
            *author,
        ],
    )
