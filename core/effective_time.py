"""The time from which a fact counts when the past is read.

A change's `at` is its author's clock as it was, wrong or not. What supersedes what is decided by causality alone; so a
fact never counts before what it obsoletes:

    effective(f) = max(at of f's change, effective of the facts of f's slot that f obsoletes)

It depends on nothing but the facts of one slot, so that every replica with all of them says the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Dated:
    """A fact as far as its time depends on it.

    Its slot, its change's `at` in microseconds, the ids it obsoletes.
    """

    slot: Hashable
    at: int
    obsoletes: tuple[bytes, ...] = ()


def effective_times(facts: Mapping[bytes, Dated]) -> dict[bytes, int]:
    """Give the effective time of these facts by id (microseconds since 1970 UTC).

    What a fact names that is not among them, or is of another slot, does not count.
    """
    children: dict[bytes, list[bytes]] = {}
    for name, fact in facts.items():
        for target in fact.obsoletes:
            if target in facts and facts[target].slot == fact.slot:
                children.setdefault(target, []).append(name)
    times = {name: fact.at for name, fact in facts.items()}
    return raised(times, children, children)


def raised(times: dict[K, int], children: Mapping[K, Iterable[K]], begin: Iterable[K]) -> dict[K, int]:
    """Let the times of these facts reach those that obsolete them, and theirs.

    Changes `times` and gives it.
    """
    work = list(begin)
    while work:
        parent = work.pop()
        for child in children.get(parent, ()):
            if times[child] < times[parent]:
                times[child] = times[parent]
                work.append(child)
    return times


MAX_CLOCK_ERROR_US = 86_400_000_000
"""How far ahead of this device's clock another one may be before it is said: a day, so no time zone is an error."""


def clock_error(at: int, effective: int, received_at: int, *, is_own: bool) -> Literal["behind", "ahead"] | None:
    """Say why an author's time (microseconds since 1970 UTC) cannot be true.

    None if it can.
    """
    if is_behind(at, effective):
        return "behind"
    return "ahead" if not is_own and is_ahead(at, received_at, MAX_CLOCK_ERROR_US) else None


def is_behind(at: int, effective: int) -> bool:
    """Say whether a fact's own time cannot be true.

    Since its author had seen something later.
    """
    return at < effective


def is_ahead(at: int, received_at: int, tolerance: int) -> bool:
    """Say whether a change's time cannot be true by this device's clock.

    It came before it was made.
    """
    return at > received_at + tolerance
