"""Keep what proofs have shown of where changes lie in their chains.

Until the chains themselves are here.

A proof holds by itself (`core.sync.position_proofs`), so this is no peer's word; but it is not kept, and nobody could
check it again. So when a session has come to its end, and with it all that the peer has, this is dropped: from then on
the chains alone say what lies where, on all devices alike.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from core.chain_links import State
from core.header import SignedHeader, decode_header, header_size
from core.membership import Authority, Membership
from core.store import block_table
from core.store.connection import chunks, placeholders
from core.store.indexes.acceptance import update_acceptance
from core.sync.position_proofs import CutChain, ProvenPast


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the table: `change` is at `position` in the past of `head`."""
    connection.execute(
        "CREATE TABLE proven (head BLOB NOT NULL, change BLOB NOT NULL, position INTEGER NOT NULL,"
        " PRIMARY KEY (head, change)) STRICT, WITHOUT ROWID"
    )


def keep_proven(
    connection: sqlite3.Connection, proven: Iterable[ProvenPast], membership: Membership, fleet: bytes
) -> None:
    """Keep what proofs have shown of changes here, and let these count by it.

    As far as it matters.
    """
    affected: set[bytes] = set()
    for past in proven:
        cuts = {cut.change for cut in membership.authority(past.device).cuts()}
        if past.head in cuts:
            held = _held(connection, past.device, past.changes.values())
            wanted = {change: at for at, change in past.changes.items() if held.get(change) == at}
            subjects = set(wanted)
        else:
            wanted = {change: at for at, change in past.changes.items() if change in cuts}
            subjects = set(_held(connection, past.device, [past.head])) if wanted else set()
        if subjects and not _is_settled(connection, past.head):
            connection.executemany(
                "INSERT OR IGNORE INTO proven (head, change, position) VALUES (?, ?, ?)",
                [(past.head, change, at) for change, at in wanted.items()],
            )
            affected |= subjects
    if affected:
        update_acceptance(connection, membership, [], sorted(affected), [], fleet)


def clear_proven(connection: sqlite3.Connection, membership: Membership, fleet: bytes) -> None:
    """Drop it all: what is not known from the chains that are here waits again."""
    affected = {each for row in connection.execute("SELECT head, change FROM proven") for each in row}
    if affected:
        connection.execute("DELETE FROM proven")
        update_acceptance(connection, membership, [], sorted(affected), [], fleet)


def has_proven(connection: sqlite3.Connection) -> bool:
    """Whether anything is known from proofs alone."""
    return connection.execute("SELECT 1 FROM proven LIMIT 1").fetchone() is not None


def read_cut_chains(connection: sqlite3.Connection, membership: Membership, wanted: Sequence[bytes]) -> list[CutChain]:
    """Read the chains of which something of these changes has to be proven.

    To who lacks them: those of devices of which not all changes count alike.

    A change that counts for nothing here, and lies behind all cuts, needs no proof.
    """
    found = []
    sent = set(wanted)
    for device, authority in membership.authorities.items():
        if authority.is_uniform:
            continue
        cuts, starts = _cuts_and_starts(authority)
        marks = {cut.change for cut in authority.cuts()}
        headers = {change: header for change in marks if (header := _read_header(connection, device, change))}
        rows = connection.execute(
            "SELECT c.hash FROM changes c JOIN devices d ON d.id = c.device WHERE d.device = ?"
            f" AND c.linked = {int(State.LINKED)} AND (c.accepted OR c.position <= ?)",
            (device, max((headers[cut].fields.position for cut in cuts if cut in headers), default=-1)),
        )
        going = sent.intersection(change for (change,) in rows)
        if going and headers:
            found.append(
                CutChain(
                    device,
                    [headers[each] for each in sorted(cuts & headers.keys())],
                    [headers[each] for each in sorted(starts & headers.keys())],
                    going,
                )
            )
    return found


def _cuts_and_starts(authority: Authority) -> tuple[set[bytes], set[bytes]]:
    """Give the changes before which and those behind which others count.

    Or count otherwise.
    """
    starts = {cut.change for rule in authority.roles for cut in rule.start or ()}
    cuts = {cut.change for denial in authority.denials for cut in denial.cut}
    lifted = {cut.change for denial in authority.denials for mark in denial.lifted for cut in mark}
    return cuts | starts | {end.change for end in authority.ends}, starts | lifted


def _read_header(connection: sqlite3.Connection, device: bytes, change: bytes) -> SignedHeader | None:
    row = connection.execute(
        "SELECT c.id FROM changes c JOIN devices d ON d.id = c.device"
        f" WHERE c.hash = ? AND d.device = ? AND c.linked = {int(State.LINKED)}",
        (change, device),
    ).fetchone()
    data = None if row is None else block_table.read_block(connection, row[0])
    return None if data is None else decode_header(data[: header_size(data)])


def _held(connection: sqlite3.Connection, device: bytes, changes: Iterable[bytes]) -> dict[bytes, int]:
    """Give those of these changes that are here and not at fault.

    Of a device, with their positions.
    """
    found: dict[bytes, int] = {}
    for some in chunks(list(changes)):
        rows = connection.execute(
            "SELECT c.hash, c.position FROM changes c JOIN devices d ON d.id = c.device"
            f" WHERE c.hash IN ({placeholders(some)}) AND c.linked <> {int(State.FAULTY)} AND d.device = ?",
            [*some, device],
        )
        found.update(rows)
    return found


def _is_settled(connection: sqlite3.Connection, change: bytes) -> bool:
    """Whether a change is here, and it is known whether it follows from its chain."""
    row = connection.execute("SELECT linked FROM changes WHERE hash = ?", (change,)).fetchone()
    return row is not None and row[0] != State.WAITING
