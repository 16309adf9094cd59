"""What the driver of a terminal does when it is told to go on."""

from __future__ import annotations

from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.driver import limit_input


class Recorder(LinuxDriver):
    """A driver that only notes when it starts and stops."""

    def __init__(self) -> None:
        self._file = None
        self._auto_restart = True
        self.steps: list[str] = []

    def start_application_mode(self) -> None:
        self.steps.append("start")

    def stop_application_mode(self) -> None:
        self.steps.append("stop")

    def close(self) -> None:
        pass


def test_a_terminal_that_was_not_suspended_is_not_started_again() -> None:
    """SIGCONT comes along with every hang-up of a terminal."""
    driver: Any = limit_input(Recorder)()
    driver._sigcont_application()
    assert driver.steps == []
    driver.suspend_application_mode()
    driver._sigcont_application()
    driver._sigcont_application()
    assert driver.steps == ["stop", "start"]
