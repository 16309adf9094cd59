"""Trace the facts that lead to the leaves, back to their last common ancestor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.changes import decode_block
from core.store.store import Store
from core.value_codec import CHANGE_ID_BYTES, Value, plain_reference

MAX_GENERATIONS = 12
"""Facts back that the common ancestor is looked for: a screen shows no more."""
MAX_FACTS_SHOWN = 40
"""Of all branches together: a screen shows no more."""


@dataclass(frozen=True, slots=True)
class AncestryStep:
    """One fact of the ancestry.

    `parents` are the facts of the ancestry that it obsoletes.

    `has_more` if it obsoletes others, which are older than all of them or not here yet.
    """

    fact: bytes
    value: Value
    user: str
    device: bytes
    at_us: int
    parents: tuple[bytes, ...]
    has_more: bool = False


async def trace_ancestry(store: Store, leaves: Sequence[bytes]) -> list[AncestryStep]:
    """Read the facts from the leaves' last common ancestor on, parents first.

    The leaves are fact ids of one slot.

    Without a common ancestor within `MAX_GENERATIONS` nothing older is in it, so it may have several beginnings. What
    is not here yet is left out.
    """
    found: dict[bytes, AncestryStep] = {}
    slot_key: tuple[bytes, str] | None = None
    frontier = list(leaves)
    for _ in range(MAX_GENERATIONS):
        unknown = [fact for fact in frontier if fact not in found][:MAX_FACTS_SHOWN]
        if not unknown or len(found) >= MAX_FACTS_SHOWN:
            break
        slot_key = await _read_facts(store, unknown, slot_key, found)
        if _common_ancestors(leaves, found):
            break
        frontier = [seen for fact in unknown if fact in found for seen in found[fact].parents]
    return _sort_causally(_from_last_common(leaves, found))


async def _read_facts(
    store: Store, facts: Iterable[bytes], slot_key: tuple[bytes, str] | None, found: dict[bytes, AncestryStep]
) -> tuple[bytes, str] | None:
    """Add these facts to `found`, as far as they are of the same slot.

    Gives its (entity, property).
    """
    blocks = {
        block.id: block for block in map(decode_block, await store.blocks([fact[:CHANGE_ID_BYTES] for fact in facts]))
    }
    users = await store.users_of(list(blocks))
    for fact in facts:
        block, index = blocks.get(fact[:CHANGE_ID_BYTES]), int.from_bytes(fact[CHANGE_ID_BYTES:], "big")
        if block is None or index >= len(block.facts):
            continue
        stated, value = block.facts[index], plain_reference(block.facts[index].value)
        slot_key = slot_key or (stated.entity, stated.property)
        if (stated.entity, stated.property) == slot_key:
            found[fact] = AncestryStep(fact, value, users[block.id], block.device, block.at_us, stated.obsoletes)
    return slot_key


def _ancestors_of(fact: bytes, found: Mapping[bytes, AncestryStep]) -> set[bytes]:
    """The fact itself and all that lead to it."""
    reached: set[bytes] = set()
    frontier = [fact]
    while frontier:
        each = frontier.pop()
        if each in found and each not in reached:
            reached.add(each)
            frontier += found[each].parents
    return reached


def _common_ancestors(leaves: Sequence[bytes], found: Mapping[bytes, AncestryStep]) -> set[bytes]:
    ancestors = [_ancestors_of(leaf, found) for leaf in leaves]
    return set.intersection(*ancestors) if ancestors else set()


def _from_last_common(leaves: Sequence[bytes], found: Mapping[bytes, AncestryStep]) -> dict[bytes, AncestryStep]:
    """What leads to the leaves, without what lies behind the last common ancestor."""
    common = _common_ancestors(leaves, found)
    last = common - {older for fact in common for older in _ancestors_of(fact, found) - {fact}}
    wanted = {fact for leaf in leaves for fact in _ancestors_of(leaf, found)} - (common - last)
    return {
        fact: replace(
            step,
            parents=tuple(seen for seen in step.parents if seen in wanted),
            has_more=fact not in common and any(seen not in found for seen in step.parents),
        )
        for fact, step in found.items()
        if fact in wanted
    }


def _sort_causally(steps: Mapping[bytes, AncestryStep]) -> list[AncestryStep]:
    ordered: list[AncestryStep] = []
    placed: set[bytes] = set()
    rest = sorted(steps.values(), key=lambda step: (step.at_us, step.fact))
    while rest:
        ready = [step for step in rest if placed.issuperset(step.parents)] or rest[:1]
        ordered.append(ready[0])
        placed.add(ready[0].fact)
        rest.remove(ready[0])
    return ordered
