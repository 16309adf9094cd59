"""`mirror --check` finds what differs anywhere, holding a part at a time."""

from __future__ import annotations

import pytest

from core.mirror import comparison, mirror
from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal

INVENTED = "INSERT INTO fieldline.entities (entity_id, entity, retired, title) VALUES (%s, %s, false, '') RETURNING 1"
FACT = (
    "INSERT INTO fieldline.facts (fact_id, effective_at, entity_id, property_id, device_id, accepted, value)"
    " SELECT f.fact_id, f.effective_at, %s, f.property_id, f.device_id, true, '1' FROM fieldline.facts f"
    " ORDER BY f.effective_at LIMIT 1 RETURNING 1"
)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps and pages end in the middle of entities."""
    monkeypatch.setattr(comparison, "ENTITIES_PER_STEP", 7)
    monkeypatch.setattr(mirror, "ROWS_PER_PAGE", 11)


def _differences(device: Terminal, dsn: str) -> list[tuple[str, str, str]]:
    result = device.call("mirror", dsn, "--check", "--json")
    return [(each["table"], each["at"], each["entity"]) for each in result.json["differences"]]


def test_what_only_the_mirror_has_is_found(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    assert _differences(demo, dsn) == []
    for number, entity in ((900_001, b"\0" * 16), (900_002, b"\x80" * 16), (900_003, b"\xff" * 16)):
        query(dsn, INVENTED, number, entity)
        query(dsn, FACT, number)
    found = _differences(demo, dsn)
    assert {entity for _, _, entity in found} == {byte * 16 for byte in ("00", "80", "ff")}
    assert len(found) == len(set(found)) == 3 * (1 + len(comparison.SAMPLES))


def test_what_the_mirror_lacks_is_found(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    last = query(dsn, "SELECT entity FROM fieldline.current ORDER BY entity DESC LIMIT 1")[0][0]
    query(
        dsn,
        "DELETE FROM fieldline.facts WHERE entity_id = (SELECT entity_id FROM fieldline.entities WHERE entity = %s)"
        " RETURNING 1",
        last,
    )
    found = _differences(demo, dsn)
    assert {entity for _, _, entity in found} == {last.hex()}
    assert ("current", None, last.hex()) in found
