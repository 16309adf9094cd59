"""The files of one commit, its time, and the version that its packages have."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """What is packaged: the files of a commit."""

    folder: Path
    epoch: int
    """Seconds since 1970 of the commit: the time of every file that is built."""
    version: str
    """Of the program, as in pyproject.toml."""
    package_version: str
    """The same at a tag; otherwise it sorts after it, in the order of the commits."""
    is_dirty: bool

    @property
    def packaging(self) -> Path:
        """What is packaged beside the program.

        Scripts, service and rules of the same commit.
        """
        return self.folder / "packaging"


def checkout(repository: Path, revision: str, folder: Path) -> Source:
    """Write the files of a commit into a new folder."""

    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(repository), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603 - git, with arguments made here

    commit = git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(git("-c", "tar.umask=0022", "archive", commit))) as archive:
        # As Python 3.14 does by itself; 3.11.2 has no such filter, and what git made here needs none.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 - made by git here
    version = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    count = int(git("rev-list", "--count", commit))
    tags = git("tag", "--points-at", commit).decode().split()
    return Source(
        folder=folder,
        epoch=int(git("show", "--no-patch", "--format=%ct", commit)),
        version=version,
        package_version=package_version(version, count, commit, is_release=f"v{version}" in tags),
        is_dirty=bool(git("status", "--porcelain")),
    )


def package_version(version: str, count: int, commit: str, *, is_release: bool) -> str:
    """Name the version of a package.

    Of a release its own, of another commit how many there are up to it.
    """
    return version if is_release else f"{version}+git{count}.{commit[:7]}"
