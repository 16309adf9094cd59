"""Archives that come out the same whenever they are made of the same files.

Tar, and the ar of a .deb.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal


def tar_tree(
    folder: Path, epoch: int, prefix: str, compression: Literal["", "xz"] = "", omit: Collection[str] = ()
) -> bytes:
    """Pack a folder reproducibly: sorted names, one time, root, modes 755 or 644.

    The folders in `omit` get no entry of their own; what is in them does.
    """
    data = io.BytesIO()
    # GNU's form: dpkg reads no pax headers, and some paths have more than 100 characters.
    with tarfile.open(fileobj=data, mode=f"w:{compression}", format=tarfile.GNU_FORMAT) as tar:  # type: ignore[call-overload]
        for path in [folder, *sorted(folder.rglob("*"))]:
            name = "/".join((prefix, *path.relative_to(folder).parts))
            info = tar.gettarinfo(path, name)
            if name in omit:
                continue
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mtime = epoch
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.islnk():
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
            if info.isfile():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return data.getvalue()


def ar(members: Iterable[tuple[str, bytes]], epoch: int) -> bytes:
    """Pack files in the common form of ar(5); names have at most 15 characters."""
    parts = [b"!<arch>\n"]
    for name, data in members:
        parts.append(f"{name:<16}{epoch:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n".encode("ascii"))
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)
