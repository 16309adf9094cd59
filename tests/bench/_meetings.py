"""Whole meetings over a simulated cable, by the program itself.

`fieldline sync serial://…` on both ends.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cable import Cable, Line

CHANGES = 100_000
BUDGETS = {115200: 2.5, 9600: 6.0}
MOVED = 400
"""Changes that are on their way when a peer is killed."""
LIMIT = 120.0
ENTITIES = 2500
BEGIN = 1_690_000_000


def _command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tui.cli", "--home", str(home), "--user", "Maier", *arguments]


def _ask(home: Path, *arguments: str) -> Any:
    answer = subprocess.run(_command(home, *arguments, "--json"), check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def founded(folder: Path) -> tuple[Path, Path]:
    """The homes of two devices of one fleet that hold the same 100k changes.

    Takes a minute, politely.
    """
    one, two = folder / "K1", folder / "K2"
    fleet = _ask(one, "init", "--fleet", "Nord", "--device", "K1")["fleet"]
    device = _ask(two, "join", fleet, "--device", "K2")["device"]
    _ask(one, "admit", device, "--role", "technician", "--name", "K2")
    history = folder / "history.jsonl"
    with history.open("w") as file:
        for number in range(CHANGES):
            edit = {
                "entity": f"place:p{number % ENTITIES}",
                "kind": "place",
                "property": f"p{number % 7}",
                "value": number,
            }
            file.write(json.dumps({"at": BEGIN + number, "user": "u", "comment": None, "edits": [edit]}) + "\n")
    subprocess.run(["nice", *_command(one, "import", str(history), "--json")], check=True, capture_output=True)
    # Two devices that have everything in common have the same store.
    shutil.copy(one / "store.db", two / "store.db")
    return one, two


def _syncing(home: Path, path: str, baud: int) -> subprocess.Popen[str]:
    command = _command(home, "sync", f"serial://{path}?baud={baud}", "--json")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=LIMIT)
    if process.returncode:
        raise RuntimeError(err)
    answer: dict[str, Any] = json.loads(out)
    return answer


def _one_change(homes: tuple[Path, Path], baud: int) -> dict[str, Any]:
    """What the end says that opened its port last, when the other had opened its own."""
    one, two = homes
    _ask(one, "new", "locality", f"code={baud}", "name=North")
    with Cable(Line(baud)) as cable:
        first = _syncing(one, cable.ends[0], baud)
        # It says nothing when it has opened the port: this is long enough.
        time.sleep(2)
        last = _ended(_syncing(two, cable.ends[1], baud))
        if _ended(first)["root"] != last["root"]:
            raise RuntimeError("the roots differ")
        last["line"] = [wire.carried for wire in cable.wires]
    return last


def _killed(homes: tuple[Path, Path]) -> tuple[int, int, bool]:
    """Kill a receiving device in the middle and start it again.

    How many it had, how many came then, equal at last?
    """
    one, two = homes
    lines = [
        {
            "at": BEGIN + n,
            "user": "u",
            "comment": "x" * 200,
            "edits": [{"entity": f"place:n{n}", "kind": "place", "property": "p", "value": n}],
        }
        for n in range(MOVED)
    ]
    more = one.parent / "more.jsonl"
    more.write_text("".join(json.dumps(line) + "\n" for line in lines))
    _ask(one, "import", str(more))
    before, all_of_it = (_ask(home, "status")["changes"] for home in (two, one))
    with Cable(Line(115200)) as cable:
        sending = _syncing(one, cable.ends[0], 115200)
        receiving = _syncing(two, cable.ends[1], 115200)
        while (had := _ask(two, "status")["changes"]) < before + MOVED // 4:
            time.sleep(0.2)
        receiving.kill()
        receiving.communicate()
        had = _ask(two, "status")["changes"]
        again = _ended(_syncing(two, cable.ends[1], 115200))
        same = _ended(sending)["root"] == again["root"]
    return had - before, again["received"], same and had + again["received"] == all_of_it


def report(homes: tuple[Path, Path], verdict: Callable[[bool], str]) -> None:
    """Print the figures."""
    for baud, budget in BUDGETS.items():
        met = _one_change(homes, baud)
        seconds, (there, back) = met["seconds"], met["line"]
        print(
            f"  {baud}: one change of difference at {CHANGES:,}: {seconds:.2f} s from open to equal roots,"
            f" {there} + {back} bytes on the line    under {budget}: {verdict(seconds < budget)}",
            flush=True,
        )
    had, came, same = _killed(homes)
    print(f"  peer killed with {had} of {MOVED} changes committed and started again: {came} more came: {verdict(same)}")
