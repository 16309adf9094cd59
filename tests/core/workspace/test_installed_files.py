"""The program's files are compared with what was installed."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from core.workspace.installed_files import changed_files


def install(site: Path, name: str, files: dict[str, bytes]) -> Path:
    """Lay an installed package as pip does; return its folder of metadata."""
    metadata = site / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    rows = [f"{metadata.name}/RECORD,,", f"{name}/__pycache__/not_recorded.pyc,,"]
    for path, data in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    (metadata / "RECORD").write_text("\n".join(rows) + "\n")
    return metadata


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Fieldline and a package that it needs; scripts are outside, as RECORD has them."""
    install(tmp_path / "site", "fieldline", {"core/errors.py": b"one", "../bin/fieldline": b"#!"})
    install(tmp_path / "site", "textual", {"textual/app.py": b"two"})
    return tmp_path / "site"


def test_what_is_as_it_was_installed(site: Path) -> None:
    assert changed_files(site) == []


@pytest.mark.parametrize("path", ["core/errors.py", "../bin/fieldline", "textual/app.py"])
def test_what_was_changed_or_is_gone(site: Path, path: str) -> None:
    (site / path).write_bytes(b"another")
    assert changed_files(site) == [site / path]
    (site / path).unlink()
    assert changed_files(site) == [site / path]


def test_sources_are_not_compared(tmp_path: Path) -> None:
    assert changed_files(tmp_path) is None
    metadata = install(tmp_path, "fieldline", {"core/errors.py": b"one"})
    (metadata / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {"editable": True}}))
    (tmp_path / "core/errors.py").write_bytes(b"edited")
    assert changed_files(tmp_path) is None
    (metadata / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {}}))
    assert changed_files(tmp_path) == [tmp_path / "core/errors.py"]
