"""Disks that are full or mounted read-only.

Everything can still be read, and what writes says one sentence.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.test_bad_input import limited, sentence_of
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S

PLACE = "place:241/Entrance right"
READING = [
    ["show", PLACE],
    ["log", PLACE],
    ["list", "place"],
    ["log"],
    ["log", "--grep", "Acme"],
    ["blame", PLACE],
    ["diff", "-1h"],
    ["status"],
    ["inbox"],
    ["members"],
    ["schema", "show"],
]
WRITING = [
    ["set", PLACE, "printer=x"],
    ["new", "locality", "code=9"],
    ["clear", PLACE, "printer"],
    ["retire", PLACE],
    ["admit", "ab" * 16, "--role", "reader"],
]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def assert_reads_as(device: Terminal, before: dict[str, str], elsewhere: Path) -> None:
    for verb in READING:
        answer = device.call(*verb)
        assert (answer.code, answer.out) == (0, before[" ".join(verb)]), (verb, answer.err)
    assert device.call("verify").code == 0
    assert "Traceback" not in device.call("doctor").err
    # And all of it can be carried off.
    other = Terminal(elsewhere / "other")
    other.ask("join", device.ask("status")["fleet"])
    assert device.call("export", str(elsewhere / "stick"), "--plain").code == 0
    assert other.ask("import", str(elsewhere / "stick"))["changes"] > 0
    assert device.call("backup", str(elsewhere / "copy.db")).code == 0
    assert (elsewhere / "copy.db").stat().st_size > 4096


@needs_root
@pytest.mark.parametrize("disk", ["read-only", "full"])
@pytest.mark.parametrize("has_log", [False, True])
def test_a_disk_that_takes_nothing(device: Terminal, tmp_path: Path, disk: str, has_log: bool) -> None:
    # Something for the inbox that is still to be read.
    device.ask("new", "locality", "code=242", "name=TSC Kiel", "subnet=10.24.1.0/25")
    small = tmp_path / "small"
    with mounted(small, "4m"):
        shutil.copytree(device.home, small / "K1")
        moved = Terminal(small / "K1")
        if has_log:
            # One that was killed has left what it wrote last in the log.
            with subprocess_that_writes(moved) as killed:
                killed.kill()
                killed.communicate(timeout=DEADLINE_S)
            assert (small / "K1" / "store.db-wal").stat().st_size > 0
        shutil.copytree(moved.home, tmp_path / "same")
        same = Terminal(tmp_path / "same")
        before = {" ".join(verb): same.call(*verb).out for verb in READING}
        files = {
            each.name: each.read_bytes() for each in moved.home.iterdir() if each.name in ("store.db", "device.key")
        }
        if disk == "full":
            fill(small)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        assert_reads_as(moved, before, tmp_path)
        if not (disk == "full" and has_log):  # a log that is there has room
            for verb in WRITING:
                sentence_of(moved.call(*verb), 1)
        if disk == "full":
            (small / "filler").unlink()
            assert moved.ask("set", PLACE, "printer=x")["facts"] == 1
            assert moved.ask("verify")["problems"] == []
        elif not has_log:
            assert files == {name: (moved.home / name).read_bytes() for name in files}


@contextmanager
def subprocess_that_writes(device: Terminal) -> Iterator[subprocess.Popen[str]]:
    """One that has the store open and has written to it."""
    serving = device.process("serve", "--no-discovery", "--port", "0")
    assert serving.stderr is not None
    assert "listening" in serving.stderr.readline()
    device.ask("set", PLACE, "printer=in the log")
    yield serving


@pytest.mark.parametrize("room", [0, 5000])
def test_where_no_file_can_grow_everything_is_still_read(device: Terminal, room: int) -> None:
    """A limit on the size of files is what a full disk is to whoever writes them."""
    for verb in (["show", PLACE], ["list", "place"], ["status"], ["inbox"]):
        before = device.call(*verb).out
        answer = device.alone(*verb, preexec_fn=lambda: limited(room))
        assert (answer.code, answer.out) == (0, before), (verb, answer.err)
    sentence_of(device.alone(*WRITING[0], preexec_fn=lambda: limited(room)), 1)
    assert "TMPDIR" in sentence_of(device.alone("verify", preexec_fn=lambda: limited(room)), 1)
    assert device.ask("verify")["problems"] == []


@needs_root
def test_a_full_folder_for_temporary_files_is_named(device: Terminal, tmp_path: Path) -> None:
    small = tmp_path / "tmp"
    with mounted(small, "200k"):
        process = device.process("verify", env={"TMPDIR": str(small)})
        out, err = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, out) == (1, "")
        assert f"MB in {small}" in err
        assert "TMPDIR" in err


@needs_root
def test_a_repair_without_room_says_where_and_leaves_the_store(device: Terminal, tmp_path: Path) -> None:
    small = tmp_path / "small"
    with mounted(small, "4m"):
        shutil.copytree(device.home, small / "K1")
        moved = Terminal(small / "K1")
        with closing(sqlite3.connect(moved.home / "store.db", isolation_level=None)) as connection:
            connection.execute("UPDATE facts SET state = state | 1")
        before = (moved.home / "store.db").read_bytes()
        filler = fill(small)
        assert f"{moved.home} has 0 MB free" in sentence_of(moved.alone("verify", "--repair"), 1)
        assert (moved.home / "store.db").read_bytes() == before
        filler.unlink()
        assert moved.alone("verify", "--repair").code == 0
