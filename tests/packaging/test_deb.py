"""What dpkg is told of the package, and what its scripts and files are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fieldline_package import deb
from fieldline_package.platforms import DEB_PYTHON, WHEEL_PYTHONS
from tests.support.cli import ROOT

PACKAGING = ROOT / "packaging"


def test_the_control_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1025)
    (tmp_path / "b").write_bytes(b"x")
    fields = dict(
        line.split(": ", 1)
        for line in deb.control_file("1.2+git3.abc", "arm64", tmp_path).splitlines()
        if line[0] != " "
    )
    assert fields["Package"] == "fieldline"
    assert (fields["Version"], fields["Architecture"], fields["Installed-Size"]) == ("1.2+git3.abc", "arm64", "3")
    assert fields["Depends"] == "python3 (>= 3.11), python3 (<< 3.12), libc6 (>= 2.28), libgcc-s1"


def test_the_document_says_what_it_depends_on(tmp_path: Path) -> None:
    depends = next(line for line in deb.control_file("1", "amd64", tmp_path).splitlines() if line.startswith("Depends"))
    assert f"`{depends}`" in (ROOT / "docs/packages.md").read_text(encoding="utf-8")
    assert ".".join(map(str, DEB_PYTHON)) in WHEEL_PYTHONS


def test_the_sums_are_those_of_dpkg(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/a").write_bytes(b"")
    (tmp_path / "usr/link").symlink_to("a")
    assert deb.md5sums(tmp_path) == "d41d8cd98f00b204e9800998ecf8427e  usr/a\n"


@pytest.mark.parametrize("script", [*(f"debian/{name}" for name in deb.SCRIPTS), "install"])
def test_a_shell_understands_the_scripts(script: str) -> None:
    assert (PACKAGING / script).stat().st_mode & 0o111
    subprocess.run(["/bin/sh", "-n", str(PACKAGING / script)], check=True)


def test_the_script_serves_the_pythons_whose_wheels_there_are() -> None:
    text = (PACKAGING / "install").read_text(encoding="utf-8")
    first, last = (each.replace(".", ", ") for each in (WHEEL_PYTHONS[0], WHEEL_PYTHONS[-1]))
    assert f"({first}) <= sys.version_info[:2] <= ({last})" in text


def test_the_script_keeps_what_is_not_fieldline(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis").write_text("x")
    command = [PACKAGING / "install", "--python", sys.executable, "--prefix", tmp_path / "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert (tmp_path / "mine/thesis").read_text() == "x"


def test_the_udev_rule_is_that_of_the_document() -> None:
    rules = [line for line in (PACKAGING / "70-fieldline.rules").read_text().splitlines() if not line.startswith("#")]
    assert len(rules) == 3
    document = (ROOT / "docs/cable.md").read_text(encoding="utf-8")
    assert [rule for rule in rules if f"    {rule}\n" not in document] == []


def test_the_service_runs_what_the_package_installs(tmp_path: Path) -> None:
    unit = (PACKAGING / "fieldline.service").read_text()
    assert "ExecStart=/usr/bin/fieldline --home /var/lib/fieldline serve" in unit
    assert "User=fieldline\n" in unit
    assert (PACKAGING / "debian/sysusers").read_text().split()[:2] == ["u", "fieldline"]
    assert "d /var/lib/fieldline :0700 :fieldline :fieldline" in (PACKAGING / "debian/tmpfiles").read_text()
