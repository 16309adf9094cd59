"""What can go wrong around the store.

One sentence, the right exit code, and nothing half-written.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
from pathlib import Path

import pytest

from core.store import connection as store_connection
from core.store.queries import stats
from tests.support.cli import Answer, Terminal

PLACE = "place:241/Entrance right"


def sentence_of(answer: Answer, code: int) -> str:
    assert answer.code == code, answer
    assert answer.out == ""
    assert answer.err.count("\n") == 1, answer.err
    assert "Traceback" not in answer.err
    return answer.err


@pytest.mark.parametrize("verb", [("show", "x:y"), ("status",), ("new", "locality", "code=1"), ("serve",), ("log",)])
def test_without_a_store_there_is_a_hint(tmp_path: Path, verb: tuple[str, ...]) -> None:
    assert "fieldline init" in sentence_of(Terminal(tmp_path / "nothing").call(*verb), 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("--nonsense",),
        ("--lang", "fr", "status"),
        ("show",),
        ("show", "a:b", "c:d"),
        ("status", "--nonsense"),
        ("log", "--limit", "many"),
        ("serve", "--port", "70000"),
        ("sync", "tcp://h:1", "--mode", "magic"),
        ("completion", "tcsh"),
        ("schema", "nonsense"),
        ("show", "a\udcffb"),
    ],
)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_a_wrong_call_is_reported_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], lang: str) -> None:
    sentence_of(Terminal(tmp_path / "home", lang=lang).call(*arguments), 2)


def test_a_home_that_cannot_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        sentence_of(Terminal(home).call("init", "--fleet", "N"), 1)
        sentence_of(Terminal(home).call("status"), 1)
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("content", [b"", b"this is no store" * 100, b"SQLite format 3\0" + b"\0" * 200])
def test_a_foreign_file_is_reported_and_left_alone(device: Terminal, content: bytes) -> None:
    store = device.home / "store.db"
    store.write_bytes(content)
    for verb in (("status",), ("set", PLACE, "printer=x"), ("verify",)):
        assert str(store) in sentence_of(device.call(*verb), 1)
    assert store.read_bytes() == content


def test_a_store_of_another_program_is_reported_and_left_alone(device: Terminal) -> None:
    store = device.home / "store.db"
    store.unlink()
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE changes (x)")
    connection.close()
    content = store.read_bytes()
    sentence_of(device.call("status"), 1)
    assert store.read_bytes() == content


def test_a_store_of_a_newer_version_is_reported(device: Terminal) -> None:
    connection = sqlite3.connect(device.home / "store.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert "newer" in sentence_of(device.call("status"), 1)


def test_a_damaged_store_is_reported(device: Terminal) -> None:
    store = device.home / "store.db"
    data = bytearray(store.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    store.write_bytes(data)
    for verb in (("show", PLACE), ("set", PLACE, "printer=x"), ("log",)):
        assert "damaged" in sentence_of(device.call(*verb), 1)


def test_a_locked_store_is_reported(device: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_connection, "BUSY_TIMEOUT_S", 0.1)
    root = device.root()
    connection = sqlite3.connect(device.home / "store.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert "locked" in sentence_of(device.call("set", PLACE, "printer=x"), 1)
    assert device.call("show", PLACE).code == 0
    connection.execute("ROLLBACK")
    connection.close()
    assert device.root() == root


def test_a_key_that_others_can_read_or_that_is_gone_is_reported(device: Terminal) -> None:
    key = device.home / "device.key"
    key.chmod(0o644)
    assert "chmod" in sentence_of(device.call("set", PLACE, "printer=x"), 1)
    assert device.call("show", PLACE).code == 0
    key.write_bytes(b"no key")
    key.chmod(0o600)
    sentence_of(device.call("set", PLACE, "printer=x"), 1)
    key.unlink()
    sentence_of(device.call("status"), 1)


def limited(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("room", [0, 1000, 20_000, 60_000])
def test_a_full_disk_saves_nothing_and_loses_nothing(device: Terminal, tmp_path: Path, room: int) -> None:
    """A limit on the size of files is what a full disk is to whoever writes them."""
    root = device.root()
    history = tmp_path / "history.jsonl"
    edits = [
        {"entity": f"locality:{n}", "kind": "locality", "property": "name", "value": "n" * 400} for n in range(1, 400)
    ]
    history.write_text(json.dumps({"at": 1, "user": "u", "edits": edits}))
    sentence_of(device.alone("import", str(history), preexec_fn=lambda: limited(room)), 1)
    assert device.root() == root
    assert device.ask("verify")["problems"] == []
    assert device.ask("set", PLACE, "printer=x")["facts"] == 1


def test_a_full_disk_leaves_no_half_of_a_beginning_or_of_a_bundle(device: Terminal, tmp_path: Path) -> None:
    new = Terminal(tmp_path / "new")
    for room in (0, 60, 4096, 60_000):
        sentence_of(new.alone("init", "--fleet", "N", preexec_fn=lambda room=room: limited(room)), 1)
        assert not (tmp_path / "new").exists()
    sentence_of(device.alone("export", str(tmp_path / "stick"), preexec_fn=lambda: limited(500)), 1)
    assert not (tmp_path / "stick").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_really_full_file_system(tmp_path: Path) -> None:
    home = tmp_path / "small"
    home.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(home)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        device = Terminal(home / "K1")
        device.ask("init", "--fleet", "N")
        device.ask("new", "locality", "code=1")
        root = device.root()
        (home / "filler").write_bytes(b"x" * (os.statvfs(home).f_bavail * os.statvfs(home).f_frsize))
        answers = [device.call("set", "locality:1", f"name={'n' * 9000}{n}") for n in range(60)]
        failed = [answer for answer in answers if answer.code]
        assert failed
        for answer in failed:
            assert "disk is full" in sentence_of(answer, 1)
        (home / "filler").unlink()
        assert device.ask("verify")["problems"] == []
        saved = sum(answer.code == 0 for answer in answers)
        assert device.ask("status")["changes"] == 2 + saved
        assert (device.root() == root) == (saved == 0)
    finally:
        subprocess.run(["umount", str(home)], check=True)


def test_what_nobody_has_thought_of_is_one_sentence_too(device: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom\x1b[2J")

    monkeypatch.setattr(stats, "read_counts", broken)
    sentence_of(device.call("status"), 1)
    monkeypatch.setenv("FIELDLINE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        device.call("status")


@pytest.mark.parametrize("version", [1, 7])
def test_a_home_from_before_the_first_release_is_refused_by_every_verb_and_stays_as_it_is(
    device: Terminal, version: int
) -> None:
    """Only where SQLite keeps the version is the same in all of them."""
    path = device.home / "store.db"
    data = bytearray(path.read_bytes())
    data[60:64] = version.to_bytes(4, "big")
    path.write_bytes(data)
    before = {each.name: each.read_bytes() for each in device.home.iterdir() if each.is_file()}
    for call in (["status"], ["show", "locality:241"], ["set", "locality:241", "name=x"], ["verify"], ["serve"]):
        assert "from before Fieldline's first release" in sentence_of(device.call(*call), 1), call
    device.call("doctor")
    assert {each.name: each.read_bytes() for each in device.home.iterdir() if each.is_file()} == before
