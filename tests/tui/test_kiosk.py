"""The kiosk: no way out, a PIN for some, back to Here when nobody is there."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.errors import FieldlineError, Refused
from core.service import location
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, patient_pilot
from tests.support.pty_app import Program, started
from tests.tui.screens.test_here import chosen
from tui.app_status import Options
from tui.demo.fleet import DEMO_USER
from tui.kiosk import IDLE_CHECK_INTERVAL_S, KioskApp
from tui.pin import MAX_FREE_TRIES, MAX_WAIT_S, MIN_WAIT_S, KioskPin

SIZES = {"80x24": SMALL, "120x40": LARGE}
SECOND = 1_000_000
PIN = "240917"
CHECK_INTERVAL_S = 0.05
"""Often, so that a test need not wait."""


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: int) -> None:
        self.now += seconds * SECOND


@asynccontextmanager
async def kiosk(
    home: Path,
    *keys: str,
    size: tuple[int, int] = SMALL,
    check_interval_s: float = IDLE_CHECK_INTERVAL_S,
    here_only: bool = False,
) -> AsyncIterator[tuple[Screen, Clock]]:
    """The kiosk of a home, after these keys.

    `check_interval_s` is how often it looks whether anybody is there.
    """
    clock = Clock()
    async with await Workspace.open(home, user=DEMO_USER, clock=clock) as workspace:
        here = await location.read_location(workspace)
        options = Options(zone=UTC, here_only=here_only)
        app = KioskApp(workspace, clock, options, here=here, idle_check_interval_s=check_interval_s)
        with patient_pilot():
            async with app.run_test(size=size) as pilot:
                screen = Screen(pilot)
                await screen.rest()
                await screen.press(*keys)
                yield screen, clock
                await screen.rest()


# --- the PIN ---------------------------------------------------------------------------------------------------------


def test_a_pin_is_kept_as_a_hash_that_only_the_owner_reads(tmp_path: Path) -> None:
    KioskPin(tmp_path, Clock()).set(PIN)
    kept = tmp_path / "kiosk-pin.json"
    assert PIN not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    KioskPin(tmp_path, Clock()).attempt(PIN)
    with pytest.raises(Refused, match="not the PIN"):
        KioskPin(tmp_path, Clock()).attempt("0000")
    for wrong in ("123", "1234567890123", "12a4", "", "١٢٣٤"):
        with pytest.raises(Refused, match="4 to 12 digits"):
            KioskPin(tmp_path, Clock()).set(wrong)


def test_wrong_pins_cost_time_that_doubles_and_outlasts_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    KioskPin(tmp_path, clock).set(PIN)
    for _ in range(MAX_FREE_TRIES):
        with pytest.raises(Refused, match="not the PIN"):
            KioskPin(tmp_path, clock).attempt("0000")
    wait = MIN_WAIT_S
    for _ in range(9):
        for early in (0, min(wait, MAX_WAIT_S) - 1):
            clock.pass_seconds(early)
            with pytest.raises(Refused, match="wait"):
                KioskPin(tmp_path, clock).attempt(PIN)
        clock.pass_seconds(1)
        with pytest.raises(Refused, match="not the PIN"):
            KioskPin(tmp_path, clock).attempt("0000")
        wait = min(2 * wait, MAX_WAIT_S)
    clock.now -= 10 * 365 * 86400 * SECOND
    with pytest.raises(Refused, match=f"wait {MAX_WAIT_S} seconds"):
        KioskPin(tmp_path, clock).attempt(PIN)
    clock.now = NOW + 86400 * SECOND
    KioskPin(tmp_path, clock).attempt(PIN)
    with pytest.raises(Refused, match="not the PIN"):
        KioskPin(tmp_path, clock).attempt("0000")


def test_a_damaged_pin_lets_nobody_in(tmp_path: Path) -> None:
    for text in ("", "{}", '{"salt": "zz", "hash": "", "failures": 0, "at": 0}', "[1]"):
        (tmp_path / "kiosk-pin.json").write_text(text)
        with pytest.raises(FieldlineError, match="damaged"):
            KioskPin(tmp_path, Clock()).attempt(PIN)


# --- what needs it ---------------------------------------------------------------------------------------------------


async def test_whatever_is_not_for_everybody_asks_for_the_pin(home: Path) -> None:
    await chosen(home)
    KioskPin(home, Clock()).set(PIN)
    async with kiosk(home) as (screen, _clock):
        for keys in ("c", "2c", "3t", "4r", "5m", "5b", "6jx", "6a"):
            await screen.press(*keys)
            assert "This needs the PIN" in screen.text(), keys
            await screen.press("escape")
        await screen.press("2", "right", "down", "enter", "e")
        assert "This needs the PIN" in screen.text()


async def test_a_kiosk_may_show_only_this_place(home: Path) -> None:
    await chosen(home)
    KioskPin(home, Clock()).set(PIN)
    async with kiosk(home, here_only=True) as (screen, _clock):
        for key in ("2", "3", "4", "5", "6", "slash", "h", "H", "c"):
            await screen.press(key)
            assert "This needs the PIN" in screen.text(), key
            await screen.press("escape")
            assert screen.app.base_screen.TAB == "here"
        await screen.press("g", "down", "down", "e")
        assert "This needs the PIN" not in screen.text()
        await screen.press("escape", "4")
        await screen.type(PIN)
        await screen.press("enter")
        assert screen.app.base_screen.TAB == "history"


async def test_this_place_is_edited_without_it(home: Path) -> None:
    place = await chosen(home)
    async with kiosk(home, "g", "down", "down", "e", "ctrl+u") as (screen, _clock):
        await screen.type("Brix 99")
        await screen.press("enter", "ctrl+s", "enter")
        assert "Saved" in screen.text()
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        assert "Brix 99" in {slot.value for slot in (await workspace.record(place)).slots.values()}


async def test_a_wrong_pin_is_refused_and_never_shown(home: Path, picture: SnapshotAssertion) -> None:
    await chosen(home)
    KioskPin(home, Clock()).set(PIN)
    async with kiosk(home, "6", "down", "r") as (screen, _clock):
        await screen.type("0000")
        await screen.press("enter")
        assert "That is not the PIN" in screen.text()
        assert "0000" not in screen.text()
        for name, size in SIZES.items():
            await screen.resize(*size)
            assert screen.screenshot() == picture(name=name)


async def test_the_pin_opens_everything_until_nobody_is_there(home: Path) -> None:
    await chosen(home)
    KioskPin(home, Clock()).set(PIN)
    async with kiosk(home, "6", "down", "r", check_interval_s=CHECK_INTERVAL_S) as (screen, clock):
        await screen.type(PIN)
        await screen.press("enter")
        assert "What may K2 do?" in screen.text()
        await screen.press("escape", "n", "escape")
        assert "PIN entered" in screen.text()
        clock.pass_seconds(121)
        await until(screen, "here")
        assert "PIN entered" not in screen.text()
        await screen.press("6", "r")
        assert "This needs the PIN" in screen.text()


async def test_read_only_asks_for_no_pin_and_names_no_key_that_is_not_there(home: Path) -> None:
    KioskPin(home, Clock()).set(PIN)
    async with kiosk(home, "6", "down") as (screen, _clock):
        screen.app.readonly = True
        await screen.press("r")
        assert "everything can be looked at, and nothing is changed" in screen.text()


async def test_without_a_pin_it_says_how_one_is_set(home: Path) -> None:
    async with kiosk(home, "6", "r") as (screen, _clock):
        assert "--set-pin" in screen.text()


# --- left alone ------------------------------------------------------------------------------------------------------


async def until(screen: Screen, place: str) -> None:
    """Wait for the timer to notice."""
    async with asyncio.timeout(DEADLINE_S):
        while place != screen.app.base_screen.TAB:
            await screen.pilot.pause(0.05)
    await screen.rest()


async def test_left_alone_it_goes_back_to_here(home: Path) -> None:
    await chosen(home)
    async with kiosk(home, check_interval_s=CHECK_INTERVAL_S) as (screen, clock):
        for keys in (("4", "enter"), ("2", "slash", "T", "S", "C"), ("6", "question_mark")):
            await screen.press(*keys)
            clock.pass_seconds(119)
            await screen.pilot.pause(0.2)
            assert len(screen.app.screen_stack) > 1 or screen.app.base_screen.TAB != "here", keys
            clock.pass_seconds(2)
            await until(screen, "here")
            assert len(screen.app.screen_stack) == 1
            assert screen.app.viewed_at_us is None
            assert "Entrance right" in screen.text()


async def test_left_alone_it_forgets_what_was_not_applied(home: Path) -> None:
    await chosen(home)
    async with kiosk(home, "g", "down", "down", "e", "ctrl+u", check_interval_s=CHECK_INTERVAL_S) as (screen, clock):
        await screen.type("Brix 99")
        await screen.press("enter", "down", "e")
        assert "not applied" in screen.text()
        clock.pass_seconds(121)
        async with asyncio.timeout(DEADLINE_S):
            while "Brix 99" in screen.text():
                await screen.pilot.pause(0.05)
        await screen.rest()
        assert not screen.app.drafts
        assert "not applied" not in screen.text()


# --- no way out ------------------------------------------------------------------------------------------------------


def shown(program: Program) -> None:
    """It is alive and answers keys.

    Both of two places come when they are called and drawn anew.

    After a flood of keys it may still be busy with them, or a dialog is open: then press Esc and try again, as a person
    would.
    """
    for key, text in ((b"6", "technician"), (b"5", "this device holds")):
        for _ in range(20):
            program.forget()
            program.send(key + b"\x0c")
            if program.saw(text, 1.0):
                break
            assert program.alive()
            program.send(b"\x1b")
            program.read(0.2)
        program.wait_for(text)


def test_keys_and_signals_do_not_end_it(home: Path) -> None:
    with started(home, "tui", "--kiosk", "--no-mouse", "--no-discovery") as program:
        program.wait_for("Here")
        for key in (
            b"\x03",
            b"\x1a",
            b"\x1c",
            b"\x11",
            b"\x04",
            b"\x10",
            b":",
            b"\x1b",
            b"\x1b[27;5;67~",
            b"\xff\xc3\xfe",
        ):
            program.send(key)
        program.send(b"quit\r")
        for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGQUIT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            program.signal(number)
            program.read(0.05)
            assert program.alive(), number
        shown(program)


def test_a_resize_storm_and_a_paste_of_a_megabyte_do_not_end_it(home: Path) -> None:
    asyncio.run(chosen(home))
    text = b"All work and no play makes Jack a dull boy 0123456789 :q!\r" * 17_000
    with started(home, "tui", "--kiosk", "--no-discovery") as program:
        program.wait_for("Entrance right")
        for step in range(200):
            program.resize(20 + step % 140, 3 + step % 60)
        program.resize(80, 24)
        shown(program)
        program.send(b"1gjje")
        program.read(0.3)
        program.send(b"\x1b[200~" + text + b"\x1b[201~")
        shown(program)
        program.send(b"1" + text)  # where the terminal does not say that it is a paste
        shown(program)


def test_it_ends_when_its_terminal_is_gone(home: Path) -> None:
    with started(home, "tui", "--kiosk", "--no-discovery") as program:
        program.wait_for("Here")
        os.close(program.terminal)
        program.terminal = os.open(os.devnull, os.O_RDWR)
        program.wait_for_end()


def test_it_does_not_begin_without_a_device(tmp_path: Path) -> None:
    with started(tmp_path / "none", "tui", "--kiosk") as program:
        program.wait_for("none")
        program.wait_for_end()
        assert b"Traceback" not in program.output


def test_the_pin_is_set_on_a_terminal(home: Path) -> None:
    with started(home, "tui", "--set-pin") as program:
        program.wait_for("New PIN")
        program.send(b"1234\n")
        program.wait_for("Again")
        program.send(b"1234\n")
        program.wait_for("The PIN is set")
        program.wait_for_end()
        assert b"1234" not in program.output
    KioskPin(home, Clock()).attempt("1234")


async def test_help_carries_out_nothing_that_has_no_key(home: Path) -> None:
    async with kiosk(home, "question_mark") as (screen, _clock):
        await screen.type("turn read only")
        assert "Turn read only on or off." in screen.text()
        await screen.press("enter")
        assert not screen.app.readonly
        await screen.press("question_mark")
        await screen.type("leave fieldline")
        await screen.press("enter")
        assert "This is a kiosk: it stays on." in screen.text()
