"""Build a store anew from its blocks, beside the old one, and put it in its place.

Only the blocks have to be readable, wherever they are in the file (core/store/salvage.py); all else is derived from
them, or lost at no harm. What cannot be restored is kept aside in a file, and told with what depends on it.

Nobody else may have the store open. All functions run on one thread; none uses a connection of the caller.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from core.changes import Block, change_id, decode_block
from core.errors import BlockRefused, FieldlineError
from core.header import decode_header, fleet_id, header_size, verify
from core.paths import exists
from core.store import store_file
from core.store.block_mend import mend_block
from core.store.connection import StoreError, not_a_store, read_meta, transaction, translate_sqlite_errors, write_meta
from core.store.ingest import Receipt
from core.store.migrations import initialize_store
from core.store.packs import unpack_blocks
from core.store.replay import BadBlock, StoredBlock, check_block, replay_blocks
from core.store.salvage import carve_blocks, readable_rows
from core.store.types import Repair
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS

_DERIVED_META_KEYS = ("secret", "cells", "cells_row", "membership", "active", "clues", "matters")
"""Notes that are made anew with what they are about; the others are this device's own and are taken over."""
_MIN_BLOCK_BYTES = 96
"""No block takes less, in a pack either: the signature and a hash are 96 bytes that nothing compresses."""
_MAX_PROPERTIES_NAMED = 5


def repair_store(path: Path, on_progress: Callable[[int, int], None]) -> Repair:
    """Build the store at a path anew from its blocks, all or nothing.

    It is put in the place of the old one.

    `on_progress` is told the changes done and their number; what it raises ends the repair. Raises StoreError, with
    nothing changed, if other programs have the store open, if there is too little room, or if no blocks are found.
    """
    try:
        with store_file.exclusive(path):
            _check_room(path)
            try:
                return _rebuild(path, on_progress)
            except BaseException:
                store_file.replacement_path(path).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StoreError(
            "The store {path} cannot be repaired: {why}. It is as it was.",
            path=str(path),
            why=error.strerror or str(error),
        ) from None


def _check_room(path: Path) -> None:
    needed = sum(map(_size, store_file.store_files(path)))
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise StoreError(
            "Repairing needs {needed} MB beside the store, and {folder} has {free} MB free: make room there.",
            needed=(needed >> 20) + 1,
            folder=str(path.parent),
            free=free >> 20,
        )


def _size(path: Path) -> int:
    return path.stat().st_size if exists(path) else 0


def _rebuild(path: Path, on_progress: Callable[[int, int], None]) -> Repair:
    new = store_file.replacement_path(path)
    # Before SQLite looks at the log: it throws away what it cannot make sense of.
    logged = list(carve_blocks(path)) if _size(store_file.store_files(path)[1]) else []
    old = _open_old(path)
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as copy, translate_sqlite_errors(new):
            new.chmod(path.stat().st_mode & 0o777)
            copy.execute("PRAGMA journal_mode = MEMORY")
            copy.execute("PRAGMA synchronous = OFF")
            initialize_store(copy)
            stored = _salvage(path, old, logged)
            fleet = _find_fleet(path, old, stored)
            done = Repair(checked_count=len(stored))

            def mend(each: StoredBlock) -> Block | None:
                found = _mend(old, each, fleet)
                done.mended_count += found is not None
                return found

            numbers = iter(range(len(stored)))
            bad = replay_blocks(stored, copy, fleet, lambda _: on_progress(next(numbers), len(stored)), mend)
            if len(bad) == len(stored):
                raise not_a_store(path)
            transaction(copy, _copy_notes, old, fleet)
            on_progress(len(stored), len(stored))
            if bad:
                done.lost = [_lost_message(each, old, copy, fleet) for each in bad]
                done.kept_file = _keep_aside(path, bad)
    finally:
        if old is not None:
            old.close()
    if os.geteuid() == 0:
        os.chown(new, path.stat().st_uid, path.stat().st_gid)
    store_file.swap_in(path)
    return done


def _open_old(path: Path) -> sqlite3.Connection | None:
    """Open the damaged store as far as SQLite can.

    None if it cannot read the tables' names.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        return None
    connection.text_factory = lambda data: data.decode(errors="replace")
    return connection


def _salvage(path: Path, old: sqlite3.Connection | None, logged: list[tuple[int, bytes]]) -> list[StoredBlock]:
    """Read every block that is in the file.

    By the tables and, where these do not give all, by the bare pages.
    """
    rows: dict[int, bytes] = {}
    known: dict[int, bytes] = {}
    receipts: dict[int, Receipt] = {}
    if old is not None:
        last = sum(map(_size, store_file.store_files(path))) // _MIN_BLOCK_BYTES
        for first, data in readable_rows(old, "SELECT first, data FROM packs WHERE first > ? ORDER BY first", last):
            rows.update(enumerate(unpack_blocks(data), first))
        rows.update(readable_rows(old, "SELECT change, data FROM blocks WHERE change > ? ORDER BY change", last))
        known, receipts = _read_receipts(old, last)
    if not rows or rows.keys() != known.keys() or any(not _is_kept_as(data, known[row]) for row, data in rows.items()):
        for row, data in chain(carve_blocks(path), logged):
            is_wanted = row not in rows or not _is_kept_as(rows[row], known.get(row))
            if is_wanted and _is_kept_as(data, known.get(row)):
                rows[row] = data
    stored: list[StoredBlock] = []
    receipt: Receipt | None = None
    for row in sorted(rows.keys() | known.keys()):
        # When the change before it was received is the best that is known.
        receipt = receipts.get(row, receipt)
        stored.append(StoredBlock(row, known.get(row), rows.get(row), receipt or Receipt(0)))
    return stored


def _mend(old: sqlite3.Connection | None, stored: StoredBlock, fleet: bytes) -> Block | None:
    """The block as it was, None if it cannot be restored."""
    if stored.data is None:
        return None
    with suppress(BlockRefused):
        # Perhaps it is only the id that was damaged.
        return check_block(replace(stored, change=None), fleet)
    data = mend_block(old, stored.row, stored.change, stored.data)
    with suppress(BlockRefused):
        return None if data is None else check_block(replace(stored, data=data), fleet)
    return None


def _read_receipts(old: sqlite3.Connection, last: int) -> tuple[dict[int, bytes], dict[int, Receipt]]:
    """Read the ids that changes are kept under, and their receipts, by row.

    When and from where they came.
    """
    devices = dict(readable_rows(old, "SELECT id, device FROM devices WHERE id > ? ORDER BY id", last))
    known: dict[int, bytes] = {}
    receipts: dict[int, Receipt] = {}
    query = "SELECT id, hash, received_at, source, link FROM changes WHERE id > ? ORDER BY id"
    for row, change, at, source, link in readable_rows(old, query, last):
        if isinstance(change, bytes) and len(change) == CHANGE_ID_BYTES:
            known[row] = change
        if isinstance(at, int) and isinstance(link, str) and link.isascii():
            receipts[row] = Receipt(at, devices.get(source), link)
    return known, receipts


def _is_kept_as(data: bytes, change: bytes | None) -> bool:
    """Whether bytes have this id; without one, whether they are a block at all."""
    try:
        return change_id(data) == change if change is not None else bool(decode_block(data))
    except BlockRefused:
        return False


def _find_fleet(path: Path, old: sqlite3.Connection | None, stored: Iterable[StoredBlock]) -> bytes:
    """Find the fleet that the blocks are of.

    The one that its founding change makes, else the one that is noted.
    """
    for each in stored:
        with suppress(BlockRefused):
            header = decode_header(each.data[: header_size(each.data)]) if each.data else None
            if header is not None and header.fields.position == 0:
                verify(header, fleet_id(header.id))
                return fleet_id(header.id)
    with suppress(sqlite3.DatabaseError):
        noted = read_meta(old, "fleet") if old is not None else None
        if noted:
            return noted
    raise not_a_store(path)


def _copy_notes(copy: sqlite3.Connection, old: sqlite3.Connection | None, fleet: bytes) -> None:
    """Take over this device's own notes as far as they can be read."""
    if old is not None:
        keys: list[str] = []
        with suppress(sqlite3.DatabaseError):
            keys += [key for (key,) in old.execute("SELECT key FROM meta")]
        for key in keys:
            with suppress(sqlite3.DatabaseError):
                value = read_meta(old, key)
                if value is not None and key not in _DERIVED_META_KEYS:
                    write_meta(copy, key, value)
    write_meta(copy, "fleet", fleet)


def _lost_message(
    bad: BadBlock, old: sqlite3.Connection | None, copy: sqlite3.Connection, fleet: bytes
) -> FieldlineError:
    """What is lost with a change that could not be restored, and how to get it back."""
    change = bad.stored.change
    name = change.hex() if change is not None else str(bad.stored.row)
    if change is not None and fleet_id(change) == fleet:
        return FieldlineError(
            "The change {change}, which founded the fleet, is lost ({reason}): until it is back, this device shows"
            " nothing and cannot write. Sync with another device, or `fieldline import` a bundle.",
            change=name,
            reason=bad.reason,
        )
    return FieldlineError(
        "The change {change} is lost ({reason}). It set {properties}; changes that build on it: {count}. A sync, or"
        " `fieldline import` of a bundle that has it, gets it again.",
        change=name,
        reason=bad.reason,
        properties=_properties_of(old, bad.stored.row) or "?",
        count=_count_dependents(copy, change) if change is not None else 0,
    )


def _properties_of(old: sqlite3.Connection | None, row: int) -> str:
    names: list[str] = []
    with suppress(sqlite3.DatabaseError):
        query = "SELECT DISTINCT p.name FROM facts f JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ?"
        span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
        names = sorted(name for (name,) in old.execute(query, span)) if old is not None else []
    more = ["…"] if len(names) > _MAX_PROPERTIES_NAMED else []
    return ", ".join(names[:_MAX_PROPERTIES_NAMED] + more)


def _count_dependents(copy: sqlite3.Connection, change: bytes) -> int:
    query = (
        "SELECT count(*) FROM (SELECT id FROM changes WHERE previous = ?"
        f" UNION SELECT fact / {MAX_FACTS} FROM awaited WHERE target BETWEEN ? AND ?)"
    )
    return int(copy.execute(query, (change, change + b"\0\0", change + b"\xff\xff")).fetchone()[0])


def _keep_aside(path: Path, bad: list[BadBlock]) -> Path:
    """Write the bytes of what is lost into a file beside the store.

    The whole store too, where some cannot be told.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = path.with_name(f"damaged-{stamp}.jsonl")
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "w") as file:
        for each in bad:
            change, data = each.stored.change, each.stored.data
            line = {"row": each.stored.row, "change": change.hex() if change else None, "reason": str(each.reason)}
            file.write(json.dumps({**line, "data": data.hex() if data else None}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if any(each.stored.data is None for each in bad):
        # A file system without hard links keeps the bytes that could be read, and no more.
        with suppress(OSError):
            os.link(path, kept.with_suffix(".db"))
    return kept
