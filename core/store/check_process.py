"""Check in a process of its own what needs no replay.

While the replay runs, on another core of the processor.

Everything that is asked here can be asked by the caller, too, if the process does not come about or does not end well.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Concatenate, ParamSpec

from core.errors import FieldlineError
from core.store.connection import BUSY_TIMEOUT_S

P = ParamSpec("P")


class SecondCore:
    """Checks under way in another process."""

    def __init__(self, receiving: Connection) -> None:
        self._receiving = receiving

    def result(self) -> list[FieldlineError] | None:
        """Wait for what was found; None if the process could not do it."""
        try:
            found: list[FieldlineError] | None = self._receiving.recv()
        except (EOFError, OSError):
            return None
        return found


@contextmanager
def run_beside(
    path: Path,
    check: Callable[Concatenate[sqlite3.Connection, P], list[FieldlineError]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Iterator[SecondCore | None]:
    """Run `check(connection, ...)` on a store in another process.

    It is a function of a module.

    None where there is no second core, or the process cannot be started.
    """
    if len(os.sched_getaffinity(0)) < 2:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(str(path), sending, check, args, kwargs), daemon=True)
    try:
        process.start()
    except OSError:
        receiving.close()
        sending.close()
        yield None
        return
    sending.close()
    try:
        yield SecondCore(receiving)
    finally:
        # Whoever leaves early does not want the result any more.
        process.terminate()
        process.join()
        receiving.close()


def _run(
    path: str,
    sending: Connection,
    check: Callable[..., list[FieldlineError]],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> None:
    found: list[FieldlineError] | None = None
    with suppress(sqlite3.DatabaseError):
        uri = f"{Path(path).absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as connection:
            found = check(connection, *args, **kwargs)
    sending.send(found)
