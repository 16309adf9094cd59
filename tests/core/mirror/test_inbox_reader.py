"""The inbox of a running mirror is that of the device, though updated in part."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.inbox import InboxItem
from core.mirror.comparison import compare
from core.mirror.mirror import Mirror
from core.workspace import Workspace
from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal


async def _follow(demo: Terminal, dsn: str, changes: list[tuple[str, ...]]) -> list[bool]:
    """Mirror after each of these changes, with one connection.

    Gives whether the inbox was read for it.
    """
    was_read: list[bool] = []
    async with await Workspace.open(demo.home, user="Maier") as workspace:
        readings = 0

        async def read_inbox() -> Sequence[InboxItem]:
            nonlocal readings
            readings += 1
            return await workspace.inbox()

        async with await Mirror.open(workspace, read_inbox, dsn) as mirror:
            await mirror.update()
            for change in changes:
                before = readings
                await asyncio.to_thread(demo.ask, *change)
                await mirror.update()
                was_read.append(readings > before)
                items = await workspace.inbox()
                assert [each async for each in compare(mirror, workspace, items)] == []
                shown = sorted((i.type, i.kind or "", i.key or "", i.property, str(i.message)) for i in items)
                rows = query(
                    dsn, "SELECT type, coalesce(kind, ''), coalesce(key, ''), property, message FROM fieldline.inbox"
                )
                assert sorted(rows) == shown
    return was_read


def test_the_inbox_is_read_when_something_of_it_may_be_otherwise(demo: Terminal, dsn: str) -> None:
    conflict = next(item for item in demo.ask("inbox") if item["type"] == "conflict")
    about = {item["entity"] for item in demo.ask("inbox")}
    free = next(each["entity"] for each in demo.ask("list", "place") if each["entity"] not in about)
    devices = {each["device"]: each["changes"] for each in demo.ask("members")}
    del devices[demo.ask("status")["device"]]
    other = max(devices, key=lambda each: devices[each])
    was_read = asyncio.run(
        _follow(
            demo,
            dsn,
            [
                ("set", free, "avl_configuration=other.xml"),
                ("resolve", conflict["entity"], conflict["property"], "--take", conflict["candidates"][0]["fact"]),
                ("set", "locality:241", "code=998"),
                ("new", "place", "name=Here twice", "locality=locality:998", "docking_station=17e9:6006 #C928"),
                ("revoke", other, "--last", "none"),
            ],
        )
    )
    assert was_read[0] is False
    assert all(was_read[1:])
