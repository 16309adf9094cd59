"""Follow the values in use that changes change, each exactly once.

In the order in which the changes arrive in this store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.device.display_names import entities_in_value, plain_value
from core.errors import Refused
from core.fleet_secrets import is_secret
from core.store.queries import feed
from core.store.queries.feed import FeedEntry
from core.timestamps import format_timestamp
from core.value_codec import CHANGE_ID_BYTES, FACT_ID_BYTES
from core.values import quote_value
from core.workspace import revisions

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.entities import EntityName

START = "start"
"""Where somebody begins who wants all that there ever was."""


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """An entry of the feed, with the present names of its entities and device."""

    entry: FeedEntry
    names: dict[bytes, EntityName]
    device_name: str

    @property
    def kind(self) -> str | None:
        """The kind of the entity."""
        return self.names[self.entry.entity].kind

    @property
    def is_effect(self) -> bool:
        """Whether nobody set the value: facts gained or lost their effect."""
        return self.entry.reason == feed.EFFECT

    def as_json(self) -> dict[str, Any]:
        """The object that `watch --json` prints and hooks get."""
        entry, name = self.entry, self.names[self.entry.entity]
        return {
            "change": entry.position[:CHANGE_ID_BYTES].hex(),
            "fact": entry.position.hex(),
            "reason": entry.reason,
            "entity": entry.entity.hex(),
            "kind": name.kind,
            "key": name.key,
            "property": entry.property,
            "before": plain_value(entry.before, self.names),
            "after": plain_value(entry.after, self.names),
            "at": format_timestamp(entry.at_us),
            "user": entry.user,
            "device": entry.device.hex(),
        }


@dataclass(frozen=True, slots=True)
class FeedStep:
    """The next entries, the cursor behind them, and whether all has been read."""

    entries: tuple[NamedEntry, ...]
    cursor: int
    is_last: bool


async def find_cursor(workspace: DeviceContext, since: str | None) -> int:
    """Find where to begin: behind a change, or an entry's fact, both in hex.

    Behind all if None, before all for `start`.

    Raises Refused if it is not here.
    """
    if since is None:
        return await workspace.store.run(feed.read_feed_end)
    if since == START:
        return 0
    position = bytes.fromhex(since) if _is_position(since) else await revisions.find_change(workspace.store, since)
    found = await workspace.store.run(lambda connection: feed.find_feed_cursor(connection, position))
    if found is None:
        raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=quote_value(since))
    return found


def _is_position(text: str) -> bool:
    return len(text) in (2 * FACT_ID_BYTES, 2 * (CHANGE_ID_BYTES + feed.TURN_BYTES)) and not text.strip(
        "0123456789abcdefABCDEF"
    )


async def read_position(workspace: DeviceContext, cursor: int) -> str:
    """Give what `find_cursor` finds a cursor by, in any process."""
    position = await workspace.store.run(lambda connection: feed.read_feed_position(connection, cursor))
    return position.hex() or START


async def read_step(
    workspace: DeviceContext, cursor: int, *, kind: str | None = None, entity: bytes | None = None
) -> FeedStep:
    """Read the next entries behind a cursor, of one kind or entity only."""
    page = await workspace.store.run(lambda connection: feed.read_feed_page(connection, cursor, entity))
    entries = [entry for entry in page.entries if not is_secret(entry.entity, entry.property)]
    return FeedStep(await _with_names(workspace, entries, kind), page.cursor, page.is_last)


async def _with_names(
    workspace: DeviceContext, entries: Sequence[FeedEntry], kind: str | None
) -> tuple[NamedEntry, ...]:
    if not entries:
        return ()
    wanted = {entry.entity for entry in entries}
    wanted.update(e for entry in entries for value in (entry.before, entry.after) for e in entities_in_value(value))
    names = await workspace.store.now().names(wanted, await workspace.schema())
    members = (await workspace.membership()).members
    called = {device: member.name for device, member in members.items() if member.name}
    named = [NamedEntry(e, names, called.get(e.device, e.device.hex()[:8])) for e in entries]
    return tuple(each for each in named if kind is None or each.kind == kind)


async def follow(
    workspace: DeviceContext,
    cursor: int,
    *,
    kind: str | None = None,
    entity: bytes | None = None,
    idle_s: float | None = None,
) -> AsyncIterator[FeedStep]:
    """Give all steps behind a cursor, then each as it comes.

    Until the caller has enough.

    While nothing comes, an empty step is given every `idle_s` seconds, never if None.
    """
    while True:
        step = await read_step(workspace, cursor, kind=kind, entity=entity)
        yield step
        cursor = step.cursor
        if step.is_last:
            while not await workspace.store.wait_for_change(idle_s):
                yield FeedStep((), cursor, True)
