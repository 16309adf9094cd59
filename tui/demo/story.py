"""A transcript of two devices.

Every line of it is a real call of the program, and every sync goes over a real link.

Each device has a home of its own, and a cable joins them: no network is needed. The first device's end of a sync is
a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click

import tui
from core.errors import FieldlineError
from tui.demo.cable import cable_pair
from tui.i18n.translate import _, language

DEMO_PLACE = "place:241/Entrance right"
DEMO_PROPERTY = "printer"
VERB_TIMEOUT_S = 60.0
"""Seconds for the first device to find out that a sync is over."""

DEMO_USERS = {"K1": "Maier", "K2": "Müller"}


def print_story(folder: Path) -> int:
    """Print the transcript, with the devices' homes in this folder.

    Return the exit code.
    """
    story = _Story(folder)
    story.narrate(_("Two devices. On the first, Maier creates a fleet and describes a place."))
    fleet = story.run_json("K1", "init", "--fleet", "Nord", "--device", "K1")["fleet"]
    story.run_verb("K1", "new", "locality", "code=241", "name=TSC Kiel")
    story.run_verb("K1", "new", "place", "name=Entrance right", "locality=locality:241", "printer=Acme 5000")
    story.narrate(_("The second one, Müller's, joins; it has to be admitted."))
    device = story.run_json("K2", "join", fleet, "--device", "K2")["device"]
    story.run_verb("K1", "admit", device, "--role", "technician", "--name", "K2")
    with cable_pair() as ends:
        story.narrate(_("They sync, over TLS, and hold the same."))
        story.sync_devices(ends)
        story.check_same_root()
        story.narrate(_("Apart from each other, both change the printer of that place."))
        story.run_verb("K1", "set", DEMO_PLACE, "printer=Acme LookNice 5020", "--note", "toner leak")
        apart = story.run_json("K2", "set", DEMO_PLACE, "printer=Acme LookNice 5021")["change"]
        story.narrate(
            _("They sync again. Neither knew of the other's change: a conflict, and nobody is stopped by it.")
        )
        story.sync_devices(ends)
        story.run_verb("K1", "show", DEMO_PLACE)
        story.run_verb("K2", "inbox")
        story.check_same_value()
        story.narrate(_("When Maier has a minute she resolves it, with an edit like any other."))
        story.run_verb(
            "K1", "resolve", DEMO_PLACE, DEMO_PROPERTY, "--value", "Acme LookNice 5021", "--note", "looked at it"
        )
        story.sync_devices(ends)
        story.check_same_root()
    story.narrate(_("Nothing is lost: on both devices anybody can look back, and see who changed what."))
    story.run_verb("K2", "log", DEMO_PLACE, DEMO_PROPERTY)
    story.run_verb("K2", "show", DEMO_PLACE, "--at", apart[:12])
    story.run_verb("K1", "verify")
    story.run_verb("K2", "verify")
    return 0


class _Story:
    """Calls the program for the devices and prints its output."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def narrate(self, text: str) -> None:
        """A line of narration."""
        click.echo(f"\n# {text}")

    def run_verb(self, device: str, *arguments: str) -> None:
        """Call the program on a device; raises FieldlineError if it fails."""
        click.echo(f"{device} $ fieldline {shlex.join(arguments)}")
        self._start_verb(device, arguments)

    def run_json(self, device: str, *arguments: str) -> Any:
        """Call the program on a device and return its JSON."""
        click.echo(f"{device} $ fieldline {shlex.join((*arguments, '--json'))}")
        answer = self._read_output(device, *arguments)
        click.echo(answer.strip())
        return json.loads(answer)

    def check_same_root(self) -> None:
        """Compare the devices' whole sets of changes."""
        roots = {json.loads(self._read_output(device, "status"))["root"] for device in DEMO_USERS}
        self._check(len(roots) == 1)
        click.echo("=> " + _("both hold the same changes: root {root}").format(root=roots.pop()))

    def check_same_value(self) -> None:
        """Compare the value in use of what is in conflict."""
        slots = [
            json.loads(self._read_output(device, "show", DEMO_PLACE))["slots"][DEMO_PROPERTY] for device in DEMO_USERS
        ]
        self._check(all(slot["state"] == "conflict" and slot["provisional"] for slot in slots))
        self._check(slots[0]["value"] == slots[1]["value"])
        click.echo("=> " + _("in use on both devices, provisional: {value}").format(value=slots[0]["value"]))

    def sync_devices(self, ends: tuple[str, str]) -> None:
        """Let two devices sync at the ends of a cable, and print the second's output."""
        first, second = (f"serial://{end}" for end in ends)
        click.echo(f"K1 $ fieldline sync {first} &")
        environment = {**os.environ, "PYTHONPATH": str(Path(tui.__file__).parents[1])}
        process = subprocess.Popen(  # noqa: S603 - this program itself, with arguments made here
            [sys.executable, "-P", "-m", "tui.cli", *self._globals("K1"), "sync", first],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            self.run_verb("K2", "sync", second)
            self._check(process.wait(VERB_TIMEOUT_S) == 0)
        finally:
            process.kill()
            process.wait()

    def _globals(self, device: str) -> list[str]:
        return ["--home", str(self._folder / device), "--user", DEMO_USERS[device], "--lang", language()]

    def _start_verb(self, device: str, arguments: tuple[str, ...]) -> None:
        from tui.cli.main import run

        with redirect_stderr(sys.stdout):
            self._check(run([*self._globals(device), *arguments]) == 0)

    def _read_output(self, device: str, *arguments: str) -> str:
        from tui.cli.main import run

        with redirect_stdout(io.StringIO()) as answer, redirect_stderr(io.StringIO()):
            self._check(run([*self._globals(device), *arguments, "--json"]) == 0)
        return answer.getvalue()

    def _check(self, so: bool) -> None:
        if not so:
            raise FieldlineError("The demonstration did not go as it should: please report it.")
