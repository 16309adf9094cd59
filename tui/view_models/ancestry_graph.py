"""Draw who knew what as a graph of text. Pure.

Facts stand from left to right, each behind the one that it replaced, branching where people did not know of each other.
An arrow leads to who knew of another branch, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from core.workspace.lineage import AncestryStep
from tui.layout import cut

_JOINT_COLUMNS = 4  # columns between a text and the next
_MIN_TEXT_COLUMNS = 10  # columns that a text gets where there are many
_INDENT_COLUMNS = 3  # columns for each fact on the way, where they stand below each other
_ARROW = "→"
_MAX_SINGLE_BRANCHES = 2  # branches that were merged into the same fact and are drawn one by one

StepLabel = Callable[[AncestryStep, int], str]
"""Gives the text of a fact for a width in columns."""


@dataclass(frozen=True, slots=True)
class GraphWords:
    """The words at the beginning.

    That there was no value, or that what all knew is not among the steps.
    """

    nothing: str
    earlier: str


@dataclass(frozen=True, slots=True)
class _Node:
    """A text of the drawing, and what comes behind it."""

    text: Callable[[int], str]
    children: tuple[_Node, ...] = ()

    @property
    def depth(self) -> int:
        """How many texts stand side by side."""
        return 1 + max((node.depth for node in self.children), default=0)


def draw_ancestry(
    steps: Sequence[AncestryStep],
    leaves: Sequence[bytes],
    label: StepLabel,
    words: GraphWords,
    width: int,
    whole: bool = False,
) -> list[str]:
    """Return the lines of the drawing, at most `width` columns wide.

    What has no room side by side stands below each other.

    Args:
        steps: the facts in their order, parents first.
        leaves: the facts that no known fact obsoletes.
        label: gives the text of a fact for a width in columns.
        words: what stands at the beginning.
        width: the columns that a line may take.
        whole: whether long chains are drawn in full.
    """
    tree = _Tree(steps, leaves, label, whole).root(words)
    room = width if whole else max(_MIN_TEXT_COLUMNS, (width - _JOINT_COLUMNS * (tree.depth - 1)) // tree.depth)
    lines = _draw_across(tree, room)
    if max(map(cell_len, lines)) > width:
        lines = _draw_down(tree, width)
    return [cut(line, width) for line in lines]


class _Tree:
    """The steps as a tree: each below the latest of what it saw.

    Behind what else it saw stands an arrow to it.
    """

    def __init__(self, steps: Sequence[AncestryStep], leaves: Sequence[bytes], label: StepLabel, whole: bool) -> None:
        self._leaves, self._label, self._whole = set(leaves), label, whole
        order = {step.fact: index for index, step in enumerate(steps)}
        self._below: dict[bytes, list[AncestryStep]] = {step.fact: [] for step in steps}
        self._into: dict[bytes, list[AncestryStep]] = {step.fact: [] for step in steps}
        self._roots: list[AncestryStep] = []
        for step in steps:
            known = sorted((fact for fact in step.parents if fact in order), key=order.__getitem__)
            if known:
                self._below[known[-1]].append(step)
                for fact in known[:-1]:
                    self._into[fact].append(step)
            else:
                self._roots.append(step)

    def root(self, words: GraphWords) -> _Node:
        """The beginning of the drawing."""
        nodes = [self._node(step) for step in self._roots]
        if len(nodes) == 1:
            return nodes[0]
        if nodes and all(step.has_more for step in self._roots):
            return _text_node(words.earlier, nodes)
        pairs = zip(self._roots, nodes, strict=True)
        return _text_node(
            words.nothing, [_text_node(words.earlier, [node]) if step.has_more else node for step, node in pairs]
        )

    def _node(self, step: AncestryStep) -> _Node:
        passed, last = 0, step
        while not self._whole and (following := self._only(last)) and following.fact not in self._leaves:
            passed, last = passed + 1, following
        if passed < 2:
            passed, last = 0, step
        behind = [*self._branches(self._below[last.fact]), *map(self._arrow, self._into[last.fact])]
        if passed:
            behind = [_text_node(f"… {passed} …", behind)]
        return _Node(lambda room: self._label(step, room), tuple(behind))

    def _only(self, step: AncestryStep) -> AncestryStep | None:
        """The step that follows, if it is the only one."""
        below = self._below[step.fact]
        return below[0] if len(below) == 1 and not self._into[step.fact] else None

    def _branches(self, steps: Sequence[AncestryStep]) -> Iterator[_Node]:
        """What follows a step; many values that somebody replaced together in one."""
        groups: dict[bytes, list[AncestryStep]] = {}
        for step in steps:
            into = self._into[step.fact]
            if len(into) == 1 and not self._below[step.fact] and not self._whole:
                groups.setdefault(into[0].fact, []).append(step)
        for step in steps:
            into = self._into[step.fact]
            group = groups.get(into[0].fact, []) if into else []
            if len(group) <= _MAX_SINGLE_BRANCHES or step not in group:
                yield self._node(step)
            elif step is group[0]:
                yield _text_node(f"… {len(group)} …", [self._arrow(into[0])])

    def _arrow(self, step: AncestryStep) -> _Node:
        return _Node(lambda room: f"{_ARROW} {self._label(step, room - 2)}")


def _text_node(text: str, behind: Sequence[_Node]) -> _Node:
    return _Node(lambda room: cut(text, room), tuple(behind))


def _draw_across(node: _Node, room: int) -> list[str]:
    """A text, and behind it blocks of lines below each other; each text gets `room`."""
    text = node.text(room)
    lines: list[str] = []
    last = len(node.children) - 1
    for index, each in enumerate(node.children):
        if index == 0:
            first, rest = ("─── ", "    ") if last == 0 else ("─┬─ ", " │  ")
        else:
            first, rest = (" └─ ", "    ") if index == last else (" ├─ ", " │  ")
        for number, line in enumerate(_draw_across(each, room)):
            start = f"{text} " if not lines else " " * (cell_len(text) + 1)
            lines.append(start + _join_line(first if number == 0 else rest, line))
    return lines or [text]


def _draw_down(node: _Node, width: int) -> list[str]:
    """A text, and what comes behind it below, indented."""
    lines = [node.text(width)]
    for index, each in enumerate(node.children, start=1):
        first, rest = ("└─ ", "   ") if index == len(node.children) else ("├─ ", "│  ")
        for number, line in enumerate(_draw_down(each, max(_MIN_TEXT_COLUMNS, width - _INDENT_COLUMNS))):
            lines.append(_join_line(first if number == 0 else rest, line))
    return lines


def _join_line(joint: str, line: str) -> str:
    return joint.rstrip() + line if line.startswith(_ARROW) else joint + line
