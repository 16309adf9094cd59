"""What all tests share.

A fixed environment, Hypothesis profiles, where snapshots lie, data from beside it.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_textual_snapshot
from hypothesis import HealthCheck, settings

from tests.support.crash_report import pytest_runtest_makereport  # noqa: F401 - a hook
from tests.support.own_network import enter_own_network
from tests.support.soak_table import pytest_terminal_summary  # noqa: F401 - a hook

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

# What a person's shell may set and what would show in a test: colours, theme, language, time zone, our own settings.
FOREIGN = {"NO_COLOR", "COLORTERM", "FORCE_COLOR", "LANGUAGE", "TEXTUAL_THEME", "TEXTUAL_ANIMATIONS"}
# What alters how a Python behaves that is started: unbuffered, no stream fails as late as it does for people.
FOREIGN |= {"PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE"}
# Said to the tests themselves, by tests.cli.test_interpreters.
OURS = {"FIELDLINE_PYTHONS"}
for name in set(os.environ) - OURS:
    if name in FOREIGN or name.startswith(("FIELDLINE_", "LC_")):
        del os.environ[name]
os.environ.update(TZ="UTC", LANG="C.UTF-8", TERM="xterm-256color")
time.tzset()
# A shell starts what it runs in the background with SIGINT ignored, and so would be every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Devices under test find each other in the network: never those of another test run beside this one.
enter_own_network()

# What is imported and collected stays until the end: to look through it for cycles again and again would cost a tenth
# of the time of all tests. Cycles that tests leave behind are still found, less often.
gc.set_threshold(100_000, 10, 20)


LONG = (
    "tests/simulation",
    "tests/cli/faults",
    "tests/core/mirror",
    "tests/bench",
    "tests/core/sync/test_fuzz.py",
    "tests/tui/test_tour.py",
    "tests/tui/i18n",
)
"""Where single tests take more than a second: they begin first, so that nobody waits for one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long ones begin, all others in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Keep what was collected out of the search for cycles."""
    gc.collect()
    gc.freeze()


# `test` tries the same examples in every run, so that a red run is about the change at hand; `soak` looks for new ones.
# How long an example takes is the machine's affair: no deadline, no health check of speed.
settings.register_profile(
    "test", max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "soak", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


class Snapshots(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]
    """Pictures of screens, kept as snapshots/<test module>/<test>.svg."""

    file_extension = "svg"

    @classmethod
    def dirname(cls, *, test_location: object) -> str:
        return str(ROOT / "snapshots" / test_location.basename)  # type: ignore[attr-defined]

    def read_snapshot_data_from_location(self, **location: object) -> object:
        """The name that newer versions of syrupy call."""
        return self._read_snapshot_data_from_location(**location)


pytest_textual_snapshot.SVGImageExtension = Snapshots


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A program under test without a home must not write into the tester's home."""
    base = tmp_path_factory.mktemp("xdg")
    for kind in ("DATA", "CONFIG", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(base / kind.lower())


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """What a test ignores, as a kiosk does, no program of later ones may ignore."""
    before = {number: signal.getsignal(number) for number in signal.Signals}
    yield
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with real data.

    A test that needs it is skipped where it is absent.
    """
    if not SHARED.is_dir():
        pytest.skip("needs the data folder ../shared beside the repository")
    return SHARED
