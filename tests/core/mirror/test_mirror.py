"""The mirror says in SQL what `show` says, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.records import Edit
from core.schema import KEY, KIND, RETIRED
from core.timestamps import EPOCH
from core.value_codec import withdrawal_of
from core.workspace import Workspace
from tests.core.mirror.conftest import NOW_US
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until
from tests.support.postgres import Cluster

HISTORY = Path(__file__).parents[4] / "shared" / "data" / "site-history.jsonl"
SCHEMA = """name = "boxes"
[kinds.box]
key = "name"
[kinds.box.properties.name]
type = "text"
[kinds.box.properties.size]
type = "integer"
"""
SYSTEM = (KIND, RETIRED, KEY)


def query(dsn: str, statement: str, *params: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement, params or None)
        while cursor.nextset():
            pass
        return cursor.fetchall()


def entity_ids(dsn: str) -> list[bytes]:
    return [entity for (entity,) in query(dsn, "SELECT entity FROM fieldline.entities WHERE kind IS NOT NULL")]


def assert_equals_show(terminal: Terminal, dsn: str, times: list[int]) -> None:
    asyncio.run(_compare_with_show(terminal, dsn, times))


def assert_is_as_if_written_at_once(terminal: Terminal, dsn: str) -> None:
    """What was written bit by bit is what a mirror has that writes all anew."""
    tables = ("changes", "facts", "gaps", "obsoletes", "leaf_details", "entities")
    before = {table: query(dsn, f"SELECT * FROM fieldline.{table} ORDER BY 1, 2") for table in tables}
    query(dsn, "UPDATE fieldline.watermark SET source_order = '' RETURNING 1")
    terminal.ask("mirror", dsn, "--once")
    assert before == {table: query(dsn, f"SELECT * FROM fieldline.{table} ORDER BY 1, 2") for table in tables}


async def _compare_with_show(terminal: Terminal, dsn: str, times: list[int]) -> None:
    """Every slot of every entity, now and at these times.

    Value, state, pick, author and time.
    """
    from core.device.display_names import entities_in_value
    from tui.cli.formatting import Formatter, shown_properties

    columns = "entity, property, value, state, provisional, change, user_name, at, kind, key"
    async with await Workspace.open(terminal.home, user="Maier") as workspace:
        for at_us in (None, *times):
            view = workspace.view(at_us)
            formatter = await Formatter.create(workspace, view)
            if at_us is None:
                rows = query(dsn, f"SELECT {columns} FROM fieldline.current")
            else:
                rows = query(dsn, f"SELECT {columns} FROM fieldline.as_of(%s)", EPOCH + timedelta(microseconds=at_us))
            mirrored = {(row[0], row[1]): row[2:] for row in rows if row[1] not in SYSTEM}
            shown: dict[tuple[bytes, str], tuple[Any, ...]] = {}
            for record in (await view.records_by_id(entity_ids(dsn), formatter.schema)).values():
                values = [leaf.value for slot in record.slots.values() for leaf in slot.leaves]
                await formatter.load_names([record.entity, *(e for v in values for e in entities_in_value(v))], values)
                name = formatter.kind_json(record.entity)
                for prop in shown_properties(record, formatter.schema):
                    slot = formatter.slot_json(record.slot(prop.name))
                    if slot["state"] != "absent" and prop.name not in SYSTEM:
                        first = slot["candidates"][0]
                        shown[record.entity, prop.name] = (
                            slot["value"],
                            slot["state"],
                            slot["provisional"],
                            bytes.fromhex(first["fact"])[:32],
                            first["user"],
                            datetime.fromisoformat(first["at"]),
                            name["kind"],
                            name["key"],
                        )
            assert mirrored.keys() == shown.keys()
            assert mirrored == shown


def random_times(dsn: str, count: int) -> list[int]:
    ((first, last),) = query(dsn, "SELECT min(effective_at), max(effective_at) FROM fieldline.facts")
    start, end = (round((at - EPOCH).total_seconds() * 1_000_000) for at in (first, last))
    chance = random.Random(7)
    return [chance.randint(start, end) for _ in range(count)]


def test_the_demonstration_is_in_sql_what_show_says(demo: Terminal, dsn: str) -> None:
    result = demo.ask("mirror", dsn, "--once")
    status = demo.ask("status")
    assert result["changes"] == status["changes"]
    assert result["root"] == status["root"]
    assert query(dsn, "SELECT changes, encode(root, 'hex') FROM fieldline.watermark") == [
        (status["changes"], status["root"])
    ]
    assert query(dsn, "SELECT count(*) FROM fieldline.current WHERE provisional") == [(status["conflicts"],)]
    assert len(query(dsn, "SELECT 1 FROM fieldline.inbox")) == len(demo.ask("inbox")) > 0
    assert_equals_show(demo, dsn, random_times(dsn, 5))
    assert demo.ask("mirror", dsn, "--check")["differences"] == []


@pytest.mark.skipif(not HISTORY.exists(), reason="the real history is not beside this checkout")
@pytest.mark.parametrize(("most", "moments"), [(250, 2), pytest.param(None, 20, marks=pytest.mark.soak)])
def test_a_real_history_is_in_sql_what_show_says(tmp_path: Path, dsn: str, most: int | None, moments: int) -> None:
    device = Terminal(tmp_path / "home")
    device.ask("init", "--fleet", "Nord", "--schema", "site-network")
    lines = HISTORY.read_text(encoding="utf-8").splitlines(keepends=True)[:most]
    cut = len(lines) * 3 // 5
    for number, some in enumerate((lines[:cut], lines[cut:])):
        part = tmp_path / f"{number}.jsonl"
        part.write_text("".join(some), encoding="utf-8")
        device.ask("import", str(part))
        # The second time what is new is written beside what is there.
        device.ask("mirror", dsn, "--once")
    assert_equals_show(device, dsn, random_times(dsn, moments))
    assert device.ask("mirror", dsn, "--check")["differences"] == []


def test_what_is_new_is_written_beside_what_is_there(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    (place,) = query(
        dsn, "SELECT kind || ':' || key FROM fieldline.entities WHERE kind = 'place' ORDER BY key LIMIT 1"
    )[0]
    demo.ask("set", place, "printer=Brix 99")
    result = demo.ask("mirror", dsn, "--once")
    assert result["changes"] <= 2
    assert demo.ask("mirror", dsn, "--once") | {"seconds": 0} == {
        "changes": 0, "facts": 0, "root": demo.root(), "seconds": 0,
    }  # fmt: skip
    assert_equals_show(demo, dsn, [NOW_US])


def test_what_is_undone_and_redone_is_in_sql_what_show_says(demo: Terminal, dsn: str) -> None:
    """Whether the mirror saw each step or only what came of all."""
    (first, *_) = [each for each in demo.ask("inbox") if each["type"] == "conflict"]
    demo.ask("mirror", dsn, "--once")
    named = (f"{first['kind']}:{first['key']}", first["property"])
    change = demo.ask("resolve", *named, "--take", first["candidates"][-1]["fact"])["change"]
    for number in range(3):  # undone, redone, and undone again
        change = demo.ask("undo", change)["change"]
        if number != 1:
            demo.ask("mirror", dsn, "--once")
            assert_equals_show(demo, dsn, random_times(dsn, 2))
    assert demo.ask("mirror", dsn, "--check")["differences"] == []
    query(dsn, "DROP SCHEMA fieldline CASCADE; SELECT 1")
    demo.ask("mirror", dsn, "--once")
    assert demo.ask("mirror", dsn, "--check")["differences"] == []


def test_what_is_called_otherwise_is_so_wherever_it_is_named(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    demo.ask("set", "locality:241", "code=999")
    demo.ask("mirror", dsn, "--once")
    rows = query(dsn, "SELECT key, locality FROM fieldline.kind_place JOIN fieldline.entities USING (entity)")
    assert [row for row in rows if row[0].startswith("241/") or row[1] == "241"] == []
    assert [row for row in rows if row[0].startswith("999/") and row[1] == "999"] != []
    assert demo.ask("mirror", dsn, "--check")["differences"] == []
    assert_is_as_if_written_at_once(demo, dsn)


def test_what_a_revoked_device_wrote_is_taken_out(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    devices = {each["device"]: each for each in demo.ask("members")}
    here = demo.ask("status")["device"]
    other = max((each for each in devices if each != here), key=lambda each: devices[each]["changes"])
    before = query(dsn, "SELECT count(*) FROM fieldline.current WHERE device = decode(%s, 'hex')", other)
    demo.ask("revoke", other, "--last", "none")
    demo.ask("mirror", dsn, "--once")
    after = query(dsn, "SELECT count(*) FROM fieldline.current WHERE device = decode(%s, 'hex')", other)
    assert before > after == [(0,)]
    assert demo.ask("mirror", dsn, "--check")["differences"] == []
    assert_is_as_if_written_at_once(demo, dsn)


async def _withdraw(terminal: Terminal, fact: bytes) -> bytes:
    """Withdraw a fact about the first locality's name; gives the fact that does."""
    async with await Workspace.open(terminal.home, user="Maier") as workspace:
        entity = await workspace.find("locality:241")
        change = await workspace.save_unchecked([Edit(entity, "name", withdrawal_of([fact]), (fact,))])
        assert change is not None
        place = "SELECT id % 512 FROM facts WHERE id / 512 = (SELECT id FROM changes WHERE hash = ?) AND current = 2"
        (index,) = await workspace.store.run(lambda store: store.execute(place, (change,)).fetchone())
        return change + int(index).to_bytes(2, "big")


def test_what_is_withdrawn_counts_again_in_sql_too(demo: Terminal, dsn: str) -> None:
    demo.ask("set", "locality:241", "name=Wrong")
    demo.ask("mirror", dsn, "--once")
    fact = bytes.fromhex(demo.ask("show", "locality:241")["slots"]["name"]["candidates"][0]["fact"])
    name = "SELECT name FROM fieldline.kind_locality WHERE code = '241'"
    for expected in (True, False, True):
        assert (query(dsn, name) == [("Wrong",)]) is expected
        fact = asyncio.run(_withdraw(demo, fact))
        demo.ask("mirror", dsn, "--once")
        assert demo.ask("mirror", dsn, "--check")["differences"] == []
    changed = query(dsn, "SELECT effective_at FROM fieldline.history WHERE key = '241' AND property = 'name'")
    times = [round((at - EPOCH).total_seconds() * 1_000_000) + step for (at,) in changed for step in (-1, 0)]
    assert_equals_show(demo, dsn, times)
    assert query(dsn, "SELECT 1 FROM fieldline.gaps") != []
    assert_is_as_if_written_at_once(demo, dsn)


def test_a_store_that_went_back_is_noticed(demo: Terminal, dsn: str, tmp_path: Path) -> None:
    shutil.copytree(demo.home, tmp_path / "older")
    demo.ask("set", "locality:241", "name=Later")
    demo.ask("mirror", dsn, "--once")
    older = Terminal(tmp_path / "older")
    older.ask("set", "locality:241", "name=Instead")
    older.ask("mirror", dsn, "--once")
    assert query(dsn, "SELECT name FROM fieldline.kind_locality WHERE code = '241'") == [("Instead",)]
    assert older.ask("mirror", dsn, "--check")["differences"] == []


def test_values_have_types_and_what_does_not_fit_is_left_out(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    types = dict(
        query(
            dsn,
            "SELECT column_name::text, data_type::text FROM information_schema.columns"
            " WHERE table_schema = 'fieldline' AND table_name = 'kind_locality'",
        )
    )
    assert types["subnet"] == "cidr"
    assert types["name"] == "text"
    # A value of the past that the schema of today refuses stands in the way of nobody.
    query(
        dsn,
        "INSERT INTO fieldline.leaf_details SELECT fact_id, entity_id, true, false, false, '\"no network\"'"
        " FROM fieldline.slots JOIN fieldline.properties USING (property_id) WHERE property = 'subnet' RETURNING 1",
    )
    assert query(dsn, "SELECT count(subnet) FROM fieldline.kind_locality") == [(0,)]
    differences = demo.call("mirror", dsn, "--check", "--json").json["differences"]
    assert {each["property"] for each in differences} == {"subnet"}


def test_what_the_schema_refuses_is_in_no_column(tmp_path: Path, dsn: str) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA, encoding="utf-8")
    device = Terminal(tmp_path / "home")
    device.ask("init", "--fleet", "Nord", "--schema", str(schema))
    sizes = "SELECT name, size FROM fieldline.kind_box ORDER BY name"
    current = "SELECT key, value FROM fieldline.current WHERE property = 'size' ORDER BY key"
    # A is there when all is written at once, B comes later.
    for entity in ("A", "B"):
        edit = {"entity": f"box:{entity}", "kind": "box", "property": "size", "value": "many"}
        line = {"at": NOW_US // 1_000_000, "user": "Maier", "comment": "", "edits": [edit]}
        (tmp_path / "history.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        device.ask("import", str(tmp_path / "history.jsonl"))
        device.ask("mirror", dsn, "--once")
    assert query(dsn, sizes) == [("A", None), ("B", None)]
    assert query(dsn, current) == [("A", "many"), ("B", "many")]
    device.ask("set", "box:A", "size=7")
    schema.write_text(SCHEMA.replace('"integer"', '"text"'), encoding="utf-8")
    device.ask("schema", "apply", str(schema))
    device.ask("mirror", dsn, "--once")
    assert query(dsn, sizes) == [("A", None), ("B", "many")]
    assert query(dsn, current) == [("A", 7), ("B", "many")]
    assert device.ask("mirror", dsn, "--check")["differences"] == []


ODD_VALUES = (
    *(
        "back\\slash \\N \\. \\x41",
        "tab\there",
        "two\nlines\r\n",
        'in "quotes"',
        "no\0thing",
        "\x01\x1f\x7f",
        "Straße 🖨 \u2028",
    ),
    "",
    *("x" * size for size in (23, 24, 255, 256, 9000)),
    *("ü" * size for size in (11, 12, 127, 128)),
    *(0, -1, 2**63 - 1, -(2**63), True, False, None, (), ("a\\b", 7, "c\td")),
)
"""Values that have to be brought into another form, or stand beside one that has."""


async def _state(home: Path, values: dict[str, Any]) -> None:
    async with await Workspace.open(home, user="Maier") as workspace:
        entity = await workspace.find("locality:241")
        await workspace.save_unchecked([Edit(entity, name, value) for name, value in values.items()])


def test_odd_values_are_the_same_in_all_ways_of_writing(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    asyncio.run(_state(demo.home, {f"odd{place}": value for place, value in enumerate(ODD_VALUES)}))
    demo.ask("mirror", dsn, "--once")
    assert_is_as_if_written_at_once(demo, dsn)
    found = dict(query(dsn, "SELECT property, value FROM fieldline.current WHERE property LIKE 'odd%'"))
    expected = [value.replace("\0", "�") if isinstance(value, str) else value for value in ODD_VALUES]
    assert [found[f"odd{place}"] for place in range(len(expected))] == [
        list(value) if isinstance(value, tuple) else value for value in expected
    ]
    assert demo.ask("mirror", dsn, "--check")["differences"] == []


def test_value_at_gives_one_value_of_the_past(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    at = EPOCH + timedelta(microseconds=random_times(dsn, 9)[3])
    rows = query(
        dsn,
        "SELECT a.property, a.value, fieldline.value_at(a.entity, a.property, %s) FROM fieldline.as_of(%s) a",
        at,
        at,
    )
    assert len(rows) > 20
    assert [row for row in rows if row[1] != row[2]] == []


def test_a_new_schema_makes_new_views(tmp_path: Path, dsn: str) -> None:
    schema = tmp_path / "schema.toml"
    schema.write_text(SCHEMA, encoding="utf-8")
    device = Terminal(tmp_path / "home")
    device.ask("init", "--fleet", "Nord", "--schema", str(schema))
    device.ask("new", "box", "name=A", "size=7")
    device.ask("mirror", dsn, "--once")
    query(dsn, "CREATE VIEW public.mine AS SELECT size FROM fieldline.kind_box; SELECT 1")
    schema.write_text(f'{SCHEMA}\n[kinds.box.properties.load]\ntype = "decimal"\n', encoding="utf-8")
    device.ask("schema", "apply", str(schema))
    device.ask("set", "box:A", "load=12.50")
    assert "views of yours" in device.refused("mirror", dsn, "--once", code=1)
    query(dsn, "DROP VIEW public.mine; SELECT 1")
    device.ask("mirror", dsn, "--once")
    assert query(dsn, "SELECT name, size, load FROM fieldline.kind_box") == [("A", 7, Decimal("12.50"))]
    assert device.ask("mirror", dsn, "--check")["differences"] == []


def test_who_listens_learns_the_root(demo: Terminal, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("LISTEN fieldline")
        demo.ask("mirror", dsn, "--once")
        (note,) = connection.notifies(timeout=DEADLINE_S, stop_after=1)
    assert note.payload == demo.root()


def test_a_user_without_rights_needs_only_the_schema(demo: Terminal, dsn: str, cluster: Cluster) -> None:
    query(dsn, "CREATE ROLE clerk LOGIN; SELECT 1")
    clerk = dsn.replace("postgres@", "clerk@")
    assert "permission denied" in demo.refused("mirror", clerk, "--once", code=1)
    query(dsn, "CREATE SCHEMA fieldline AUTHORIZATION clerk; SELECT 1")
    demo.ask("mirror", clerk, "--once")
    assert demo.ask("mirror", clerk, "--check")["differences"] == []


def test_every_table_and_column_says_what_it_is(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    without = query(
        dsn,
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'fieldline'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0"
        " AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)",
    )
    assert without == []


def test_the_secret_of_the_fleet_stays_here(demo: Terminal, dsn: str) -> None:
    from core.fleet_secrets import EPOCH_PROPERTY, SECRET_PROPERTY

    demo.ask("key", "renew")
    demo.ask("mirror", dsn, "--once")
    for table in ("history", "current"):
        for name in (SECRET_PROPERTY, EPOCH_PROPERTY):
            assert query(dsn, f"SELECT 1 FROM fieldline.{table} WHERE property = %s", name) == []


def is_somebody_waiting(dsn: str) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return query(dsn, waiting) != []


def test_a_killed_mirror_leaves_nothing_half_written(demo: Terminal, dsn: str) -> None:
    # Locked by another, the mirror stands still in the middle of its transaction until it is killed there.
    for table in ("changes", "facts", "inbox", "slots", "watermark"):
        demo.ask("mirror", dsn, "--once")
        before = query(dsn, "SELECT changes, root FROM fieldline.watermark")
        demo.ask("set", "locality:241", f"name=Before {table}")
        with psycopg.connect(dsn) as other:
            other.execute(f"LOCK TABLE fieldline.{table} IN SHARE MODE")
            process = demo.process("mirror", dsn, "--once", "--json")
            asyncio.run(wait_until(partial(is_somebody_waiting, dsn)))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            other.rollback()
        assert query(dsn, "SELECT changes, root FROM fieldline.watermark") == before
        demo.ask("mirror", dsn, "--once")
        assert demo.ask("mirror", dsn, "--check")["differences"] == []


def test_what_is_saved_while_it_runs_is_mirrored(demo: Terminal, dsn: str) -> None:
    process = demo.process("mirror", dsn, "--json")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["root"] == demo.root()
        for name in ("One", "Two"):
            demo.ask("set", "locality:241", f"name={name}")
            assert json.loads(process.stdout.readline())["root"] == demo.root()
            assert query(dsn, "SELECT name FROM fieldline.kind_locality WHERE code = '241'") == [(name,)]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)


def test_a_restarted_database_is_waited_for(demo: Terminal, dsn: str, cluster: Cluster) -> None:
    process = demo.process("mirror", dsn, "--json")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["root"] == demo.root()
        cluster.stop()
        demo.ask("set", "locality:241", "name=Meanwhile")
        cluster.start()
        name = "SELECT name FROM fieldline.kind_locality WHERE code = '241'"
        assert json.loads(process.stdout.readline())["root"] == demo.root()
        assert query(dsn, name) == [("Meanwhile",)]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert "Traceback" not in err


def test_a_mirror_that_is_stopped_ends_at_once(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    before = query(dsn, "SELECT changes, root FROM fieldline.watermark")
    demo.ask("set", "locality:241", "name=Later")
    with psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE fieldline.facts IN SHARE MODE")
        process = demo.process("mirror", dsn)
        asyncio.run(wait_until(partial(is_somebody_waiting, dsn)))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert err.strip() == ""
    assert query(dsn, "SELECT changes, root FROM fieldline.watermark") == before


def test_what_cannot_be_is_reported_in_one_sentence(demo: Terminal, dsn: str, tmp_path: Path, cluster: Cluster) -> None:
    assert "not an address" in demo.refused("mirror", "nonsense", "--once", code=2)
    assert "cannot be reached" in demo.refused("mirror", "postgresql://nobody@/x?host=/nowhere", "--once", code=1)
    demo.ask("mirror", dsn, "--once")
    other = Terminal(tmp_path / "other")
    other.ask("init", "--fleet", "Süd")
    assert "of another fleet" in other.refused("mirror", dsn, "--once", code=1)
    assert "behind" in demo_after_change(demo).refused("mirror", dsn, "--check", code=1)
    read_only = f"{dsn}&options=-cdefault_transaction_read_only%3Don"
    assert "read-only" in demo.refused("mirror", read_only, "--once", code=1)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (0x464C444C4D495252,))
        assert "Another mirror" in demo.refused("mirror", dsn, "--once", code=1)
    query(dsn, "UPDATE fieldline.watermark SET version = 99 RETURNING 1")
    assert "another version" in demo.refused("mirror", dsn, "--once", code=1)


def demo_after_change(demo: Terminal) -> Terminal:
    demo.ask("set", "locality:241", "name=New name")
    return demo


def test_tables_of_others_are_not_touched(demo: Terminal, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA fieldline")
        connection.execute("CREATE TABLE fieldline.watermark (mine integer)")
        connection.execute("INSERT INTO fieldline.watermark VALUES (7)")
    assert "not a mirror's (watermark)" in demo.refused("mirror", dsn, "--once", code=1)
    assert query(dsn, "SELECT mine FROM fieldline.watermark") == [(7,)]
