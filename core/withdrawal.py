"""Withdrawals: facts that take back leaves of their slot, and when void. Pure.

A withdrawal names facts of its own slot, as its value and as what it obsoletes. It states nothing, so it is no leaf. In
one slot, of the facts that have effect:

    withdrawn(f)  a withdrawal names f that is not void itself
    obsolete(f)   another fact names f that is not void itself
    void(f)       f is withdrawn and not obsolete
    leaf(f)       f is no withdrawal, and neither withdrawn nor obsolete

So what a void fact had obsoleted is a leaf again, and to withdraw a withdrawal restores what that withdrew. Only what
would be a leaf is ever void: who writes in knowledge of a fact supersedes what that one superseded, too, and a
withdrawal that did not know of it changes nothing. Names lead from a fact to older ones only, since they are hashes; so
void is defined, and it depends on the facts of one slot alone, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

FOREVER = 2**63 - 1
"""The end of a span that has none: later than any time that a fact can have."""

Spans = tuple[tuple[int, int], ...]
"""Disjoint spans of time in ascending order: (first moment, first moment after it)."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A fact that has effect.

    From when, the facts of its slot that it names, and whether it withdraws them.
    """

    since: int
    names: tuple[Hashable, ...] = ()
    is_withdrawal: bool = False


def void_spans(facts: Mapping[K, Stated]) -> dict[K, Spans]:
    """Give when each of these facts of one slot is void.

    Those that never are, are left out.

    Only facts that withdrawals name can be, so it is enough to give these, what names them, and those withdrawals.
    """
    namers: dict[Hashable, list[K]] = {
        target: [] for fact in facts.values() if fact.is_withdrawal for target in fact.names if target in facts
    }
    for name, fact in facts.items():
        for target in fact.names:
            if target in namers:
                namers[target].append(name)
    void: dict[K, Spans] = {}
    for target in _newest_first(namers):
        holding = {name: _without(((facts[name].since, FOREVER),), void.get(name, ())) for name in namers[target]}
        withdrawn = _union(holding[name] for name in holding if facts[name].is_withdrawal)
        obsolete = _union(holding[name] for name in holding if not facts[name].is_withdrawal)
        spans = _without(withdrawn, _union((obsolete, ((0, facts[target].since),))))
        if spans:
            void[target] = spans
    return void


def leaf_spans(since: int, namers: Iterable[tuple[int, Spans]]) -> Spans:
    """Give when a fact that counts from `since` is a leaf.

    `namers` are the facts that name it: from when each counts, and when it is void.
    """
    named = _union(_without(((start, FOREVER),), void) for start, void in namers)
    return _without(((since, FOREVER),), named)


def _newest_first(namers: Mapping[Hashable, list[K]]) -> list[K]:
    """The facts that withdrawals name, each behind those of them that name it."""
    ordered: dict[K, None] = {}
    for root in namers:
        stack: list[K] = [root]  # type: ignore[list-item]
        while stack:
            open_ones = [name for name in namers[stack[-1]] if name in namers and name not in ordered]
            if open_ones:
                stack += open_ones
            else:
                ordered[stack.pop()] = None
    return list(ordered)


def _union(several: Iterable[Spans]) -> Spans:
    merged: list[tuple[int, int]] = []
    for since, until in sorted(span for spans in several for span in spans):
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(until, merged[-1][1]))
        elif since < until:
            merged.append((since, until))
    return tuple(merged)


def _without(spans: Spans, others: Spans) -> Spans:
    """What of some spans is in none of the others."""
    left: list[tuple[int, int]] = []
    for start, end in spans:
        since = start
        for other_since, other_until in others:
            if other_since < end and other_until > since:
                if since < other_since:
                    left.append((since, other_since))
                since = other_until
        if since < end:
            left.append((since, end))
    return tuple(left)
