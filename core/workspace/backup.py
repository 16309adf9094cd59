"""A consistent copy of the store in one file, made while it is in use."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core import temporary_files
from core.errors import FieldlineError, Refused
from core.store import spot_check
from core.store.connection import StoreError, translate_sqlite_errors
from core.values import quote_value
from core.workspace import sealed_copy

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.types import OnProgress
    from core.sync.sealed_file import SealKeys

PLAIN_COPY = "backup.db"
PAGES_PER_STEP = 2000
"""Between two calls of `on_progress`: about eight megabytes."""


async def backup_store(workspace: DeviceContext, path: Path, on_progress: OnProgress, *, plain: bool) -> int:
    """See `Workspace.backup`."""
    source = workspace.home.store
    aside = temporary_files.temporary_path(path)
    keys = None if plain else await workspace.seal_keys()
    if keys is not None and not keys.epochs.current:
        raise FieldlineError("This device holds nothing of the fleet yet: sync with any device of it first.")
    work = asyncio.create_task(
        workspace.store.run(lambda connection: _write_copy(connection, source, path, aside, keys, on_progress))
    )
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        # The thread cannot be stopped, but has to be done with the file before it is removed.
        with suppress(Exception):
            await work
        raise


def _store_files(source: Path) -> set[Path]:
    return {(source.parent / (source.name + end)).resolve() for end in ("", "-wal", "-shm")}


def _write_copy(
    original: sqlite3.Connection,
    source: Path,
    path: Path,
    aside: Path,
    keys: SealKeys | None,
    progress: OnProgress,
) -> int:
    if path.resolve() in _store_files(source):
        raise Refused("{path} is the store itself: name another file for the copy.", path=quote_value(str(path)))
    try:
        temporary_files.clear_leftovers(path)
        held = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            temporary_files.hold(held)
            if keys is None:
                with translate_sqlite_errors(path):
                    changes = _copy_pages(original, path, aside, progress)
            else:
                changes = _write_sealed_copy(original, source, path, held, keys, progress)
            os.fsync(held)
            aside.replace(path)
        except BaseException:
            for each in (aside, aside.with_name(f"{aside.name}-journal")):
                each.unlink(missing_ok=True)
            raise
        finally:
            os.close(held)
        temporary_files.sync_folder(path.parent)
    except OSError as error:
        raise FieldlineError(
            "The copy {path} could not be written: {why}. What was there before is still there.",
            path=quote_value(str(path)),
            why=error.strerror or str(error),
        ) from None
    return changes


def _write_sealed_copy(
    original: sqlite3.Connection, source: Path, path: Path, held: int, keys: SealKeys, progress: OnProgress
) -> int:
    """Copy the store on this device's own disk, and seal that into the held file.

    None of it is in the clear there. A store on a full or read-only disk is copied among the temporary files.
    """
    spare = Path(tempfile.gettempdir())
    try:
        return _seal_by_way_of(source.with_name(PLAIN_COPY), original, path, held, keys, progress)
    except (OSError, StoreError):
        if os.fstat(held).st_size:
            raise
    return _seal_by_way_of(spare / f"fieldline-{PLAIN_COPY}", original, path, held, keys, progress)


def _seal_by_way_of(
    between: Path, original: sqlite3.Connection, path: Path, held: int, keys: SealKeys, progress: OnProgress
) -> int:
    copy = temporary_files.temporary_path(between)
    temporary_files.clear_leftovers(between)
    plain = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        temporary_files.hold(plain)
        with translate_sqlite_errors(copy):
            changes = _copy_pages(original, path, copy, progress)
        with os.fdopen(os.dup(held), "wb") as file:
            sealed_copy.write_sealed(copy, file, keys)
        return changes
    finally:
        os.close(plain)
        for each in (copy, copy.with_name(f"{copy.name}-journal")):
            each.unlink(missing_ok=True)


def _copy_pages(original: sqlite3.Connection, path: Path, aside: Path, progress: OnProgress) -> int:
    with closing(sqlite3.connect(aside.absolute().as_uri(), uri=True, isolation_level=None)) as copy:
        # One view of the store from the first page to the last, whatever others write meanwhile.
        original.execute("BEGIN")
        try:
            changes: int = original.execute("SELECT count(*) FROM changes").fetchone()[0]
            original.backup(
                copy, pages=PAGES_PER_STEP, progress=lambda _status, left, total: progress(total - left, total)
            )
        finally:
            original.execute("ROLLBACK")
        # All in the one file, which may end up where nothing can be written beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = spot_check.find_damage(copy, sampled=None, checked=spot_check.rows_as_before(copy, path))
    if found is not None:
        raise FieldlineError(
            "The store is damaged ({what}): no copy was made, and what was at {path} before is still there. Run"
            " `fieldline verify --repair`, then copy again.",
            what=found,
            path=quote_value(str(path)),
        )
    return changes
