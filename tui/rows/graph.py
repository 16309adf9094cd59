"""Draws who knew what: facts from left to right, each behind the one that it replaced, branching where people did not
know of each other. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.workspace.lineage import Step
from tui.rows.lines import cut, fit

_JOINT = 4  # columns between a text and the next
_LEAST = 10  # columns that a text gets where there are many

Label = Callable[[Step, int], str]
"""Gives the text of a fact for a width."""


def draw(steps: Sequence[Step], leaves: Sequence[bytes], label: Label, nothing: str, width: int) -> list[str]:
    """The lines of the drawing, at most `width` columns wide, from the steps in their order.

    `nothing` stands at the beginning where nobody had said anything that all knew; `leaves` are never left out.
    """
    graph = _Graph(steps, leaves)
    depth = max((graph.depth(root) for root in graph.roots), default=0) + (len(graph.roots) > 1)
    room = max(_LEAST, (width - _JOINT * max(0, depth - 1)) // max(1, depth))
    blocks = [graph.block(root, lambda step: label(step, room)) for root in graph.roots]
    lines = blocks[0] if len(blocks) == 1 else _joined(cut(nothing, room), blocks)
    return [cut(line, width) for line in lines]


class _Graph:
    """The steps as a tree: each below the latest of what it saw, chains without a branch shortened."""

    def __init__(self, steps: Sequence[Step], leaves: Sequence[bytes]) -> None:
        self._leaves = set(leaves)
        order = {step.fact: place for place, step in enumerate(steps)}
        self._below: dict[bytes, list[Step]] = {step.fact: [] for step in steps}
        beginnings: list[Step] = []
        for step in steps:
            known = [fact for fact in step.seen if fact in order]
            if known:
                self._below[max(known, key=order.__getitem__)].append(step)
            else:
                beginnings.append(step)
        self.roots = [step for step in beginnings if self._leads(step)]

    def _leads(self, step: Step) -> bool:
        """Whether a leaf is at or behind a step; one that was only merged into something else is not drawn."""
        return step.fact in self._leaves or any(map(self._leads, self._below[step.fact]))

    def _next(self, step: Step) -> list[Step]:
        return [each for each in self._below[step.fact] if self._leads(each)]

    def _chain(self, step: Step) -> tuple[int, list[Step]]:
        """How many steps follow that lead to one other step only, if several, and what comes after them."""
        first = following = self._next(step)
        passed = 0
        while len(following) == 1 and following[0].fact not in self._leaves:
            following, passed = self._next(following[0]), passed + 1
        return (passed, following) if passed > 1 else (0, first)

    def depth(self, step: Step) -> int:
        """How many texts stand side by side."""
        passed, following = self._chain(step)
        return 1 + bool(passed) + max(map(self.depth, following), default=0)

    def block(self, step: Step, label: Callable[[Step], str]) -> list[str]:
        """The lines of a step and all behind it."""
        passed, following = self._chain(step)
        below = [self.block(each, label) for each in following]
        if passed:
            below = [_joined(f"… {passed} …", below)]
        return _joined(label(step), below)


def _joined(text: str, blocks: Sequence[list[str]]) -> list[str]:
    """A text, and behind it blocks of lines below each other."""
    if not blocks:
        return [text]
    lines: list[str] = []
    last = len(blocks) - 1
    for place, block in enumerate(blocks):
        if place == 0:
            first, rest = ("─── ", "    ") if last == 0 else ("─┬─ ", " │  ")
        else:
            first, rest = (" └─ ", "    ") if place == last else (" ├─ ", " │  ")
        for number, line in enumerate(block):
            start = f"{text} " if not lines else fit("", len(text) + 1)
            lines.append(start + (first if number == 0 else rest) + line)
    return lines
