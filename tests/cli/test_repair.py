"""`verify --repair` as a person calls it.

Damaged stores, other programs, and kills on the way.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from core.store import store_file
from tests.cli.test_bad_input import sentence_of
from tests.support.cli import Terminal
from tests.support.damaged_store import merge_log, overwrite, pages_of, zero_page
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until

PLACE = "place:241/Entrance right"


def damage(device: Terminal, statement: str) -> None:
    with closing(sqlite3.connect(device.home / "store.db", isolation_level=None)) as connection:
        assert connection.execute(statement).rowcount > 0
    merge_log(device.home / "store.db")


def test_a_damaged_value_is_reported_by_what_reads_it_and_repaired(device: Terminal) -> None:
    before = device.ask("show", PLACE)
    damage(device, "UPDATE contents SET value = x'ff' WHERE instr(value, CAST('Acme 5000' AS BLOB))")
    for verb in (["show", PLACE], ["list", "place", "--columns", "printer"], ["inbox"]):
        assert "fieldline verify --repair" in sentence_of(device.call(*verb), 1), verb
    answer = device.call("verify")
    assert answer.code == 1
    assert "run `fieldline verify`" not in answer.out + answer.err
    assert device.call("verify", "--repair").code == 0
    assert device.ask("verify") == {"changes": device.ask("status")["changes"], "problems": []}
    assert device.ask("show", PLACE) == before


@pytest.mark.parametrize(
    "name", ["sqlite_schema", "facts", "changes", "sqlite_autoindex_changes_1", "meta", "said_new"]
)
def test_a_zeroed_page_never_stops_a_repair(device: Terminal, name: str) -> None:
    before = {verb: device.ask(*verb.split()) for verb in ("list place", "list locality", "status")}
    store = device.home / "store.db"
    merge_log(store)
    zero_page(store, 1 if name == "sqlite_schema" else pages_of(store, name)[0])
    assert device.call("verify").code == 1
    repaired = device.ask("verify", "--repair")
    assert repaired["problems"] == []
    assert repaired["repaired"]
    assert {verb: device.ask(*verb.split()) for verb in before} == before
    assert device.ask("set", PLACE, "printer=x")["facts"] == 1


def test_a_store_that_others_have_open_is_not_replaced(device: Terminal) -> None:
    damage(device, "UPDATE facts SET state = state | 1")
    serving = device.process("serve", "--no-discovery", "--port", "0")
    try:
        assert serving.stderr is not None
        assert "listening" in serving.stderr.readline()
        assert "stop `fieldline serve`" in sentence_of(device.call("verify", "--repair"), 1)
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=DEADLINE_S)
    assert device.call("verify", "--repair").code == 0


def test_lost_bytes_are_reported_with_what_depends_on_them(device: Terminal) -> None:
    damage(device, "UPDATE blocks SET data = zeroblob(300) WHERE change = (SELECT max(change) FROM blocks)")
    answer = device.call("verify", "--repair", "--json")
    assert answer.code == 1
    (problem,) = answer.json["problems"]
    assert "printer" in problem
    assert "sync" in problem
    kept = Path(answer.json["kept"])
    assert json.loads(kept.read_text())["data"] == "00" * 300
    assert device.ask("verify")["problems"] == []


def test_an_export_leaves_a_damaged_change_out_and_says_so(device: Terminal, tmp_path: Path) -> None:
    new = Terminal(tmp_path / "new")
    own = new.ask("join", device.ask("status")["fleet"])["device"]
    device.ask("admit", own, "--role", "reader")
    device.ask("set", PLACE, "printer=lost")
    total = device.ask("status")["changes"]
    damage(
        device, "UPDATE blocks SET data = CAST(data || x'00' AS BLOB) WHERE change = (SELECT max(change) FROM blocks)"
    )
    answer = device.call("export", str(tmp_path / "stick"))
    assert (answer.code, "1 damaged change was left out" in answer.err) == (0, True)
    assert device.ask("export", str(tmp_path / "stick"))["skipped"] == 1
    assert new.ask("import", str(tmp_path / "stick"))["changes"] == total - 1
    (tmp_path / "folder").mkdir()
    answer = device.call("sync", f"bundle://{tmp_path / 'folder'}")
    assert (answer.code, "1 damaged change was left out" in answer.err) == (0, True)
    assert new.ask("sync", f"bundle://{tmp_path / 'folder'}")["received"] == 0


def test_serve_ends_when_its_store_is_no_longer_there(device: Terminal, tmp_path: Path) -> None:
    serving = device.process("serve", "--no-discovery", "--port", "0")
    assert serving.stderr is not None
    assert "listening" in serving.stderr.readline()
    (device.home / "store.db").rename(tmp_path / "elsewhere.db")
    _, err = serving.communicate(timeout=DEADLINE_S)
    assert serving.returncode == 1
    assert "was removed or replaced while it was open here" in err
    assert "Traceback" not in err


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return -1


def kill_repairs(device: Terminal, tmp_path: Path, count: int, seed: int) -> None:
    """Kill a repair again and again.

    The old store or the new one, and always all that was saved.
    """
    before = {verb: device.ask(*verb.split()) for verb in ("list place", "list locality")}
    root = device.root()
    whole = tmp_path / "whole"
    damage(device, "UPDATE contents SET value = CAST(x'ff' || value AS BLOB)")
    shutil.copytree(device.home, whole)
    store = device.home / "store.db"
    complete = store_file.complete_path(store)
    rng = random.Random(seed)
    for _ in range(count):
        shutil.rmtree(device.home)
        shutil.copytree(whole, device.home)
        repairing = device.process("verify", "--repair")
        at = rng.choice([1, 1, 1, 100_000, 200_000])
        new = store_file.replacement_path(store)

        def is_under_way(process: subprocess.Popen[str] = repairing, new: Path = new, at: int = at) -> bool:
            return process.poll() is not None or complete.exists() or (_size(new) >= at)

        asyncio.run(wait_until(is_under_way))
        repairing.kill()
        repairing.communicate(timeout=DEADLINE_S)
        device.call("verify", "--repair")
        assert device.ask("verify")["problems"] == []
        assert device.root() == root
        assert {verb: device.ask(*verb.split()) for verb in before} == before
        assert not [each for each in device.home.iterdir() if each.name.startswith(".")]


def test_a_killed_repair_loses_nothing(device: Terminal, tmp_path: Path) -> None:
    kill_repairs(device, tmp_path, 4, 1)


@pytest.mark.soak
def test_many_killed_repairs_lose_nothing(device: Terminal, tmp_path: Path) -> None:
    kill_repairs(device, tmp_path, 120, 2)


def test_bytes_written_over_at_random_never_end_in_anything_but_a_sentence(device: Terminal, tmp_path: Path) -> None:
    store = device.home / "store.db"
    merge_log(store)
    whole = store.read_bytes()
    rng = random.Random(3)
    for _ in range(6):
        store.write_bytes(whole)
        overwrite(store, rng.randrange(len(whole) - 4096), rng.randbytes(rng.choice([1, 40, 4096])))
        answer = device.call("verify", "--repair", "--json")
        assert answer.code in (0, 1), answer
        assert "Traceback" not in answer.err
        assert device.ask("verify")["problems"] == []
