"""What only processes show.

Exit codes, streams, signals, links between devices, and what a verb loads.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Pair
from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.soak_table import soak_row

PLACE = "place:241/Entrance right"


@contextmanager
def serving(terminal: Terminal, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A device that answers others; gives where, and its process."""
    process = terminal.process("serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery", *arguments)
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        line = process.stderr.readline().strip()
        assert line.startswith("listening on 127.0.0.1:"), line + process.stderr.read()
        yield "tcp://" + line.removeprefix("listening on "), process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


def test_two_devices_meet_over_tcp(pair: Pair) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    two.ask("set", PLACE, "card_terminal=11111111")
    ids = {terminal: terminal.ask("status")["device"] for terminal in pair}
    with serving(one) as (target, process):
        met = two.ask("sync", target)
        assert (met["peer"], met["sent"], met["received"]) == (ids[one], 1, 1)
        assert met["bytes_out"] > 0
        assert met["root"] == one.root() == two.root()
        again = two.ask("sync", target, "--timeout", "20")
        assert (again["sent"], again["received"]) == (0, 0)
        assert again["bytes_out"] < 100
        # What is written on the serving device by another process is there for the next meeting.
        one.ask("set", PLACE, "printer=y")
        assert two.ask("sync", target)["received"] == 1
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [(event["event"], event["peer"], event["received"]) for event in events] == [
        ("met", ids[two], 1),
        ("met", ids[two], 0),
        ("met", ids[two], 0),
    ]


def test_a_device_joins_by_the_fleets_id_and_strangers_get_nothing(pair: Pair, tmp_path: Path) -> None:
    one = pair[0]
    new, stranger = Terminal(tmp_path / "K3", "Jones"), Terminal(tmp_path / "other", "Eve")
    device = new.ask("join", one.ask("status")["fleet"])["device"]
    stranger.ask("init", "--fleet", "Nord")
    with serving(one) as (target, process):
        assert f"fieldline admit {device}" in new.refused("sync", target, code=1)
        stranger.refused("sync", target, code=1)
        one.ask("admit", device, "--role", "technician", "--name", "K3")
        new.ask("sync", target)
        assert new.root() == one.root()
        assert new.ask("status")["role"] == "technician"
        new.ask("set", PLACE, "printer=z")
        new.ask("sync", target)
        # Who answers says so a moment after who called.
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline())["event"] for _meeting in range(4)]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (0, "")
    assert events == ["failed", "failed", "met", "met"]
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "z"


def test_a_port_in_use_and_nobody_there_are_reported(device: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = device.alone("serve", "--port", str(port), "--bind", "127.0.0.1")
        assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
        assert str(port) in answer.err
        silent = device.call("sync", f"tcp://127.0.0.1:{port}", "--timeout", "0.3")
        assert (silent.code, silent.err.count("\n")) == (1, 1)
    assert "serve" in device.refused("sync", f"tcp://127.0.0.1:{port}", code=1)


@pytest.mark.parametrize(
    "target", ["", "foo", "tcp://", "tcp://:1", "tcp://h:0", "tcp://h:x", "tcp://h/x:1", "bundle://"]
)
def test_a_target_that_cannot_be_is_refused(device: Terminal, target: str) -> None:
    device.refused("sync", target)


def test_the_demonstration_runs_to_its_end(tmp_path: Path) -> None:
    for lang in ("en", "de"):
        answer = Terminal(tmp_path, lang=lang).alone("demo", stdin=subprocess.DEVNULL)
        assert answer.code == 0, answer
        assert answer.out.count("serial:///dev/") == 6
        assert answer.out.count("=> ") == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", ["log --json", "log", "--help", "log --help"])
def test_a_reader_that_leaves_early_is_no_error(device: Terminal, arguments: str) -> None:
    command = f"{sys.executable} -u -m tui.cli --home {device.home} {arguments} | true; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_reported(device: Terminal) -> None:
    command = f"{sys.executable} -m tui.cli --home {device.home} log > /dev/full"
    run = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)


def test_an_interrupt_ends_a_verb_quietly(device: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = device.process("sync", f"tcp://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "50")
        caller, _ = silent.accept()
        with caller:
            # It is in the middle of its greeting, which nobody is going to answer.
            assert caller.recv(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_the_environment_says_who_and_where(pair: Pair) -> None:
    home = str(pair[0].home)
    env = {**os.environ, "FIELDLINE_HOME": home, "FIELDLINE_USER": "Jansen", "LANG": "de_DE.UTF-8"}
    base = [sys.executable, "-m", "tui.cli"]
    subprocess.run([*base, "set", PLACE, "printer=x"], cwd=ROOT, env=env, check=True, capture_output=True)
    assert pair[0].ask("blame", PLACE)[2]["user"] == "Jansen"
    german = subprocess.run([*base, "shwo"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert german.returncode == 2
    assert german.stderr.count("\n") == 1


def test_nothing_is_coloured_where_nobody_sees_it(device: Terminal) -> None:
    for env in ({}, {"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}):
        assert "\x1b" not in device.alone("log", env=env).out


def test_a_verb_does_not_load_what_it_does_not_need(device: Terminal) -> None:
    script = (
        "import sys; from tui.cli.main import run; code = run(sys.argv[1:]);"
        "print(*sorted(m for m in ('textual', 'rich.console', 'ssl_', 'zeroconf', 'serial', 'cryptography.x509',"
        " 'core.inbox') if m in sys.modules), file=sys.stderr); sys.exit(code)"
    )
    for verb in (("show", PLACE, "--json"), ("set", PLACE, "printer=q"), ("log",)):
        run = subprocess.run(
            [sys.executable, "-c", script, *device.globals, *verb],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stderr.splitlines()[-1] == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(device: Terminal, shell: str) -> None:
    answer = device.call("completion", shell)
    assert answer.code == 0
    assert "_FIELDLINE_COMPLETE" in answer.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=answer.out, text=True, check=True)


def test_completion_offers_verbs() -> None:
    env = {**os.environ, "_FIELDLINE_COMPLETE": "bash_complete", "COMP_WORDS": "fieldline re", "COMP_CWORD": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "tui.cli"], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    offered = {line.split(",")[1] for line in run.stdout.split()}
    assert offered == {"retire", "resolve", "restore", "restore-store", "revoke"}


def test_serving_ends_quietly_when_nobody_reads_its_events_any_more(pair: Pair) -> None:
    one, two = pair
    with serving(one) as (target, process):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        two.call("sync", target)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr.read() == ""


def test_of_many_who_add_the_same_at_once_one_does(device: Terminal) -> None:
    _add_at_once(device, 12)


@pytest.mark.soak
def test_of_a_hundred_who_add_the_same_at_once_one_does(
    device: Terminal, record_property: Callable[[str, object], None]
) -> None:
    _add_at_once(device, 100)
    record_property(*soak_row("new: processes that add the same at once", 100, {"added": 1, "refused": 99}))


def _add_at_once(device: Terminal, many: int) -> None:
    started = [device.process("new", "locality", "code=242", f"name=TSC {n}") for n in range(many)]
    ended = [(process.communicate(timeout=DEADLINE_S), process.returncode) for process in started]
    assert sorted(code for _, code in ended) == [0] + [2] * (many - 1)
    assert all("There is locality:242 already" in err for (_, err), code in ended if code)
    assert len(device.ask("list", "locality", "--where", "code=242")) == 1
    assert device.ask("inbox") == []
