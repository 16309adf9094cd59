"""Closed streams or few descriptors: the work is done, or a sentence says why."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.cli.conftest import Pair
from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S


def shell(device: Terminal, line: str, script: str = "exec {call} {redirect}") -> subprocess.CompletedProcess[str]:
    """Run `VERB ARGS | redirections` in a shell of its own."""
    verb, _, redirect = line.partition("|")
    call = shlex.join([sys.executable, "-m", "tui.cli", *device.globals, *shlex.split(verb)])
    text = script.format(call=call, redirect=redirect)
    return subprocess.run(
        ["/bin/sh", "-c", text], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_S, check=False
    )


VERBS = ("status", "inbox", "verify", "doctor", "log", "list place", "export {}/stick", "backup {}/copy")
SINGLE, EVERY = ("<&-", ">&-", "2>&-"), "<&- >&- 2>&-"


def closings() -> Iterator[ParameterSet]:
    """Each verb without any stream and without one of them, in soak without each."""
    for number, verb in enumerate(VERBS):
        yield pytest.param(verb, EVERY)
        for place, closed in enumerate(SINGLE):
            yield pytest.param(verb, closed, marks=() if place == number % len(SINGLE) else pytest.mark.soak)


@pytest.mark.parametrize(("verb", "closed"), closings())
def test_a_verb_works_without_a_stream(device: Terminal, tmp_path: Path, verb: str, closed: str) -> None:
    done = shell(device, f"{verb.format(tmp_path)} | {closed}")
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr + done.stdout


def test_what_is_saved_is_saved_and_nothing_said_is_written_into_a_file(device: Terminal) -> None:
    done = shell(device, "set locality:241 name=Kiel | <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert device.ask("show", "locality:241")["slots"]["name"]["value"] == "Kiel"
    assert device.call("verify").code == 0


def test_a_sync_needs_no_stream(pair: Pair, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    assert shell(pair[0], f"sync bundle://{stick} | <&- >&- 2>&-").returncode == 0
    assert list(stick.iterdir())


def test_the_exit_code_is_that_of_the_work_where_nobody_reads_the_error(device: Terminal) -> None:
    for redirect in ("2>&-", "2>/dev/full", "2>/dev/full >&-"):
        assert shell(device, f"set locality:241 nothing=x | {redirect}").returncode == 2
        assert shell(device, f"tui | {redirect} <&-").returncode == 2


def test_the_screens_say_that_they_need_a_terminal(device: Terminal) -> None:
    done = shell(device, "tui | <&-")
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


@pytest.mark.parametrize("count", [5, 6, 7, 8, 9, 12, 24])
def test_few_descriptors_are_reported_in_a_sentence(device: Terminal, count: int) -> None:
    done = shell(device, "show locality:241 |", f"ulimit -n {count}; {{call}} {{redirect}}")
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    assert done.returncode == 0 or ("oo many" in done.stderr and ".py" not in done.stderr)
