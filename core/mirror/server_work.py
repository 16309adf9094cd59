"""What the server does on another thread while the store is read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ServerWork(Generic[T]):
    """Work with the connection to the server, which nobody else uses meanwhile."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._future = self._executor.submit(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()

    def is_done(self) -> bool:
        """Whether the connection can be used; raises what the work raised."""
        if self._future.done():
            self._future.result()
            return True
        return False

    def wait(self) -> T:
        """Wait until it is done, and give what came of it; raises what it raised."""
        return self._future.result()
