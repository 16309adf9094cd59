"""What goes first to a device that lacks much: what is configured where it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from core.schema_toml import load_builtin_schema
from core.service.location import LOCATION_META_KEY, find_nearby_entities
from core.sync import location_hint
from core.value_codec import Ref
from core.workspace import Workspace


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[tuple[Workspace, dict[str, bytes]]]:
    """Three localities with two places each."""
    workspace = await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="Nord", schema=load_builtin_schema("service-centre"), device_name="K1"
    )
    ids: dict[str, bytes] = {}
    for code in ("241", "242", "243"):
        values = {"code": code, "name": f"TSC {code}", "subnet": f"10.{code}.1.0/24"}
        ids[code] = (await workspace.create("locality", values, None)).entity
        for lane in ("Lane 1", "Lane 2"):
            place = {"name": lane, "locality": Ref(ids[code])}
            ids[f"{code}/{lane}"] = (await workspace.create("place", place, None)).entity
    yield workspace, ids
    await workspace.close()


def of(ids: dict[str, bytes], code: str) -> set[bytes]:
    return {entity for name, entity in ids.items() if name.startswith(code)}


@pytest.mark.parametrize("are_networks_read", [False, True])
async def test_an_address_or_a_place_stands_for_its_whole_locality(
    fleet: tuple[Workspace, dict[str, bytes]], are_networks_read: bool
) -> None:
    workspace, ids = fleet
    if are_networks_read:
        await workspace.inbox()
    by_address = location_hint.encode_location_hint([], [ip_address("10.242.1.77")])
    assert set(await find_nearby_entities(workspace, by_address)) == of(ids, "242")
    by_place = location_hint.encode_location_hint([ids["243/Lane 1"]], [])
    assert set(await find_nearby_entities(workspace, by_place)) == of(ids, "243")
    both = location_hint.encode_location_hint([ids["241"]], [ip_address("10.243.1.1"), ip_address("fe80::1")])
    assert set(await find_nearby_entities(workspace, both)) == of(ids, "241") | of(ids, "243")


async def test_who_says_nothing_that_is_known_is_taken_to_stand_beside_this_device(
    fleet: tuple[Workspace, dict[str, bytes]],
) -> None:
    workspace, ids = fleet
    unknown = location_hint.encode_location_hint([b"?" * 16], [ip_address("192.0.2.1")])
    assert await find_nearby_entities(workspace, unknown) == await find_nearby_entities(workspace, b"") == []
    await workspace.store.write_meta(LOCATION_META_KEY, ids["242/Lane 2"])
    assert (
        set(await find_nearby_entities(workspace, unknown))
        == set(await find_nearby_entities(workspace, b""))
        == of(ids, "242")
    )
    elsewhere = location_hint.encode_location_hint([ids["241"]], [])
    assert set(await find_nearby_entities(workspace, elsewhere)) == of(ids, "241")
