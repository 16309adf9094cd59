"""A copy of a store in use: complete, of one moment, or not there at all.

And what it is good for.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from core.store.spot_check import rows_as_before
from core.workspace import backup
from tests.cli.test_bad_input import limited, sentence_of
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"


def test_a_copy_is_good_and_private(device: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("what was there before")
    before = device.ask("status")
    assert device.ask("backup", str(copy), "--plain") == {"file": str(copy), "changes": before["changes"]}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["K1", "K2", "copy.db"]
    # A new device takes it over.
    new = Terminal(tmp_path / "new")
    own = new.ask("join", before["fleet"])["device"]
    shutil.copy(copy, new.home / "store.db")
    status = new.ask("status")
    assert (status["device"], status["role"]) == (own, None)
    assert {name: status[name] for name in ("root", "changes", "facts")} == {
        name: before[name] for name in ("root", "changes", "facts")
    }
    assert new.ask("verify")["problems"] == []
    # And one that lost its store goes on from it.
    device.ask("set", PLACE, "printer=lost")
    for path in device.home.glob("store.db*"):
        path.unlink()
    shutil.copy(copy, device.home / "store.db")
    assert device.root() == before["root"]
    assert device.ask("set", PLACE, "printer=x")["facts"] == 1


def test_what_others_write_meanwhile_does_not_tear_it(
    device: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES_PER_STEP", 1)
    written: list[str] = []
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            written.append(device.alone("set", PLACE, f"printer=p{len(written)}").err)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        while not written:
            enough.wait(0.05)
        counts = [device.ask("backup", str(tmp_path / f"copy{n}"), "--plain")["changes"] for n in range(5)]
    finally:
        enough.set()
        writing.join()
    assert counts == sorted(counts)
    for number, count in enumerate(counts):
        home = Terminal(tmp_path / f"home{number}")
        home.ask("join", device.ask("status")["fleet"])
        shutil.copy(tmp_path / f"copy{number}", home.home / "store.db")
        assert home.ask("verify") == {"changes": count, "problems": []}


def test_a_copy_that_cannot_be_made_leaves_nothing(device: Terminal, tmp_path: Path) -> None:
    assert "store itself" in sentence_of(device.call("backup", str(device.home / "store.db")), 2)
    sentence_of(device.call("backup", str(tmp_path)), 1)
    sentence_of(device.call("backup", str(tmp_path / "no" / "copy")), 1)
    copy = tmp_path / "copy"
    copy.write_text("what was there before")
    sentence_of(device.alone("backup", str(copy), preexec_fn=lambda: limited(20_000)), 1)
    assert copy.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["K1", "K2", "copy"]
    assert device.ask("verify")["problems"] == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE contents SET value = x'191819' WHERE id = (SELECT max(id) FROM contents)",
        "UPDATE contents SET value = x'191819' WHERE id = (SELECT min(id) FROM contents)",
        "UPDATE blocks SET data = CAST(data || x'00' AS BLOB) WHERE change = 2",
        "UPDATE entities SET entity = randomblob(16) WHERE id = 2",
    ],
)
@pytest.mark.parametrize("has_copy", [True, False])
def test_a_damaged_store_never_replaces_a_good_copy(
    device: Terminal, tmp_path: Path, damage: str, has_copy: bool
) -> None:
    copy = tmp_path / "copy"
    if has_copy:
        device.ask("backup", str(copy))
        # What was saved since is looked at as all is at first.
        device.ask("set", PLACE, "printer=later")
    before = copy.read_bytes() if has_copy else None
    with closing(sqlite3.connect(device.home / "store.db", isolation_level=None)) as connection:
        assert connection.execute(damage).rowcount > 0
    assert "fieldline verify --repair" in sentence_of(device.call("backup", str(copy)), 1)
    assert (copy.read_bytes() if copy.exists() else None) == before
    assert device.call("verify", "--repair").code in (0, 1)
    assert device.ask("backup", str(copy))["changes"] > 0


def test_a_copy_over_one_that_is_right_looks_at_what_is_new_only(device: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    device.ask("backup", str(copy), "--plain")
    changes = device.ask("status")["changes"]
    device.ask("set", PLACE, "printer=later")
    with closing(sqlite3.connect(device.home / "store.db", isolation_level=None, uri=True)) as connection:
        assert rows_as_before(connection, copy) == set(range(1, changes + 1))
        for content in (b"", b"no store" * 999):
            copy.write_bytes(content)
            assert rows_as_before(connection, copy) == set()


def test_what_killed_copies_have_left_is_removed_and_what_others_write_is_not(device: Terminal, tmp_path: Path) -> None:
    left = [tmp_path / name for name in (".copy.db.123456", ".copy.db.123456-journal")]
    others = [tmp_path / name for name in (".copy.db.note", ".other.db.123456", ".copy.db.77")]
    for each in (*left, *others):
        each.write_bytes(b"x")
    with others[-1].open("rb") as under_way:
        fcntl.flock(under_way, fcntl.LOCK_EX)
        device.ask("backup", str(tmp_path / "copy.db"))
        assert not any(each.exists() for each in left)
        assert all(each.exists() for each in others)


def test_a_copy_is_put_in_the_place_of_the_store_and_the_old_one_is_kept(device: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    before = device.ask("status")
    device.ask("backup", str(copy))
    device.ask("set", PLACE, "printer=later")
    after = device.root()
    done = device.ask("restore-store", str(copy))
    assert done["changes"] == before["changes"]
    assert device.root() == before["root"] != after
    assert device.ask("verify")["problems"] == []
    assert stat.S_IMODE((device.home / "store.db").stat().st_mode) == 0o600
    # What was there is still there, whole, and can be put back.
    kept = Path(done["kept"])
    assert device.ask("restore-store", str(kept))["changes"] == before["changes"] + 1
    assert device.root() == after
    message = device.call("restore-store", str(copy)).err
    assert "Sync before anybody writes" in message
    assert "kept at" in message
    assert len(list(device.home.glob("store-*.db"))) == 3


def test_a_store_in_use_is_not_replaced(device: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    device.ask("backup", str(copy))
    with (device.home / "store.db.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert "stop `fieldline serve`, close the screens" in device.refused("restore-store", str(copy), code=1)
    assert not list(device.home.glob("store-*.db"))
    assert device.ask("restore-store", str(copy))["kept"]


def test_what_cannot_be_restored_leaves_the_store_as_it_was(device: Terminal, tmp_path: Path) -> None:
    copy, other = tmp_path / "copy.db", Terminal(tmp_path / "other")
    device.ask("backup", str(copy), "--plain")
    root, names = device.root(), sorted(path.name for path in device.home.iterdir())
    other.ask("init", "--fleet", "Other")
    other.ask("backup", str(tmp_path / "other.db"))
    (tmp_path / "text.db").write_text("no store at all" * 100)
    with closing(sqlite3.connect(shutil.copy(copy, tmp_path / "damaged.db"))) as connection, connection:
        connection.execute("UPDATE blocks SET data = zeroblob(length(data)) WHERE change = 2")
    with closing(sqlite3.connect(shutil.copy(copy, tmp_path / "newer.db"))) as connection:
        connection.execute("PRAGMA user_version = 999")
    for name, code, words in (
        ("none.db", 1, "There is no file"),
        ("text.db", 1, "not a Fieldline store"),
        ("damaged.db", 1, "damaged"),
        ("newer.db", 1, "newer Fieldline"),
        ("other.db", 2, "another fleet"),
        ("K1/store.db", 2, "the store itself"),
    ):
        assert words in device.refused("restore-store", str(tmp_path / name), code=code), name
        assert sorted(path.name for path in device.home.iterdir() if "-shm" not in path.name) == names, name
        assert device.root() == root
    nobody = Terminal(tmp_path / "nobody")
    assert "join" in nobody.refused("restore-store", str(copy), code=1)
    assert not nobody.home.exists()


def test_a_sealed_copy_tells_nothing_and_leaves_nothing_beside_it(device: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    device.ask("backup", str(folder / "sealed"))
    device.ask("backup", str(folder / "plain"), "--plain")
    sealed, plain = (folder / "sealed").read_bytes(), (folder / "plain").read_bytes()
    for known in (b"Acme 5000", b"TSC Kiel", b"SQLite", b"Entrance", bytes.fromhex(device.ask("status")["device"])):
        assert known in plain or known == b"SQLite" or len(known) == 16
        assert known not in sealed
    assert len(sealed) < len(plain) * 1.02
    assert stat.S_IMODE((folder / "sealed").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["plain", "sealed"]
    assert not list(device.home.glob("*backup*")), "nor in the home"


def test_a_sealed_copy_is_opened_by_the_device_or_by_the_recovery_key(tmp_path: Path) -> None:
    one, copy, paper = Terminal(tmp_path / "K1"), tmp_path / "copy", tmp_path / "paper"
    printed = one.call("init", "--fleet", "Nord", "--device", "K1")
    paper.write_text(printed.err.partition("only now: ")[2].partition(".")[0])
    one.ask("key", "renew")
    one.ask("new", "locality", "code=241")
    root, fleet = one.root(), one.ask("status")["fleet"]
    one.ask("backup", str(copy), "--with-key")
    # The store is lost, and the key is there.
    for path in one.home.glob("store.db*"):
        path.unlink()
    one.ask("restore-store", str(copy))
    assert one.root() == root
    # All is lost; another device has not the key of the fleet.
    new = Terminal(tmp_path / "K2")
    new.ask("join", fleet)
    names = sorted(path.name for path in new.home.iterdir())
    assert "--recovery-file" in new.refused("restore-store", str(copy))
    broken = bytearray(copy.read_bytes())
    broken[-40] ^= 1
    (tmp_path / "broken").write_bytes(broken)
    assert "damaged" in new.refused("restore-store", str(tmp_path / "broken"), "--recovery-file", str(paper), code=1)
    assert sorted(path.name for path in new.home.iterdir() if "-shm" not in path.name) == names
    new.ask("restore-store", str(copy), "--recovery-file", str(paper))
    assert new.root() == root
    assert new.ask("key", "recover", "--recovery-file", str(paper))["role"] == "admin"
    other = Terminal(tmp_path / "K3")
    other.ask("join", fleet)
    other.ask("restore-store", str(copy), "--key", str(tmp_path / "copy.key"))
    assert other.root() == root
