"""The table at the end of `make soak`: what was tried, and what came of it.

A test of that mark records a row with `record_property(*soak_row(…))`, which pytest carries from its workers. Rows of
one name are added up. A test that fails loses something, or may: it is a row of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

FAULTS_KEY = "soak faults"
FIGURE_KEY = "soak figure"


def soak_row(what: str, tried: int, came_to: Mapping[str, int] | None = None) -> tuple[str, object]:
    """Give the property that says how often something was tried, and what it came to."""
    return FAULTS_KEY, [what, tried, dict(came_to or {})]


def soak_figure(what: str, figure: str) -> tuple[str, object]:
    """Give the property that says a figure, as a line below the table."""
    return FIGURE_KEY, [what, figure]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if there is anything for it (a hook of pytest)."""
    recorded = [
        (name, value)
        for report in terminalreporter.stats.get("passed", [])
        if "soak" in report.keywords
        for name, value in getattr(report, "user_properties", [])
    ]
    failed = [report.nodeid for report in terminalreporter.stats.get("failed", []) if "soak" in report.keywords]
    lines = soak_lines(recorded, failed)
    if lines:
        terminalreporter.section("soak")
        for line in lines:
            terminalreporter.write_line(line)


def soak_lines(recorded: Iterable[tuple[str, object]], failed: Iterable[str]) -> list[str]:
    """Make the lines of the table."""
    tried: Counter[str] = Counter()
    came_to: dict[str, Counter[str]] = {}
    figures: dict[str, str] = {}
    for name, value in recorded:
        match name, value:
            case (str(key), [str(what), int(count), dict(ends)]) if key == FAULTS_KEY:
                tried[what] += count
                came_to.setdefault(what, Counter()).update(ends)
            case (str(key), [str(what), str(figure)]) if key == FIGURE_KEY:
                figures[what] = figure
    failed = list(failed)
    if not tried and not figures and not failed:
        return []
    lines = [f"{'what':56}{'tried':>10}{'survived':>10}{'lost':>6}"]
    for what, count in sorted(tried.items()):
        ends = ", ".join(f"{number:,} {end}" for end, number in sorted(came_to[what].items()) if number)
        lines.append(f"{what:56}{count:10,}{count:10,}{0:6}  {ends}".rstrip())
    lines += [f"{nodeid:56}{'':>10}{'no':>10}{'?':>6}" for nodeid in failed]
    lines.append(f"{'in all':56}{tried.total():10,}{tried.total():10,}{len(failed):6}")
    lines += [f"{what:56}{figure}" for what, figure in figures.items()]
    return lines
