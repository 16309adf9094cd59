"""Networks that overlap, drawn.

The largest as a bar of its addresses, the smaller ones inside it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from core.value_codec import Value
from tui.i18n.translate import _
from tui.layout import Line, fit

Network = IPv4Network | IPv6Network


def parse_networks(values: Sequence[Value]) -> list[Network | None]:
    """Each value as a network, None for one that is none."""
    found: list[Network | None] = []
    for value in values:
        try:
            found.append(ip_network(str(value)))
        except ValueError:
            found.append(None)
    return found


def network_bars(values: Sequence[Value], letters: Sequence[str], chosen: int, width: int) -> list[Line]:
    """The largest network lit, each smaller one as a bar where it lies in it.

    Nothing if there is no picture.

    Args:
        values: the networks.
        letters: the letter of each.
        chosen: the index of the chosen one.
        width: the columns that a line may take.
    """
    networks = parse_networks(values)
    known = [(index, each) for index, each in enumerate(networks) if each is not None]
    if len(known) < 2 or width < 16 or len({each.version for _index, each in known}) > 1:
        return []
    outer_index, outer = min(known, key=lambda each: (each[1].prefixlen, each[0]))
    room = width - 2
    lines: list[Line] = [
        _scale_line(outer, room),
        _outer_line(outer, letters[outer_index], room, outer_index == chosen),
    ]
    inner = [(index, each) for index, each in known if index != outer_index]
    bars = [" "] * room
    marks = [" "] * room
    for index, each in inner:
        start, end = _span(each, outer, room)
        bars[start:end] = "▆" * (end - start)
        at = min((start + end) // 2, room - 1)
        marks[at] = letters[index] if marks[at] == " " else "…"
    lines.append([(" ", "plain"), ("".join(bars), "lit-attention")])
    marked: Line = [(" ", "plain")]
    for mark in marks:
        is_chosen = chosen < len(letters) and mark == letters[chosen]
        marked.append((mark, "cursor" if is_chosen else "lit-attention" if mark != " " else "lit"))
    lines.append(marked)
    return lines


def _span(network: Network, outer: Network, room: int) -> tuple[int, int]:
    """The columns of a network in the outer one's picture, at least one wide.

    The first, and the one behind the last.
    """
    first, size = int(outer.network_address), outer.num_addresses
    start = (int(network.network_address) - first) * room // size
    end = (int(network.broadcast_address) + 1 - first) * room // size
    start = max(0, min(start, room - 1))
    return start, max(start + 1, min(end, room))


def _scale_line(outer: Network, room: int) -> Line:
    first, last = str(outer.network_address), str(outer.broadcast_address)
    return [(" ", "plain"), (first, "dim"), (" " * max(1, room - len(first) - len(last)), "dim"), (last, "dim")]


def _outer_line(outer: Network, letter: str, room: int, is_chosen: bool) -> Line:
    count = outer.num_addresses
    size = f"{count:,}" if count < 10**9 else f"2^{outer.max_prefixlen - outer.prefixlen}"
    text = _("{network}, {count} addresses").format(network=outer, count=size)
    role = "cursor" if is_chosen else "lit-attention"
    return [(" ", "plain"), (f" {letter} ", role), (fit(text, room - 3), "lit")]
