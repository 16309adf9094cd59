"""A cable for the demonstration.

Two pseudo-terminals, and what is written to one can be read from the other.
"""

from __future__ import annotations

import os
import selectors
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

PIECE_BYTES = 1 << 12
"""What is copied at a time: the buffer of a pseudo-terminal."""


@contextmanager
def cable_pair() -> Iterator[tuple[str, str]]:
    """Join two devices for as long as the context lasts; yield their paths."""
    pairs = [os.openpty() for _ in range(2)]
    masters = [master for master, _ in pairs]
    stop, stopped = os.pipe()
    for master, slave in pairs:
        tty.setraw(slave)
        os.set_blocking(master, False)
    thread = threading.Thread(target=_copy_both_ways, args=(masters, stop), daemon=True)
    thread.start()
    try:
        # The slaves stay open: a device whose users come and go does not go away.
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        os.close(stopped)
        thread.join()
        for descriptor in (stop, *(end for pair in pairs for end in pair)):
            os.close(descriptor)


def _copy_both_ways(masters: list[int], stop: int) -> None:
    """Carry bytes both ways, no faster than they are taken, until `stop` can be read."""
    waiting = dict.fromkeys(masters, b"")
    other = dict(zip(masters, reversed(masters), strict=True))
    with selectors.DefaultSelector() as selector:
        selector.register(stop, selectors.EVENT_READ)
        for master in masters:
            selector.register(master, selectors.EVENT_READ)
        while True:
            for key, events in selector.select():
                if key.fd == stop:
                    return
                if events & selectors.EVENT_READ and not waiting[other[key.fd]]:
                    waiting[other[key.fd]] = os.read(key.fd, PIECE_BYTES)
            for master, data in waiting.items():
                waiting[master] = data[_write_piece(master, data) :]
            for master in masters:
                wanted = 0 if waiting[other[master]] else selectors.EVENT_READ
                wanted |= selectors.EVENT_WRITE if waiting[master] else 0
                _select_events(selector, master, wanted)


def _select_events(selector: selectors.BaseSelector, descriptor: int, events: int) -> None:
    known = descriptor in selector.get_map()
    if known and events:
        selector.modify(descriptor, events)
    elif known:
        selector.unregister(descriptor)
    elif events:
        selector.register(descriptor, events)


def _write_piece(descriptor: int, data: bytes) -> int:
    try:
        return os.write(descriptor, data) if data else 0
    except BlockingIOError:
        return 0
