"""A disk after a power loss.

What a program wrote, without a part of what it had not made durable (fsync(2), POSIX).
"""

from __future__ import annotations

import codecs
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cli import Answer
from tests.support.system_calls import completed_lines, run_traced

SECTOR_BYTES = 512
_FOLLOWED = "pwrite64,write,ftruncate,fdatasync,fsync,rename,unlink,openat,lseek"
# What the program has no reason to call on its files: traced, so that it is noticed if it does.
_NOT_FOLLOWED = "pwritev,writev,copy_file_range,sendfile,fallocate,renameat,renameat2,link,linkat,truncate,unlinkat"
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)", re.DOTALL)
_DESCRIPTOR = re.compile(r"(\d+)<([^>]*)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class _File:
    """A file: what is durable of it, and the changes since."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # offset and bytes; None: cut off there

    def whole(self, kept: Iterator[tuple[int, bytes | None]] | None = None) -> bytes:
        content = bytearray(self.durable)
        for offset, data in self.pending if kept is None else kept:
            if data is None:
                del content[offset:]
                content.extend(bytes(offset - len(content)))
            else:
                content.extend(bytes(max(0, offset - len(content))))
                content[offset : offset + len(data)] = data
        return bytes(content)

    def sync(self) -> None:
        self.durable, self.pending = self.whole(), []

    def after_loss(self, rng: random.Random) -> bytes:
        """Keep none, some or all of what was not synced, each in any order of the disk.

        The last one may be torn.
        """
        share = rng.choice([0.0, 0.5, 1.0])

        def kept() -> Iterator[tuple[int, bytes | None]]:
            for offset, data in self.pending:
                if rng.random() >= share:
                    continue
                torn = data is not None and rng.random() < 0.1
                yield offset, data[: rng.randrange(0, len(data) + 1, SECTOR_BYTES)] if torn and data else data

        return self.whole(kept())


@dataclass(frozen=True)
class Step:
    """One recorded call: its name, its paths, and its number or bytes."""

    name: str
    path: str
    other: str = ""
    offset: int = 0
    data: bytes = b""


class RecordedDisk:
    """What a program did to a folder, step by step.

    Any number of steps can be followed, then the power fails.
    """

    def __init__(self, before: Path, steps: Sequence[Step], folder: Path) -> None:
        self._before = before
        self._folder = folder
        self.steps = steps

    def lose_power(self, after: int, rng: random.Random) -> str:
        """Put into the folder what may be left when the power fails after so many steps.

        Give what was printed.
        """
        durable = {
            str(self._folder / path.relative_to(self._before)): _File(path.read_bytes())
            for path in self._before.rglob("*")
            if path.is_file()
        }
        names, unsynced, printed = dict(durable), [], ""
        for step in self.steps[:after]:
            file = names.get(step.path)
            match step.name:
                case "print":
                    printed += step.data.decode()
                case "create" if file is None:
                    names[step.path] = _File()
                    unsynced.append(dict(names))
                case "write" if file is not None:
                    file.pending.append((step.offset, step.data))
                case "cut" if file is not None:
                    file.pending.append((step.offset, None))
                case "sync" if file is not None:
                    file.sync()
                case "sync":
                    durable, unsynced = dict(names), []
                case "rename" if file is not None:
                    names[step.other] = names.pop(step.path)
                    unsynced.append(dict(names))
                case "unlink" if file is not None:
                    del names[step.path]
                    unsynced.append(dict(names))
        # A journal of the file system keeps changes of names in their order: any first part of them may be there.
        for name, file in rng.choice([durable, *unsynced]).items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.after_loss(rng))
            path.chmod(0o600)
        return printed


def record(arguments: Sequence[str], before: Path, folder: Path, log: Path) -> tuple[Answer, RecordedDisk]:
    """Run the program on a copy of a folder, and read what it did there."""
    answer = run_traced(["-s", "10000000", "-e", f"trace={_FOLLOWED},{_NOT_FOLLOWED}"], arguments, log)
    sizes = {
        str(folder / path.relative_to(before)): path.stat().st_size for path in before.rglob("*") if path.is_file()
    }
    return answer, RecordedDisk(before, list(_Reader(str(folder), sizes).steps(log)), folder)


class _Reader:
    """Reads a trace: follows where in its file each descriptor stands."""

    def __init__(self, folder: str, sizes: dict[str, int]) -> None:
        self._folder = folder
        self._sizes = sizes
        self._positions: dict[int, int] = {}
        self._appending: set[int] = set()

    def steps(self, log: Path) -> Iterator[Step]:
        for line in completed_lines(log):
            found = _LINE.match(line)
            if found is None or int(found[4]) < 0:
                continue
            name, rest, result = found[2], found[3], int(found[4])
            texts = [codecs.escape_decode(text.encode())[0] for text in _TEXT.findall(rest)]
            at = _DESCRIPTOR.match(rest)
            if name == "openat":
                yield from self._opened(os.fsdecode(texts[0]), rest, result)
            elif name in {"rename", "unlink"}:
                if os.fsdecode(texts[0]).startswith(self._folder):
                    yield Step(name, *map(os.fsdecode, texts))
            elif at is None:
                continue
            elif at[1] == "1" and name == "write":
                yield Step("print", "", data=texts[0])
            elif name == "lseek":
                self._positions[int(at[1])] = result
            elif at[2].startswith(self._folder):
                yield self._changed(name, int(at[1]), at[2], rest, texts[0][:result] if texts else b"")

    def _opened(self, path: str, rest: str, descriptor: int) -> Iterator[Step]:
        self._positions[descriptor] = 0
        self._appending.discard(descriptor)
        if "O_APPEND" in rest:
            self._appending.add(descriptor)
        if path.startswith(self._folder) and "O_CREAT" in rest:
            yield Step("create", path)
        if path.startswith(self._folder) and "O_TRUNC" in rest:
            self._sizes[path] = 0
            yield Step("cut", path)

    def _changed(self, name: str, descriptor: int, path: str, rest: str, data: bytes) -> Step:
        if name == "write":
            size = self._sizes.get(path, 0)
            offset = size if descriptor in self._appending else self._positions[descriptor]
            self._positions[descriptor] = offset + len(data)
            self._sizes[path] = max(size, offset + len(data))
            return Step("write", path, offset=offset, data=data)
        if name == "pwrite64":
            return Step("write", path, offset=int(rest.rpartition(", ")[2]), data=data)
        if name == "ftruncate":
            return Step("cut", path, offset=int(rest.rpartition(", ")[2]))
        assert name in {"fsync", "fdatasync"}, f"{name} on {path} is not followed"
        return Step("sync", path)
