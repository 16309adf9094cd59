"""What reads bytes from outside: the call, real input, the refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from core.errors import FieldlineError


@dataclass(frozen=True)
class Decoder:
    """A decoder, what its encoder really made, and what it raises for anything else."""

    read: Callable[[bytes], object]
    real: tuple[bytes, ...]
    refusals: tuple[type[BaseException], ...] = (FieldlineError,)


def of_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Make a decoder of text read bytes that were taken for UTF-8."""
    return lambda data: read(data.decode(errors="replace"))


def of_file(read: Callable[[Path], object], name: str = "file") -> Callable[[bytes], object]:
    """Make a decoder of a file of this name read bytes."""
    return of_folder(lambda folder: read(folder / name), name)


def of_folder(read: Callable[[Path], object], *names: str) -> Callable[[bytes], object]:
    """Make a decoder of a folder read bytes, which are in each of these files of it."""

    def read_bytes(data: bytes) -> None:
        with TemporaryDirectory() as folder:
            for name in names:
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                path.chmod(0o600)
            read(Path(folder))

    return read_bytes


def of_each(*reads: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Let several decoders read the same bytes."""

    def read_bytes(data: bytes) -> None:
        for read in reads:
            read(data)

    return read_bytes
