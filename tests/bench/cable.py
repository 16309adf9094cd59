"""The cable beside ZMODEM on the same simulated line, and whole meetings.

`sz` and `rz` of lrzsz.

Efficiency is payload bits / (baud / 10 * 8 * seconds): 1 is a line that carries nothing but payload. Ours is inside TLS
1.3, each end a process of its own, from the first byte handed over until the last one is there; *all in* counts from
when both ends have opened their ports. ZMODEM's is from the start of both programs until `sz` is through; a transfer
that takes far too long (`<`) is given up. What arrives is compared in every run. Several lines run at a time, the slow
ones throughout. Where no rate is named (`?baud=`) both ends begin with 115200, whatever the line carries.

Chance decides how often a bad line hits, and a busy computer how soon a program gets on. So the last figure is that of
the line's own time (`tests.cable.linetime`): the worst of many random sequences.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.sync.links.serial.baud_negotiation import BAUD_RATES
from tests.bench import _meetings
from tests.cable import Cable, Line
from tests.cable.linetime import LineTime

LIMIT = 180.0
HOPELESS = 25.0
"""Seconds after which a ZMODEM transfer of 100 kB at 115200 is given up; a clean line takes nine."""
PULLED_AFTER, PULLED_FOR = 3.0, 5.0
SEEDS = 100


@dataclass(frozen=True)
class Case:
    """A line to try, and what is wanted of it.

    Efficiency at least `budget`, and `both_budget` both ways at once. The ports are set to its rate if it is `named`.
    """

    name: str
    line: Line
    size: int = 100_000
    budget: float = 0.0
    both_budget: float = 0.0
    named: bool = True

    @property
    def deadline_s(self) -> float:
        """How many seconds ZMODEM gets."""
        return HOPELESS if self.line.baud > 100_000 else LIMIT


@dataclass(frozen=True)
class Sent:
    """A transfer that ended.

    Seconds for the payload alone and for all, CPU seconds of the sender and the receiver.
    """

    seconds: float
    all_in: float
    cpu: tuple[float, float] = (0.0, 0.0)


CASES = [
    Case("9600, clean", Line(9600), budget=0.95),
    Case("9600, no rate named", Line(9600), budget=0.95, named=False),
    Case("115200, clean", Line(), budget=0.97, both_budget=0.96),
    Case("115200, no rate named", Line(), budget=0.95, named=False),
    Case("115200, BER 1e-5", Line(ber=1e-5), budget=0.90),
    Case("115200, BER 1e-4", Line(ber=1e-4), budget=0.60),
    Case("115200, 20 ms lost every 2 s", Line(burst=0.02), budget=0.90),
    Case("115200, 16 ms latency", Line(latency=0.016), budget=0.95),
    Case("921600, clean, 1 MB", Line(921600), 1_000_000, budget=0.97),
]


def _efficiency(case: Case, seconds: float) -> float:
    return case.size / (case.line.baud / 10 * seconds)


# --- ours ------------------------------------------------------------------------------------------------------------


def _end(path: str, number: int, case: Case, sends: int, receives: int) -> subprocess.Popen[str]:
    options = [path, str(number), str(case.line.baud if case.named else 0), str(sends), str(receives)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench._cable_end", *options], stdout=subprocess.PIPE, text=True
    )


def _ours(case: Case, both: bool = False, during: Callable[[Cable], None] = lambda cable: None) -> list[Sent]:
    """The transfer there, and with `both` the one back at the same time."""
    with Cable(case.line, seed=1) as cable:
        ends = [
            _end(cable.ends[0], 0, case, case.size, case.size if both else 0),
            _end(cable.ends[1], 1, case, case.size if both else 0, case.size),
        ]
        try:
            during(cable)
            reported = [json.loads(end.communicate(timeout=LIMIT)[0]) for end in ends]
        finally:
            for end in ends:
                end.kill()
    opened = max(each["opened"] for each in reported)
    return [
        Sent(
            reported[there]["received"] - reported[here]["began"],
            reported[there]["received"] - opened,
            (reported[here]["cpu"], reported[there]["cpu"]),
        )
        for here, there in ((0, 1), (1, 0))[: 1 + both]
    ]


# --- ZMODEM ----------------------------------------------------------------------------------------------------------


def _zmodem(case: Case) -> float | None:
    """Seconds; None if it did not end in time or what came is not what went."""
    with tempfile.TemporaryDirectory() as name, Cable(case.line, seed=1) as cable:
        folder = Path(name)
        data = random.Random(1).randbytes(case.size)
        (folder / "data").write_bytes(data)
        (folder / "there").mkdir()
        begun = time.monotonic()
        with _device(cable.ends[0], case.line.baud) as one, _device(cable.ends[1], case.line.baud) as other:
            quiet = {"stderr": subprocess.DEVNULL, "cwd": folder / "there"}
            receiving = subprocess.Popen(["rz", "-q", "-b", "-y"], stdin=other, stdout=other, **quiet)  # type: ignore[call-overload]
            sending = subprocess.Popen(["sz", "-q", "-b", "-k", "../data"], stdin=one, stdout=one, **quiet)  # type: ignore[call-overload]
            try:
                sending.wait(case.deadline_s)
                seconds = time.monotonic() - begun
            except subprocess.TimeoutExpired:
                return None
            finally:
                sending.kill()
                receiving.kill()
                sending.wait()
                receiving.wait()
        arrived = folder / "there" / "data"
        return seconds if arrived.exists() and arrived.read_bytes() == data else None


@contextmanager
def _device(path: str, baud: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        subprocess.run(["stty", "raw", "-echo", str(baud)], stdin=descriptor, check=True)
        yield descriptor
    finally:
        os.close(descriptor)


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Running:
    """What is measured of a case, as it comes."""

    case: Case
    one_way: Future[list[Sent]]
    both_ways: Future[list[Sent]] | None
    zmodem: Future[float | None] | None


def _start(case: Case, pool: ThreadPoolExecutor, with_zmodem: bool) -> Running:
    both = pool.submit(_ours, case, True) if case.both_budget else None
    zmodem = pool.submit(_zmodem, case) if with_zmodem and case.named else None
    return Running(case, pool.submit(_ours, case), both, zmodem)


def _verdict(holds: bool) -> str:
    return "holds" if holds else "MISSED"


def _print(running: Running) -> None:
    case = running.case
    (sent,) = running.one_way.result()
    ours = _efficiency(case, sent.seconds)
    text = f"  {case.name:30} {ours:5.3f}  {_efficiency(case, sent.all_in):6.3f}  "
    if running.zmodem is None:
        text += f"{'-':>6}         "
    elif (seconds := running.zmodem.result()) is None:
        text += f"{f'<{_efficiency(case, case.deadline_s):.2f}':>6}         "
    else:
        other = _efficiency(case, seconds)
        text += f"{other:6.3f}  x{ours / other:.2f}  "
    print(f"{text}  at least {case.budget:.2f}: {_verdict(ours >= case.budget)}", flush=True)
    if running.both_ways is not None:
        ways = [_efficiency(case, each.seconds) for each in running.both_ways.result()]
        holds = _verdict(min(ways) >= case.both_budget)
        print(
            f"  {'  both ways at once':30} {ways[0]:5.3f} and {ways[1]:.3f}    at least {case.both_budget:.2f}: {holds}"
        )
    if case.name == "115200, clean":
        holds = _verdict(sent.cpu[0] <= 0.3 and sent.cpu[1] <= 0.6)
        print(
            f"  {'  CPU seconds':30} {sent.cpu[0]:.2f} sending, {sent.cpu[1]:.2f} receiving"
            f"    at most 0.3, 0.6: {holds}"
        )


def _pulled() -> None:
    case = Case("", Line())

    def during(cable: Cable) -> None:
        time.sleep(PULLED_AFTER)
        cable.unplug()
        time.sleep(PULLED_FOR)
        cable.plug()

    (sent,) = _ours(case, during=during)
    lost = sent.seconds - PULLED_FOR - case.size / (case.line.baud / 10)
    print(
        f"  pulled for {PULLED_FOR:.0f} s: the same TLS session goes on; {lost:.2f} s lost beyond"
        f"    under 1: {_verdict(lost < 1.0)}"
    )


def _in_line_time() -> None:
    print(f"  in the line's own time, the worst of {SEEDS} random sequences:")
    for case in CASES:
        takes = None if case.named else BAUD_RATES
        seeds = range(SEEDS if case.line.ber or case.line.burst else 1)
        worst = min(LineTime(case.line, takes, seed=seed).carry(case.size)[0] for seed in seeds)
        holds = _verdict(worst >= case.budget)
        print(f"  {case.name:30} {worst:5.3f}                          at least {case.budget:.2f}: {holds}", flush=True)


def run() -> None:
    """Print the figures."""
    zmodem = bool(shutil.which("sz") and shutil.which("rz"))
    print("cable: efficiency of 100 kB one way, inside TLS; all in: with opening and handshake; ZMODEM: sz -k")
    if not zmodem:
        print("  (lrzsz is not installed: nothing to compare with)")
    print(f"  {'line':30} {'ours':>5}  {'all in':>6}  {'ZMODEM':>6}")
    with ThreadPoolExecutor(max_workers=8) as slow, tempfile.TemporaryDirectory() as folder:
        waiting = [_start(case, slow, zmodem) for case in CASES if case.line.baud < 100_000]
        # The slow lines leave the machine time for this; the others shall have it for themselves.
        homes = _meetings.founded(Path(folder))
        for case in CASES:
            if case.line.baud >= 100_000:
                with ThreadPoolExecutor(max_workers=1 if case.line.baud > 500_000 else 3) as pool:
                    _print(_start(case, pool, zmodem))
        _pulled()
        _meetings.report(homes, _verdict)
        _in_line_time()
        for running in waiting:
            _print(running)
