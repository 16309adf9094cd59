"""Verbs that write, to be disturbed on a fresh copy of their folder."""

from __future__ import annotations

import random
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from core.device.home import Home
from core.workspace.sealed_copy import open_sealed, read_sealed_fleet
from tests.cli.conftest import Pair
from tests.support.cli import Answer, Terminal
from tests.support.damaged_store import merge_log
from tests.support.older_store import make_version_14
from tests.support.power_loss import RecordedDisk, record
from tests.support.served_peer import served_peer
from tests.support.system_calls import Call, Fault, faulted, recorded

PLACE = "place:241/Entrance right"
KILLED = -signal.SIGKILL
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """A verb that writes: what it needs beforehand, and its arguments.

    `{}` stands for the folder of the try, `{peer}` for where the other device serves over the link.
    """

    name: str
    arguments: tuple[str, ...]
    prepare: Callable[[Path], object] = lambda folder: None
    link: str = ""


def _peer_changes(folder: Path) -> None:
    """Let the other device say something, and put it onto the stick."""
    other = Terminal(folder / "K2", "Müller")
    other.ask("set", PLACE, "printer=from K2")
    other.ask("export", str(folder / "news.fieldline"))
    (folder / "stick").mkdir()
    other.ask("sync", f"bundle://{folder / 'stick'}")


def _damaged(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "K1" / "store.db", isolation_level=None)) as connection:
        assert connection.execute("UPDATE contents SET value = CAST(x'ff' || value AS BLOB)").rowcount
    merge_log(folder / "K1" / "store.db")


def _older(folder: Path) -> None:
    """Let the store be one of an earlier version of the program."""
    with closing(sqlite3.connect(folder / "K1" / "store.db")) as connection:
        make_version_14(connection)


def _kept_copies(folder: Path) -> None:
    """Let the files that are about to be replaced be good ones from before."""
    one = Terminal(folder / "K1")
    one.ask("backup", str(folder / "copy.db"))
    one.ask("export", str(folder / "out.fieldline"))


JOBS = [
    Job("set", ("set", PLACE, "printer=x", "docking_station=y")),
    Job("new", ("new", "locality", "code=242", "name=Kiel")),
    Job("import", ("import", "{}/news.fieldline"), _peer_changes),
    Job("stick", ("sync", "bundle://{}/stick"), _peer_changes),
    Job("backup", ("backup", "{}/copy.db"), _kept_copies),
    Job("export", ("export", "{}/out.fieldline"), _kept_copies),
    Job("table", ("export", "--kind", "place", "{}/places.csv")),
    Job("repair", ("verify", "--repair"), _damaged),
    Job("update", ("status",), _older),
]

LINK_JOBS = [Job(link, ("sync", "{peer}", "--timeout", "10"), _peer_changes, link) for link in ("tcp", "serial")]
"""What depends on another device too, whose own disk goes well."""


def _state(device: Terminal) -> dict[str, Any]:
    """What it holds, without what differs from run to run."""
    held = {kind: [row["values"] for row in device.ask("list", kind)] for kind in ("place", "locality")}
    return {"changes": device.ask("status")["changes"], **held}


class Trial:
    """One job on a fresh copy of its folder, as often as wanted."""

    def __init__(self, job: Job, pair: Pair, folder: Path) -> None:
        self._job = job
        self._folder = folder / "try"
        self._log = folder / "calls"
        self._prepared = folder / "prepared"
        self._prepared.mkdir()
        for terminal in pair:
            shutil.copytree(terminal.home, self._prepared / terminal.home.name)
        job.prepare(self._prepared)
        for name in ("K1", "K2"):
            merge_log(self._prepared / name / "store.db")
        self._device = Terminal(self._folder / "K1")

    @contextmanager
    def _arguments(self) -> Iterator[list[str]]:
        with ExitStack() as stack:
            peer = stack.enter_context(served_peer(self._folder / "K2", self._job.link)) if self._job.link else ""
            places = {"{}": str(self._folder), "{peer}": peer}
            said = [re.sub(r"\{(?:peer)?\}", lambda name: places[name[0]], each) for each in self._job.arguments]
            yield [*self._device.globals, *said]

    def _afresh(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._prepared, self._folder)

    def _repaired_state(self) -> dict[str, Any]:
        if self._job.name == "repair":
            assert self._device.call("verify", "--repair").code == 0
        return _state(self._device)

    def calls(self, names: Sequence[str]) -> list[Call]:
        """What it does when all goes well."""
        watched = self._device.home if self._job.link else self._folder
        return self._go_well(lambda arguments: recorded(arguments, names, watched, self._log))

    def survive(self, fault: Fault) -> Answer:
        """Let the fault happen, then look.

        Told in a sentence, nothing lost, nothing half there, nothing left over.
        """
        self._afresh()
        with self._arguments() as arguments:
            answer = faulted(arguments, fault, self._log)
        assert "Traceback" not in answer.err, answer
        if answer.code != KILLED:
            assert answer.code in (0, 1), answer
            assert answer.code == 0 or answer.err.count("\n") == 1, answer
        self._look(answer.code == 0)
        self._do_again()
        return answer

    def record(self) -> RecordedDisk:
        """Let all go well, and keep what it did to its folder step by step."""
        return self._go_well(lambda arguments: record(arguments, self._prepared, self._folder, self._log))

    def _go_well(self, run: Callable[[list[str]], tuple[Answer, Result]]) -> Result:
        """Run it without a fault, and note what the device holds before and after."""
        self._afresh()
        self.before = self._repaired_state()
        self._afresh()
        with self._arguments() as arguments:
            answer, result = run(arguments)
        assert answer.code == 0, answer
        self.after = _state(self._device)
        return result

    def survive_power_loss(self, disk: RecordedDisk, after: int, rng: random.Random) -> None:
        """Let the power fail after so many steps, then look.

        What was reported is there, and nothing is half there.
        """
        shutil.rmtree(self._folder)
        printed = disk.lose_power(after, rng)
        self._look(printed != "")
        self._do_again()

    def _do_again(self) -> None:
        with self._arguments() as arguments:
            again = self._device.call(*arguments[6:])
        assert again.code == 0 or self._job.name == "new", again
        assert {**_state(self._device), "changes": None} == {**self.after, "changes": None}
        names = {path.name for path in self._folder.rglob("*")}
        assert not {name for name in names if name.startswith(".") or name.endswith((".part", "-journal"))}

    def _look(self, done: bool) -> None:
        state = self._repaired_state()
        assert state in ([self.after] if done else [self.before, self.after]), (state, self.before, self.after)
        assert self._device.ask("verify")["problems"] == []
        for name in ("copy.db", "out.fieldline", "news.fieldline", "places.csv"):
            path = self._folder / name
            if path.exists():
                _assert_whole(path, Terminal(self._folder / "K2"))
            else:
                assert not (self._prepared / name).exists(), f"{name} is gone"


def _assert_whole(path: Path, reader: Terminal) -> None:
    if path.suffix == ".db":
        opened = path.with_suffix(".opened")
        opened.unlink(missing_ok=True)
        fleet = read_sealed_fleet(path)
        assert fleet is not None
        open_sealed(path, fleet, opened, Home(reader.home), lambda: pytest.fail("a member needs no other key"))
        with closing(sqlite3.connect(opened)) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    elif path.suffix == ".csv":
        assert path.read_text().count("Entrance right") == 1
    else:
        assert reader.call("import", str(path)).code == 0
