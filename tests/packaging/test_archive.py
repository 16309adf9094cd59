"""Archives have the same bytes for the same content, and Debian's tools read them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from fieldline_package.archive import ar, tar_tree

EPOCH = 1_700_000_000
FILES = {"opt/x/a": "1", "opt/x/b": "2", "usr/bin/run": "#!/bin/sh\n", f"opt/{'long' * 30}/c": "3"}


def lay(folder: Path, names: Iterable[str]) -> Path:
    """Write the files, in this order."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(FILES[name])
    (folder / "usr/bin/run").chmod(0o700)
    (folder / "usr/bin/link").symlink_to("run")
    return folder


def test_order_times_owners_and_masks_leave_no_trace(tmp_path: Path) -> None:
    one, two = lay(tmp_path / "one", FILES), lay(tmp_path / "two", reversed(FILES))
    (two / "opt/x/a").chmod(0o600)
    os.utime(two / "opt/x/b", (1, 1))
    os.link(two / "opt/x/a", two / "opt/x/d")
    (one / "opt/x/d").write_text("1")
    assert tar_tree(one, EPOCH, ".", "xz") == tar_tree(two, EPOCH, ".", "xz")


def test_what_the_archive_holds(tmp_path: Path) -> None:
    data = tar_tree(lay(tmp_path, FILES), EPOCH, ".", omit=["./opt"])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: member for member in tar}
    assert list(members) == sorted(members)
    assert "./opt" not in members
    assert {(member.uname, member.gname, member.mtime) for member in members.values()} == {("root", "root", EPOCH)}
    assert (members["./usr/bin/run"].mode, members["./opt/x/a"].mode) == (0o755, 0o644)
    assert members["./usr/bin/link"].linkname == "run"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_dpkg_reads_it(tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.mkdir()
    (control / "control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: X <x@x>\nDescription: x\n")
    tree = lay(tmp_path / "tree", FILES)
    members = [("debian-binary", b"2.0\n"), ("control.tar.xz", tar_tree(control, EPOCH, ".", "xz"))]
    package = tmp_path / "x.deb"
    package.write_bytes(ar([*members, ("data.tar.xz", tar_tree(tree, EPOCH, ".", "xz"))], EPOCH))
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path / "out")], check=True)
    assert {name: (tmp_path / "out" / name).read_text() for name in FILES} == FILES
    asked = subprocess.run(["dpkg-deb", "--field", str(package), "Package"], capture_output=True, check=True)
    assert asked.stdout == b"x\n"
