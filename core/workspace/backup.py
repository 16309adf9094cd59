"""A consistent copy of the store in one file, made while it is in use."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.store.connection import BUSY_TIMEOUT_S, translate_sqlite_errors
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext, OnProgress

PAGES_PER_STEP = 2000
"""Between two calls of `on_progress`: about eight megabytes."""


async def backup_store(workspace: DeviceContext, path: Path, on_progress: OnProgress) -> int:
    """See `Workspace.backup`."""
    source = workspace.home.store
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    work = asyncio.create_task(asyncio.to_thread(_write_copy, source, path, aside, on_progress))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        # The thread cannot be stopped, but has to be done with the file before it is removed.
        with suppress(Exception):
            await work
        raise


def _store_files(source: Path) -> set[Path]:
    return {(source.parent / (source.name + end)).resolve() for end in ("", "-wal", "-shm")}


def _write_copy(source: Path, path: Path, aside: Path, progress: OnProgress) -> int:
    if path.resolve() in _store_files(source):
        raise Refused("{path} is the store itself: name another file for the copy.", path=quote_value(str(path)))
    try:
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with translate_sqlite_errors(path):
                changes = _copy_pages(source, aside, progress)
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _fsync_folder(path.parent)
    except OSError as error:
        raise FieldlineError(
            "The copy {path} could not be written: {why}. What was there before is still there.",
            path=quote_value(str(path)),
            why=error.strerror or str(error),
        ) from None
    return changes


def _copy_pages(source: Path, aside: Path, progress: OnProgress) -> int:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as original,
        closing(sqlite3.connect(aside, isolation_level=None)) as copy,
    ):
        # One view of the store from the first page to the last, whatever others write meanwhile.
        original.execute("BEGIN")
        changes: int = original.execute("SELECT count(*) FROM changes").fetchone()[0]
        original.backup(copy, pages=PAGES_PER_STEP, progress=lambda _status, left, total: progress(total - left, total))
        original.execute("ROLLBACK")
        # All in the one file, which may end up where nothing can be written beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise FieldlineError(
            "The store is damaged ({what}): no copy was made. Run `fieldline verify`, or restore an older copy.",
            what=quote_value(str(found)),
        )
    return changes


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
