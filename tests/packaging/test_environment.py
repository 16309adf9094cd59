"""The private environment lists its files with hashes, as `doctor` reads them."""

from __future__ import annotations

import compileall
import py_compile
from pathlib import Path

import pytest

from core.workspace.installed_files import changed_files
from fieldline_package.environment import completed_record, launcher_text


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An unpacked wheel, compiled, beside its launcher.

    RECORD still has a script that was taken out.
    """
    site = tmp_path / "lib/python3.11/site-packages"
    metadata = site / "fieldline-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "core").mkdir()
    (site / "core/errors.py").write_text("x = 1\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fieldline\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[console_scripts]\nfieldline = tui.cli.entry:main\n")
    (metadata / "RECORD").write_text(
        "bin/foreign,sha256=x,1\ncore/errors.py,sha256=x,1\n"
        "fieldline-1.0.dist-info/METADATA,sha256=x,1\nfieldline-1.0.dist-info/RECORD,,\n"
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/fieldline").write_text(launcher_text(site))
    compileall.compile_dir(site, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    record = metadata / "RECORD"
    record.write_text(completed_record(record.read_text(), metadata, [tmp_path / "bin/fieldline"]))
    return site


def test_what_is_listed(site: Path) -> None:
    rows = [line.split(",") for line in (site / "fieldline-1.0.dist-info/RECORD").read_text().splitlines()]
    compiled = next(site.glob("core/__pycache__/*.pyc"))
    assert [row[0] for row in rows] == [
        "../../../bin/fieldline",
        str(compiled.relative_to(site)),
        "core/errors.py",
        "fieldline-1.0.dist-info/METADATA",
        "fieldline-1.0.dist-info/RECORD",
    ]


def test_doctor_finds_each_change(site: Path) -> None:
    assert changed_files(site) == []
    compiled = next(site.glob("core/__pycache__/*.pyc"))
    compiled.write_bytes(compiled.read_bytes()[:-1])
    assert changed_files(site) == [compiled]


def test_the_launcher_is_alone_with_its_modules(site: Path) -> None:
    lines = launcher_text(site).splitlines()
    assert lines[0] == "#!/opt/fieldline/bin/python -I"
    assert "    from tui.cli.entry import main" in lines
