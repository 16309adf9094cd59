"""Cancel the workers of Textual, and wait for their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker
from textual.worker_manager import WorkerManager


class SingleCancelManager(WorkerManager):
    """Cancels each worker once.

    Textual does it when a screen is closed, and when the program ends: the second time would break off what a worker
    does at its end, such as to say goodbye to a peer.
    """

    def cancel_all(self) -> None:
        """Cancel all workers."""
        _cancel(self)

    def cancel_group(self, node: DOMNode, group: str) -> list[Worker[Any]]:
        """Cancel the workers of a group of a screen or widget; gives those."""
        return _cancel(each for each in self if each.group == group and each.node == node)

    def cancel_node(self, node: DOMNode) -> list[Worker[Any]]:
        """Cancel the workers of a screen or widget; gives those."""
        return _cancel(each for each in self if each.node == node)


def _cancel(workers: Iterable[Worker[Any]]) -> list[Worker[Any]]:
    running = [each for each in workers if not each.is_cancelled]
    for worker in running:
        worker.cancel()
    return running


async def wait_until_ended(workers: Iterable[Worker[Any]]) -> None:
    """Return when workers have ended, in whatever way.

    Who is cancelled meanwhile ends at once, and the workers go on: `Worker.wait` would cancel the worker instead.
    """
    await asyncio.gather(*(asyncio.shield(each.wait()) for each in workers), return_exceptions=True)
