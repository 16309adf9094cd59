"""Put a copy of the store in the place of the store, safely; the old one is kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core import paths, temporary_files
from core.device.home import Home
from core.device.last_change import mark_unconfirmed
from core.errors import FieldlineError, Refused
from core.identity import load_identity
from core.store import migrations, spot_check, store_file
from core.store.connection import not_a_store, read_meta, translate_sqlite_errors
from core.values import quote_value
from core.workspace import sealed_copy

if TYPE_CHECKING:
    from core.store.types import OnProgress
    from core.sync.sealed_file import Opener

OPENED_COPY = "restored.db"
PAGES_PER_STEP = 2000
"""Between two calls of `on_progress`: about eight megabytes."""


@dataclass(frozen=True, slots=True)
class RestoredStore:
    """What the store holds now, and where the old one is kept; None if there was none."""

    change_count: int
    kept_file: Path | None


async def restore_store(
    folder: Path, file: Path, on_progress: OnProgress, opener: Callable[[], Opener] | None = None
) -> RestoredStore:
    """Replace the store of a home with a copy that `backup` made.

    The old one is kept beside it. A sealed copy is opened by what the store that is there knows, else by this device's
    key, or the one that `opener` gives.

    Raises FieldlineError, with nothing changed, if other programs use the store, or the copy is damaged or of another
    fleet.
    """
    home = Home(folder)
    return await asyncio.to_thread(_restore, home, file, on_progress, opener or partial(load_identity, home.key))


def _restore(home: Home, file: Path, progress: OnProgress, opener: Callable[[], Opener]) -> RestoredStore:
    path, shown = home.store, quote_value(str(file))
    if file.resolve() in {each.resolve() for each in store_file.store_files(path)}:
        raise Refused("{path} is the store itself: name a copy of it.", path=shown)
    try:
        if not paths.exists(home.key):
            raise FieldlineError(
                "There is no device at {path}: run `fieldline join` first, and then restore its store.",
                path=str(home.folder),
            )
        if not paths.is_file(file):
            raise FieldlineError(
                "There is no file {path}: name a copy that `backup` made.", path=quote_value(str(file))
            )
        with store_file.exclusive(path):
            new = store_file.replacement_path(path)
            opened = temporary_files.temporary_path(path.with_name(OPENED_COPY))
            try:
                sealed_fleet = sealed_copy.read_sealed_fleet(file)
                if sealed_fleet is not None:
                    _check_same_fleet(path, sealed_fleet)
                    temporary_files.clear_leftovers(path.with_name(OPENED_COPY))
                    sealed_copy.open_sealed(file, sealed_fleet, opened, home, opener)
                    file = opened
                count, fleet = _copy(file, new, progress)
                _check_same_fleet(path, fleet)
                if home.read_last_change() is None:
                    _mark_unconfirmed(new, home)
                new.chmod(0o600)
                kept = _keep_old(path)
                store_file.swap_in(path)
            finally:
                for each in (opened, new, new.with_name(f"{new.name}-journal")):
                    each.unlink(missing_ok=True)
    except OSError as error:
        raise FieldlineError(
            "The store could not be restored: {why}. The old one is still in its place.",
            why=error.strerror or str(error),
        ) from None
    return RestoredStore(count, kept)


def _copy(file: Path, new: Path, progress: OnProgress) -> tuple[int, bytes]:
    """Copy and check a store; gives how many changes it has, and its fleet."""
    source_uri = f"{file.resolve().as_uri()}?mode=ro"
    if not any(paths.exists(each) for each in store_file.store_files(file)[1:]):
        source_uri += "&immutable=1"  # what lies beside nothing may be on a disk where nothing can be written
    with (
        translate_sqlite_errors(file),
        closing(sqlite3.connect(source_uri, uri=True, isolation_level=None)) as source,
        closing(sqlite3.connect(new, isolation_level=None)) as copy,
    ):
        migrations.check_is_store(source, file)
        source.backup(copy, pages=PAGES_PER_STEP, progress=lambda _status, left, total: progress(total - left, total))
        copy.execute("PRAGMA journal_mode = DELETE")
        if found := spot_check.find_damage(copy, sampled=None):
            raise FieldlineError(
                "{path} is damaged ({what}): nothing was restored. Take another copy, or `fieldline import` what other"
                " devices export.",
                path=quote_value(str(file)),
                what=found,
            )
        fleet = read_meta(copy, "fleet")
        if fleet is None:
            raise not_a_store(file)
        return int(copy.execute("SELECT count(*) FROM changes").fetchone()[0]), fleet


def _mark_unconfirmed(new: Path, home: Home) -> None:
    """Mark a copy of which nothing says whether it holds all that was saved here."""
    device = load_identity(home.key).device
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        mark_unconfirmed(connection, device)


def _check_same_fleet(path: Path, fleet: bytes) -> None:
    """Raise Refused if the store that is to be replaced is one of another fleet.

    A damaged one says nothing.
    """
    own: bytes | None = None
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as old:
        own = read_meta(old, "fleet")
    if own is not None and own != fleet:
        raise Refused(
            "That is a copy of another fleet, {other}, and this device is one of {fleet}: nothing was restored.",
            other=fleet.hex(),
            fleet=own.hex(),
        )


def _keep_old(path: Path) -> Path | None:
    """Give the old store another name besides its own, with its log.

    So that it stays when that is replaced.
    """
    if not paths.exists(path):
        return None
    name = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    kept = next(
        k for k in (path.with_name(f"{name}{n}{path.suffix}") for n in ("", *range(2, 1000))) if not paths.exists(k)
    )
    for old, copy in zip(store_file.store_files(path)[:2], store_file.store_files(kept)[:2], strict=True):
        if paths.exists(old):
            try:
                os.link(old, copy)
            except OSError:  # a file system without a second name for a file
                shutil.copy2(old, copy)
    return kept
