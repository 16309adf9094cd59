"""A terminal in which a program runs, and a person in front of it.

Tmux, where it is installed.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.support.deadlines import DEADLINE_S


class Laptop:
    """A terminal of 80 by 24 on which a command runs."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", os.devnull]
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", "-e", "LANG=C.UTF-8", *command)
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *arguments: str) -> str:
        """Tell tmux something; gives what it answers."""
        done = subprocess.run([*self._tmux, *arguments], capture_output=True, check=True, timeout=DEADLINE_S)
        return done.stdout.decode()

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        for key in keys:
            self.tmux("send-keys", key)

    def type(self, text: str) -> None:
        """Type a text."""
        self.tmux("send-keys", "-l", text)

    def text(self) -> str:
        """What is on the screen."""
        return self.tmux("capture-pane", "-p")

    def wait_for(self, text: str) -> str:
        """Wait until a text is on the screen; gives the screen."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in (screen := self.text()):
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{screen}"
            time.sleep(0.05)
        return screen

    def wait_for_end(self) -> None:
        """Wait until what runs there has ended.

        Tmux does not always leave its word of it on the screen.
        """
        deadline = time.monotonic() + DEADLINE_S
        while self.tmux("list-panes", "-F", "#{pane_dead}").strip() != "1":
            assert time.monotonic() < deadline, f"it does not end:\n{self.text()}"
            time.sleep(0.05)

    def close(self) -> None:
        """End what runs there."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False, timeout=DEADLINE_S)
