"""Who knew what: the facts that lead to the leaves of a slot, back to the last one that all their authors had seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from core.changes import CHANGE_ID_SIZE, Value, decode
from core.store.store import Store

MAX_STEPS = 12
"""How many facts back the common ancestor is looked for."""
MAX_FACTS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Step:
    """One fact on the way: `seen` are the facts among the others that it was made in knowledge of and replaced; whether
    there are `more` that are older than all of them, or not here yet.
    """

    fact: bytes
    value: Value
    user: str
    device: bytes
    at: int
    seen: tuple[bytes, ...]
    more: bool = False


async def lineage(store: Store, leaves: Sequence[bytes]) -> list[Step]:
    """The facts from the last common ancestor of these leaves (fact ids of one slot) on, each behind those that it saw.

    Without a common ancestor among the last `MAX_STEPS` facts nothing older than those is in it, so it may have several
    beginnings. What is not here yet is left out.
    """
    found: dict[bytes, Step] = {}
    place: tuple[bytes, str] | None = None
    wave = list(leaves)
    for _ in range(MAX_STEPS):
        unknown = [fact for fact in wave if fact not in found][:MAX_FACTS_SHOWN]
        if not unknown or len(found) >= MAX_FACTS_SHOWN:
            break
        place = await _read(store, unknown, place, found)
        if _common(leaves, found):
            break
        wave = [seen for fact in unknown if fact in found for seen in found[fact].seen]
    return _in_order(_cut(leaves, found))


async def _read(
    store: Store, facts: Iterable[bytes], place: tuple[bytes, str] | None, found: dict[bytes, Step]
) -> tuple[bytes, str] | None:
    """Take these facts in, as far as they are of the same slot."""
    blocks = {block.id: block for block in map(decode, await store.blocks([fact[:CHANGE_ID_SIZE] for fact in facts]))}
    for fact in facts:
        block, index = blocks.get(fact[:CHANGE_ID_SIZE]), int.from_bytes(fact[CHANGE_ID_SIZE:], "big")
        if block is None or index >= len(block.change.facts):
            continue
        said, change = block.change.facts[index], block.change
        place = place or (said.entity, said.property)
        if (said.entity, said.property) == place:
            found[fact] = Step(fact, said.value, change.user, change.device, change.at, said.obsoletes)
    return place


def _ancestors(fact: bytes, found: Mapping[bytes, Step]) -> set[bytes]:
    """The fact itself and all that lead to it."""
    reached: set[bytes] = set()
    wave = [fact]
    while wave:
        each = wave.pop()
        if each in found and each not in reached:
            reached.add(each)
            wave += found[each].seen
    return reached


def _common(leaves: Sequence[bytes], found: Mapping[bytes, Step]) -> set[bytes]:
    ancestors = [_ancestors(leaf, found) for leaf in leaves]
    return set.intersection(*ancestors) if ancestors else set()


def _cut(leaves: Sequence[bytes], found: Mapping[bytes, Step]) -> dict[bytes, Step]:
    """What leads to the leaves, without what lies behind the last common ancestor."""
    common = _common(leaves, found)
    last = common - {older for fact in common for older in _ancestors(fact, found) - {fact}}
    wanted = {fact for leaf in leaves for fact in _ancestors(leaf, found)} - (common - last)
    return {
        fact: replace(
            step,
            seen=tuple(seen for seen in step.seen if seen in wanted),
            more=fact not in common and any(seen not in found for seen in step.seen),
        )
        for fact, step in found.items()
        if fact in wanted
    }


def _in_order(steps: Mapping[bytes, Step]) -> list[Step]:
    ordered: list[Step] = []
    placed: set[bytes] = set()
    rest = sorted(steps.values(), key=lambda step: (step.at, step.fact))
    while rest:
        ready = [step for step in rest if placed.issuperset(step.seen)] or rest[:1]
        ordered.append(ready[0])
        placed.add(ready[0].fact)
        rest.remove(ready[0])
    return ordered
