"""Find forks, and changes that do not follow from the one that they name.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from core.chain import Fault
from core.chain_links import State
from core.value_codec import MAX_FACTS

MAX_BRANCHES = 8
"""Of one fork, so many branches are given, the longest first: a thief may make any number."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the ways on from a fork.

    Its last change (`at_us` microseconds since 1970 UTC, by `user`), and how many changes and facts it holds from the
    fork on.
    """

    change: bytes
    position: int
    at_us: int
    user: str
    note: str | None
    change_count: int
    fact_count: int


@dataclass(frozen=True, slots=True)
class ForkedChain:
    """A device with several changes at one position, the lowest of which is given.

    `branch_count` is how many ways on there are, `branches` the longest of them.
    """

    device: bytes
    position: int
    branch_count: int
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class WrongLink:
    """A change that does not follow from the one that it names.

    At a position of a device's chain.
    """

    device: bytes
    position: int
    change: bytes
    fault: Fault


ChainFault = ForkedChain | WrongLink


def read_chain_faults(connection: sqlite3.Connection) -> list[ChainFault]:
    """The faults of all chains, forks first, in the order of devices and positions."""
    forked = connection.execute(
        "SELECT d.device, f.device, min(f.position) FROM (SELECT device, position FROM changes"
        f" WHERE linked <> {int(State.FAULTY)} GROUP BY device, position HAVING count(*) > 1) f"
        " JOIN devices d ON d.id = f.device GROUP BY f.device ORDER BY d.device"
    ).fetchall()
    wrong = connection.execute(
        "SELECT d.device, c.position, c.hash, f.fault FROM faults f JOIN changes c ON c.id = f.change"
        " JOIN devices d ON d.id = c.device ORDER BY d.device, c.position, c.hash"
    ).fetchall()
    return [
        *(_forked_chain(connection, device, row, position) for device, row, position in forked),
        *(WrongLink(device, position, change, Fault(fault)) for device, position, change, fault in wrong),
    ]


def read_forks(connection: sqlite3.Connection) -> list[ForkedChain]:
    """The forks of all chains whose branches are here whole, in the order of devices.

    Only devices with several tips are looked at: this is read each time that the inbox is.
    """
    forked = connection.execute(
        "SELECT d.device, t.device FROM (SELECT device FROM tips GROUP BY device HAVING count(*) > 1) t"
        " JOIN devices d ON d.id = t.device ORDER BY d.device"
    ).fetchall()
    found = []
    for device, row in forked:
        (position,) = connection.execute(
            "SELECT min(position) FROM (SELECT position FROM changes WHERE device = ?"
            f" AND linked <> {int(State.FAULTY)} GROUP BY position HAVING count(*) > 1)",
            (row,),
        ).fetchone()
        if position is not None:
            found.append(_forked_chain(connection, device, row, position))
    return found


def _forked_chain(connection: sqlite3.Connection, device: bytes, row: int, position: int) -> ForkedChain:
    rows = connection.execute(
        "SELECT id, hash, previous, position FROM changes"
        f" WHERE device = ? AND position >= ? AND linked <> {int(State.FAULTY)} ORDER BY position DESC, hash",
        (row, position),
    ).fetchall()
    previous = {change: before for _, change, before, _ in rows}
    numbers = {change: number for number, change, _, _ in rows}
    named = set(previous.values())
    ends = [change for _, change, _, _ in rows if change not in named]
    branches = [_branch(connection, change, numbers, previous) for change in ends[:MAX_BRANCHES]]
    return ForkedChain(device, position, len(ends), tuple(branches))


def _branch(
    connection: sqlite3.Connection, end: bytes, numbers: dict[bytes, int], previous: dict[bytes, bytes | None]
) -> Branch:
    held: list[int] = []
    at: bytes | None = end
    while at in numbers:
        held.append(numbers[at])
        at = previous[at]
    facts = sum(_count_facts(connection, number) for number in held)
    position, at_us, user, note = connection.execute(
        "SELECT c.position, c.at, u.name, l.note FROM changes c JOIN changes l ON l.id = c.lead"
        " JOIN persons u ON u.entity = c.author WHERE c.id = ?",
        (held[0],),
    ).fetchone()
    return Branch(end, position, at_us, user, note, len(held), facts)


def _count_facts(connection: sqlite3.Connection, row: int) -> int:
    span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
    return int(connection.execute("SELECT count(*) FROM facts WHERE id BETWEEN ? AND ?", span).fetchone()[0])
