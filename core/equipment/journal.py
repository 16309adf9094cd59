"""What was applied on this device, and what is still owed.

Kept in its home, a row before each step and one after.

Who reads a step that began and did not end knows that it was cut half-way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import temporary_files
from core.errors import FieldlineError
from core.parsers import parse_json
from core.paths import exists

JOURNAL_FILE, STATE_FILE = "equipment-journal.jsonl", "equipment-state.json"
MAX_JOURNAL_BYTES = 1 << 20
KEPT_ROWS = 1000
"""Rows that stay when the journal has grown too large."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One step: the value before and the one wanted, and what became of it.

    Outcome "unknown": it was cut half-way, or cannot be read back. Microseconds since 1970 UTC.
    """

    number: int
    at_us: int
    property: str
    before: str | None
    after: str | None
    outcome: str
    problem: FieldlineError | None = None
    is_finished: bool = True


def half_applied_problem(name: str) -> FieldlineError:
    """What to tell of a step that began and did not end."""
    return FieldlineError("It was cut half-way: look at {property} on this device, then apply again.", property=name)


class Journal:
    """The two files in a home.

    Used by one process at a time for writing, under the lock of the home.
    """

    def __init__(self, home: Path) -> None:
        self._journal, self._state = home / JOURNAL_FILE, home / STATE_FILE

    # --- rows --------------------------------------------------------------------------------------------------------

    def begin(self, at_us: int, name: str, before: str | None, after: str | None) -> int:
        """Note a step that is about to be made, and give its number.

        It is on the disk when this returns.
        """
        number = 1 + max((row["step"] for row in self._read() if isinstance(row.get("step"), int)), default=0)
        self._append({"step": number, "at": at_us, "property": name, "before": before, "after": after})
        return number

    def end(self, number: int, at_us: int, outcome: str, problem: FieldlineError | None, after: str | None) -> None:
        """Note what became of it."""
        row: dict[str, Any] = {"step": number, "ended": at_us, "outcome": outcome, "after": after}
        if problem is not None:
            row["message"] = problem.template
            row["params"] = {k: v if isinstance(v, str | int) else str(v) for k, v in problem.params.items()}
        self._append(row)

    def rows(self, limit: int | None = None) -> list[JournalRow]:
        """The steps, the latest first."""
        steps: dict[int, dict[str, Any]] = {}
        for row in self._read():
            number = row.get("step")
            if isinstance(number, int):
                steps.setdefault(number, {}).update(row)
        rows = [_row(number, row) for number, row in reversed(steps.items()) if isinstance(row.get("property"), str)]
        return rows[:limit]

    def unfinished(self) -> set[str]:
        """The properties whose latest step was cut half-way."""
        latest: dict[str, bool] = {}
        for row in self.rows():
            latest.setdefault(row.property, row.is_finished)
        return {name for name, is_finished in latest.items() if not is_finished}

    def _append(self, row: dict[str, Any]) -> None:
        if exists(self._journal) and self._journal.stat().st_size > MAX_JOURNAL_BYTES:
            kept = [json.dumps(each) + "\n" for each in self._read()[-KEPT_ROWS:]]
            _replace(self._journal, "".join(kept))
        number = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # A crash may have left a line without its end.
            os.write(number, b"\n" + json.dumps(row).encode() + b"\n")
            os.fsync(number)
        finally:
            os.close(number)

    def _read(self) -> list[dict[str, Any]]:
        try:
            lines = self._journal.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [row for line in lines if line.strip() and isinstance(row := _parse(line), dict)]

    # --- what is owed ------------------------------------------------------------------------------------------------

    def owed(self) -> dict[str, str]:
        """By property the fingerprint of what has to be run until it succeeds."""
        return self._section("owed")

    def applied(self) -> dict[str, str]:
        """By property the value that was applied last."""
        return self._section("applied")

    def set_owed(self, name: str, fingerprint: str | None) -> None:
        """Note that something is owed for a property, or (None) that it no longer is.

        On the disk on return.
        """
        self._set("owed", name, fingerprint)

    def set_applied(self, name: str, value: str | None) -> None:
        """Note the value that was applied."""
        self._set("applied", name, value)

    def _section(self, section: str) -> dict[str, str]:
        content = self._content().get(section)
        return {k: v for k, v in content.items() if isinstance(v, str)} if isinstance(content, dict) else {}

    def _content(self) -> dict[str, Any]:
        try:
            content = _parse(self._state.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return {}
        return content if isinstance(content, dict) else {}

    def _set(self, section: str, name: str, value: str | None) -> None:
        before = self._section(section)
        after = {**before, name: value} if value is not None else {k: v for k, v in before.items() if k != name}
        if after != before:
            _replace(self._state, json.dumps({**self._content(), section: after}))


def _parse(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return None


def _row(number: int, row: Mapping[str, Any]) -> JournalRow:
    name, at_us, params = row["property"], int(row.get("at") or 0), row.get("params")
    before, after = row.get("before"), row.get("after")
    if "ended" not in row:
        return JournalRow(number, at_us, name, before, after, "unknown", half_applied_problem(name), is_finished=False)
    message = str(row.get("message") or "")
    problem = FieldlineError(message, **(params if isinstance(params, dict) else {})) if message else None
    return JournalRow(number, at_us, name, before, after, str(row.get("outcome")), problem)


def _replace(path: Path, text: str) -> None:
    """Write a file of the home anew: all of it or nothing."""
    with temporary_files.open_replacement(path) as file:
        file.write(text.encode())
