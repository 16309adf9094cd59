"""The Debian package: an environment below /opt/fieldline, and its surroundings."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

from fieldline_package import environment, generated
from fieldline_package.archive import ar, tar_tree
from fieldline_package.platforms import DEB_PYTHON, MIN_GLIBC
from fieldline_package.source import Source
from fieldline_package.wheelhouse import Wheels

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def build(source: Source, wheels: Wheels, arch: str, work: Path, output: Path) -> Path:
    """Write the package into a folder."""
    tree, control = work / "tree", work / "control"
    python = ".".join(map(str, DEB_PYTHON))
    environment.build(wheels[python], arch, tree)
    _surround(source, tree)
    control.mkdir()
    (control / "control").write_text(control_file(source.package_version, arch, tree), encoding="utf-8")
    (control / "md5sums").write_text(md5sums(tree), encoding="utf-8")
    for script in SCRIPTS:
        shutil.copy(source.packaging / "debian" / script, control / script)
    path = output / f"fieldline_{source.package_version}_{arch}.deb"
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", tar_tree(control, source.epoch, ".", "xz")),
        # dpkg would remove /opt with the package if nothing else were in it.
        ("data.tar.xz", tar_tree(tree, source.epoch, ".", "xz", omit=["./opt"])),
    ]
    path.write_bytes(ar(members, source.epoch))
    return path


def control_file(version: str, arch: str, tree: Path) -> str:
    """What dpkg is to know of the package."""
    major, minor = DEB_PYTHON
    sizes = (path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    installed_kib = sum(-(-size // 1024) for size in sizes)
    return f"""\
Package: fieldline
Version: {version}
Architecture: {arch}
Maintainer: The Fieldline authors <authors@fieldline.invalid>
Installed-Size: {installed_kib}
Depends: python3 (>= {major}.{minor}), python3 (<< {major}.{minor + 1}), libc6 (>= {MIN_GLIBC}), libgcc-s1
Section: admin
Priority: optional
Description: configuration of equipment that every field device knows
 Configure a piece of equipment once; every field device knows it, with no
 server, over any network or a cable.
 .
 The program and all that it needs but Python {major}.{minor} are in /opt/fieldline and
 touch no other program's packages.
"""


def md5sums(tree: Path) -> str:
    """The sums that `dpkg --verify` compares."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    return "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files
    )


def _surround(source: Source, tree: Path) -> None:
    """Add the link, service, udev rule, man pages, completions and documents."""
    link = tree / "usr/bin/fieldline"
    link.parent.mkdir(parents=True)
    link.symlink_to("/opt/fieldline/bin/fieldline")
    for name, place in {
        "fieldline.service": "usr/lib/systemd/system/fieldline.service",
        "70-fieldline.rules": "usr/lib/udev/rules.d/70-fieldline.rules",
        "debian/sysusers": "usr/lib/sysusers.d/fieldline.conf",
        "debian/tmpfiles": "usr/lib/tmpfiles.d/fieldline.conf",
        "debian/copyright": "usr/share/doc/fieldline/copyright",
    }.items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.packaging / name, tree / place)
    generated.write(source, tree / "usr/share")
    documents = tree / "usr/share/doc/fieldline"
    for document in [source.folder / "CHANGELOG.md", *sorted((source.folder / "docs").glob("*.md"))]:
        shutil.copyfile(document, documents / document.name)
    for path in [documents / "CHANGELOG.md", *sorted((tree / "usr/share/man").rglob("*.1"))]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
