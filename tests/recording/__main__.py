"""Record two devices that meet on a cable: `make recording`.

Two real programs on real terminals (tmux), joined by a simulated serial cable. Two people change the same thing, the
cable is pulled in the middle of the sync and plugged in again, and the conflict that comes of it is resolved.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import tomli_w

from core.workspace import Workspace, system_clock
from tests.cable import Cable
from tests.recording.film import LINES, Film, Frame
from tests.support.ssh_laptop import Laptop
from tui.demo import fleet

PATH = Path(__file__).parents[2] / "docs" / "recording.svg"
BAUD = 19_200
FILL = 45
"""Changes that one device has and the other lacks: enough for a sync that takes a while."""
PLACE = ("Down",) * 4 + ("Right", "Down", "Down", "Down", "Enter", "Down", "Down")
"""From the top of Fleet to the printer of a place."""


async def make_homes(folder: Path) -> None:
    """Two devices of one fleet; one of them has been away for long."""
    chance, entropy = random.Random(fleet.SEED), random.Random(fleet.ENTROPY_SEED)
    clock = fleet.DemoClock(system_clock() - 20 * fleet.DAY_US)
    made = fleet._Fleet(folder, clock, chance, entropy.randbytes)
    try:
        await made.create_fleet()
        await made.add_places()
    finally:
        await made.close()
    async with await Workspace.open(folder / "K3", user="Jones") as away:
        for number in range(FILL):
            office = await away.record(await away.find("place:260/Lane 1"))
            await away.set(office, {"bea_configuration": f"bea-{number}.xml"}, entropy.randbytes(200).hex())


class Recorder:
    """Both devices, the cable between them, and what was recorded."""

    def __init__(self, laptops: tuple[Laptop, Laptop], cable: Cable) -> None:
        self.laptops = laptops
        self.film = Film()
        self.caption = ""
        self.is_plugged = False
        self._cable = cable

    def shoot(self, seconds: float) -> None:
        """Show what is on both terminals now, for so long."""
        one, two = (tuple(each.tmux("capture-pane", "-p", "-e", "-N").split("\n")[:LINES]) for each in self.laptops)
        self.film.add(Frame(seconds, self.caption, self.is_plugged, (one, two)))

    def press(self, which: int, *keys: str, wait: str = "", seconds: float = 0.35) -> None:
        """Press keys on one of them, with a frame after each; at last wait for a text."""
        for key in keys:
            self.laptops[which].press(key)
            time.sleep(0.35)
            self.shoot(seconds)
        if wait:
            self.laptops[which].wait_for(wait)
            self.shoot(seconds)

    def type(self, which: int, text: str) -> None:
        """Type a text, in a few frames."""
        for start in range(0, len(text), 4):
            self.laptops[which].type(text[start : start + 4])
            time.sleep(0.25)
            self.shoot(0.2)

    def plug(self, is_plugged: bool) -> None:
        """Plug the cable in, or pull it."""
        self._cable.plug() if is_plugged else self._cable.unplug()
        self.is_plugged = is_plugged

    def watch(self, seconds: float) -> None:
        """Let something go on, a frame each half second."""
        for _half in range(int(seconds * 2)):
            time.sleep(0.5)
            self.shoot(0.4)


def record(take: Recorder) -> None:
    """What happens."""
    take.caption = "Two devices of one fleet, far from each other and from any network"
    take.shoot(2)
    for which, value in ((0, "Brix 60"), (1, "Acme LookNice 6000")):
        who = ("Maier, on K1,", "Jones, on K3,")[which]
        take.caption = f"{who} gives Lane 1 of TSC Kiel another printer" + (", too" if which else "")
        take.press(which, *PLACE, seconds=0.15)
        take.press(which, "e", "C-u", seconds=0.3)
        take.type(which, value)
        take.press(which, "Enter", "C-s", seconds=0.7)
        take.press(which, "Enter", wait="Saved", seconds=1)
    take.caption = "They meet. A serial cable is all there is"
    take.plug(True)
    for which in (0, 1):
        take.laptops[which].wait_for("Cable on")
    take.shoot(2)
    take.press(0, "5", seconds=0.5)
    take.press(1, "5", seconds=0.5)
    take.press(0, "Enter", seconds=0.7)
    take.press(1, "Enter", seconds=0.5)
    take.laptops[0].wait_for(" left")
    take.watch(3)
    take.caption = "Somebody pulls the cable"
    take.plug(False)
    take.laptops[0].wait_for("pulled")
    take.shoot(2.5)
    take.caption = "Plugged in again, it goes on where it was"
    take.plug(True)
    take.watch(2)
    for which in (0, 1):
        take.laptops[which].wait_for("Synced with")
    take.shoot(2.5)
    take.caption = "Both are kept. Until somebody decides, all devices use the same one"
    take.press(0, "3", wait="2 values", seconds=2.5)
    take.press(1, "3", wait="2 values", seconds=2.5)
    take.caption = "Whoever knows better resolves it, in one key, and the other learns of it"
    take.press(0, "Right", seconds=1)
    take.press(0, "t", wait="Resolved", seconds=1.5)
    take.press(0, "5", seconds=0.5)
    take.press(1, "5", seconds=0.5)
    take.press(0, "Enter", seconds=0.5)
    take.press(1, "Enter", wait="Synced with K1: 1 received", seconds=1.5)
    take.press(1, "3", wait="othing", seconds=3)


def main() -> None:
    """Record it, and write the film."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fieldline-recording-")))
        asyncio.run(make_homes(folder))
        cable = stack.enter_context(Cable(baud=BAUD))
        cable.unplug()
        laptops = []
        for end, (name, user) in enumerate((("K1", "Maier"), ("K3", "Jones"))):
            settings = {"name": name, "cables": [f"{cable.ends[end]}?baud={BAUD}"]}
            (folder / name / "settings.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
            (folder / f"tmux{end}").mkdir()
            call = [sys.executable, "-m", "tui.cli", "--home", str(folder / name), "--user", user, "--lang", "en"]
            laptop = Laptop(folder / f"tmux{end}", [*call, "tui", "--no-mouse", "--theme", "dark"])
            stack.callback(laptop.close)
            laptop.wait_for("nothing to resolve")
            laptops.append(laptop)
        time.sleep(2.5)  # the ports were looked at
        take = Recorder((laptops[0], laptops[1]), cable)
        record(take)
        PATH.write_text(take.film.svg(), encoding="utf-8")
    seconds = sum(frame.seconds for frame in take.film.frames)
    print(f"{PATH.name}: {len(take.film.frames)} frames, {seconds:.0f} s, {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    if shutil.which("tmux") is None:
        sys.exit("A recording needs tmux: apt install tmux")
    main()
