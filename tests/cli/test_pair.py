"""Pairing as two people do it.

Two processes over TCP and over a cable, what they print, and what they take for yes.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cable import Cable
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S

FAST = 2_000_000


@pytest.fixture
def admin(tmp_path: Path) -> Terminal:
    """An admin's device with something to sync."""
    terminal = Terminal(tmp_path / "K1", "Maier")
    terminal.ask("init", "--fleet", "Nord", "--device", "K1")
    terminal.ask("new", "locality", "code=241")
    return terminal


@pytest.fixture
def joiner(tmp_path: Path) -> Terminal:
    """A device that belongs to no fleet."""
    return Terminal(tmp_path / "K3", "Jones")


class Prompt:
    """A process that asks, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.text = ""

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read what it says until that is there."""
        assert self.process.stderr is not None
        while not (found := re.search(pattern, self.text)):
            char = self.process.stderr.read(1)
            assert char, f"it ended with: {self.text}"
            self.text += char
        return found

    def digits(self) -> str:
        return self.read_until(r"\n +(\d{3} \d{3})\n")[1]

    def answer(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """Its exit code, and what it printed on both streams."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, self.text + err


@contextmanager
def pairing(terminal: Terminal, *arguments: str) -> Iterator[Prompt]:
    process = terminal.process("pair", *arguments, stdin=subprocess.PIPE)
    try:
        yield Prompt(process)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def both(
    link: str, admin: Terminal, joiner: Terminal, *settings: str, lang: str = "en"
) -> Iterator[tuple[Prompt, Prompt]]:
    """The admin's process, which waits, and that of the device that joins."""
    with ExitStack() as stack:
        if link == "tcp":
            one = stack.enter_context(pairing(admin, "--listen", "--port", "0", "--bind", "127.0.0.1", *settings))
            target = "tcp://" + one.read_until(r"listening on (\S+)\n")[1]
        else:
            cable = stack.enter_context(Cable(baud=FAST))
            one = stack.enter_context(pairing(admin, "--listen", "--serial", f"{cable.ends[0]}?baud={FAST}", *settings))
            target = f"serial://{cable.ends[1]}?baud={FAST}"
        yield one, stack.enter_context(pairing(joiner, target, "--device", "K3", "--json"))


@pytest.mark.parametrize("link", ["tcp", "serial"])
def test_two_devices_pair_and_sync(admin: Terminal, joiner: Terminal, link: str) -> None:
    with both(link, admin, joiner, "--json") as (one, two):
        assert one.digits() == two.digits()
        for each in (one, two):
            each.read_until("Does the other screen")
            each.answer("same")
        one.read_until("What may it do")
        one.answer("boss")
        one.answer("reader")
        one.read_until("What is it called")
        one.answer("")
        (code, out, err), (other_code, other_out, other_err) = one.end(), two.end()
    assert (code, other_code) == (0, 0), err + other_err
    device = joiner.ask("status")["device"]
    assert f'"device": "{device}", "role": "reader", "name": "K3"' in out
    assert f'"device": "{device}", "role": "reader"' in other_out
    assert "Nord" in other_err and "calls itself K1" in other_err and "calls itself K3" in err
    assert joiner.root() == admin.root()
    assert [(each["name"], each["role"]) for each in admin.ask("members")] == [("K1", "admin"), ("K3", "reader")]
    assert joiner.ask("status")["role"] == "reader"


@pytest.mark.parametrize("answer", ["", "y", "yes", "sam", "different"])
def test_nothing_but_the_word_means_that_they_are_the_same(admin: Terminal, joiner: Terminal, answer: str) -> None:
    before = admin.root()
    with both("tcp", admin, joiner, "--role", "admin", "--name", "K3") as (one, two):
        one.read_until("Does the other screen")
        one.answer("same")
        two.read_until("Does the other screen")
        two.answer(answer)
        ends = one.end(), two.end()
    for code, out, err in ends:
        assert (code, out) == (1, "")
        assert "differ" in err.splitlines()[-1]
        assert "Traceback" not in err
    assert admin.root() == before
    assert not (joiner.home / "store.db").exists()


def test_the_end_of_the_input_is_no_answer_either(admin: Terminal, joiner: Terminal) -> None:
    with both("tcp", admin, joiner, "--role", "reader") as (one, two):
        one.read_until("Does the other screen")
        assert one.process.stdin is not None
        one.process.stdin.close()
        one.process.stdin = None
        assert one.end()[0] == two.end()[0] == 1
    assert not (joiner.home / "store.db").exists()


def test_german_words_do_as_well(admin: Terminal, joiner: Terminal) -> None:
    german = Terminal(joiner.home, "Jones", "de")
    with both("tcp", admin, german, "--role", "technician", "--name", "K3") as (one, two):
        assert one.digits() == two.digits()
        one.read_until("Does the other screen")
        one.answer("same")
        two.read_until("gleich")
        two.answer("gleich")
        assert (one.end()[0], two.end()[0]) == (0, 0)


def test_a_call_that_cannot_be_is_refused(admin: Terminal, joiner: Terminal) -> None:
    assert "--listen" in admin.refused("pair")
    assert "--listen" in admin.refused("pair", "tcp://127.0.0.1", "--listen")
    assert "no device" in admin.refused("pair", "bundle:///tmp")
    assert "name" in admin.refused("pair", "tcp://127.0.0.1", "--name", " ")
    assert "Nobody answers" in joiner.refused("pair", "tcp://127.0.0.1:1", code=1)
    assert "serial" in joiner.refused("pair", "--listen", "--serial", "ttyUSB0")
    assert "7421" in joiner.refused("pair", "127.0.0.1", code=1)
