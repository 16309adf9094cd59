"""What is packaged is a commit, and later commits have later versions."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from fieldline_package.source import checkout, package_version


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init")
    (folder / "pyproject.toml").write_text('[project]\nversion = "1.5"\n')
    git(folder, "add", ".")
    git(folder, "commit", "--message=x")
    return folder


def test_only_what_is_committed_is_packaged(repository: Path, tmp_path: Path) -> None:
    (repository / "draft").write_text("x")
    (repository / "pyproject.toml").write_text("")
    source = checkout(repository, "HEAD", tmp_path / "out")
    assert source.is_dirty
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pyproject.toml"]
    assert source.version == "1.5"
    assert source.package_version.startswith("1.5+git1.")


def test_a_tagged_commit_is_the_release(repository: Path, tmp_path: Path) -> None:
    git(repository, "tag", "v1.5")
    source = checkout(repository, "HEAD", tmp_path / "out")
    assert (source.package_version, source.is_dirty) == ("1.5", False)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
def test_dpkg_takes_later_commits_for_newer() -> None:
    versions = [
        package_version("1.5", 9, "f" * 40, is_release=True),
        package_version("1.5", 10, "f" * 40, is_release=False),
        package_version("1.5", 100, "0" * 40, is_release=False),
        package_version("1.6", 101, "0" * 40, is_release=True),
    ]
    for older, newer in pairwise(versions):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)
