"""Calling the program as a shell does.

In this process where that is enough, else in one of its own.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.deadlines import DEADLINE_S
from tests.support.output_schemas import check_printed
from tui.cli.main import run

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Answer:
    """What a call of the program came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Terminal:
    """Somebody in front of one device."""

    home: Path
    user: str = "Maier"
    lang: str = "en"

    @property
    def globals(self) -> list[str]:
        return ["--home", str(self.home), "--user", self.user, "--lang", self.lang]

    def call(self, *arguments: str) -> Answer:
        """Call the program in this process."""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = run([*self.globals, *arguments])
        if "--json" in arguments:
            check_printed(arguments, out.getvalue())
        return Answer(code, out.getvalue(), err.getvalue())

    def ask(self, *arguments: str) -> Any:
        """Call it, and give the JSON that a call that works prints."""
        answer = self.call(*arguments, "--json")
        assert answer.code == 0, answer.err
        return answer.json

    def refused(self, *arguments: str, code: int = 2) -> str:
        """Call it, and give the one sentence that a call says that does not work.

        Nothing was changed by it.
        """
        before = self.root()
        answer = self.call(*arguments)
        assert answer.code == code, answer
        assert answer.out == ""
        assert answer.err.count("\n") == 1
        assert "Traceback" not in answer.err
        assert self.root() == before
        return answer.err.strip()

    def root(self) -> str | None:
        """The fingerprint of all that the device holds; None if there is none."""
        answer = self.call("status", "--json")
        return answer.json["root"] if answer.code == 0 else None

    def process(self, *arguments: str, env: dict[str, str] | None = None, **settings: Any) -> subprocess.Popen[str]:
        """Call the program in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tui.cli", *self.globals, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            **settings,
        )

    def alone(self, *arguments: str, **settings: Any) -> Answer:
        """The same, and what came of it."""
        process = self.process(*arguments, **settings)
        out, err = process.communicate(timeout=DEADLINE_S)
        return Answer(process.returncode, out, err)
