"""What people type to see only some changes, read on a small fleet of two devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from core.errors import Refused
from core.schema_toml import load_builtin_schema
from core.store.queries.log import LogFilter
from core.value_codec import Ref
from core.workspace import Workspace, log_query

DAY = 86_400_000_000
BEGIN = 1_767_225_600_000_000
"""2026-01-01 in UTC."""


class Clock:
    """A clock that stands where it was set."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    """Two localities, each with a place of the same name, and a correction."""
    clock = Clock()
    schema = load_builtin_schema("service-centre")
    async with await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=schema, device_name="K1", clock=clock
    ) as made:
        await made.admit("00112233445566778899aabbccddeeff", "technician", "K2")
        places = []
        for code in ("241", "242"):
            clock.now += DAY
            locality = Ref(
                (await made.create("locality", {"code": code, "name": f"TSC {code}"}, "new locality")).entity
            )
            made.user = "Müller"
            places.append(await made.create("place", {"name": "Lane 1", "locality": locality, "printer": "Brix"}))
            made.user = "Maier"
        clock.now += DAY
        record = await made.record(places[-1].entity)
        await made.set(record, {"printer": 'Acme "5020"'}, "toner leak")
        yield made


async def _count(workspace: Workspace, text: str) -> int:
    view = workspace.store.now()
    return await view.count_log_entries(await log_query.parse_log_query(text, workspace, view, zone=UTC))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 7),
        ("toner", 1),
        ("TONER Leak", 1),
        ("by:müller", 2),
        ("by:mai", 5),
        ("by:maier toner", 1),
        ("BY:Maier since:2026-01-04", 1),
        ("on:k1", 7),
        ("on:K2", 0),
        ('of:"TSC 241"', 1),
        ('"new locality"', 2),
        ("locality:242", 1),
        ('place:"242/Lane 1"', 2),
        ('of:"242/Lane 1"', 2),
        ("property:printer", 3),
        ("property:Drucker", 3),
        ('place:"242/Lane 1" property:printer since:2026-01-04', 1),
        ("since:2026-01-02 until:2026-01-02T23:59", 2),
        ("until:2026-01-01", 2),
        ("since:-1d", 3),
        ('von:maier Eigenschaft:Drucker zu:"place:242/Lane 1" seit:4.1.2026 bis:-0s', 1),
        ("auf:K2", 0),
    ],
)
async def test_what_is_let_through(workspace: Workspace, text: str, count: int) -> None:
    assert await _count(workspace, text) == count


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("by:nobody", "there are Maier, Müller"),
        ("by:m", "could be any of Maier, Müller"),
        ("on:K9", "there are K1, K2"),
        ("of:nowhere", "kind:key with one of locality, place"),
        ('of:"Lane 1"', "could be any of place:241/Lane 1, place:242/Lane 1"),
        ("place:999/Lane", 'nothing here is called "place:999/Lane"'),
        ("property:colour", "there are"),
        ("since:tomorrow", "is not a time"),
        ("colour:red", "there are by:, on:, of:, property:, since: and until:"),
        ("von:nobody", "von: there is no"),
        ("by:", "needs a value"),
        ("since:2026-01-03 until:2026-01-02", "nothing can be between"),
    ],
)
async def test_what_is_not_understood_is_refused_with_what_is_possible(
    workspace: Workspace, text: str, says: str
) -> None:
    with pytest.raises(Refused) as refusal:
        await _count(workspace, text)
    assert says in str(refusal.value)


async def test_a_filter_narrows_down_the_one_it_is_within(workspace: Workspace) -> None:
    within = LogFilter(property="printer")
    found = await log_query.parse_log_query("by:maier", workspace, workspace.store.now(), zone=UTC, base=within)
    assert found == replace(within, user="Maier")
