"""The private environment of the Debian package.

Wheels unpacked for one Python, compiled, and listed with hashes.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

from fieldline_package import pip
from fieldline_package.platforms import DEB_PYTHON, PLATFORMS
from fieldline_package.wheelhouse import Wheel

PREFIX = "opt/fieldline"
PYTHON = ".".join(map(str, DEB_PYTHON))
SITE = f"{PREFIX}/lib/python{PYTHON}/site-packages"
INTERPRETER = f"/usr/bin/python{PYTHON}"

LAUNCHER = """\
#!/{prefix}/bin/python -I
import sys

try:
    from {module} import {function}
except ImportError as error:
    sys.exit(f"The program is not complete ({{error}}): install Fieldline again.")
sys.exit({function}())
"""
"""-I: neither PYTHONPATH nor the folder it is started in puts another module before ours."""


def build(wheels: list[Wheel], arch: str, tree: Path) -> None:
    """Lay the environment below a folder that stands for /."""
    site, prefix = tree / SITE, tree / PREFIX
    site.mkdir(parents=True)
    pip.install([wheel.path for wheel in wheels], PLATFORMS[arch], PYTHON, site)
    # Scripts of other packages, whose names others may have.
    shutil.rmtree(site / "bin", ignore_errors=True)
    for origin in site.glob("*.dist-info/direct_url.json"):
        origin.unlink()
    (prefix / "bin").mkdir()
    (prefix / "bin/python").symlink_to(INTERPRETER)
    settings = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    (prefix / "pyvenv.cfg").write_text(settings, encoding="utf-8")
    launcher = prefix / "bin/fieldline"
    launcher.write_text(launcher_text(site), encoding="utf-8")
    launcher.chmod(0o755)
    _compile(site, tree)
    for record in sorted(site.glob("*.dist-info/RECORD")):
        scripts = [launcher] if record.parent.name.startswith("fieldline-") else []
        record.write_text(
            completed_record(record.read_text(encoding="utf-8"), record.parent, scripts), encoding="utf-8"
        )


def launcher_text(site: Path) -> str:
    """The program's file, for the function that its wheel names."""
    entry_points = ConfigParser()
    entry_points.read(next(site.glob("fieldline-*.dist-info/entry_points.txt")), encoding="utf-8")
    module, _, function = entry_points["console_scripts"]["fieldline"].partition(":")
    return LAUNCHER.format(prefix=PREFIX, module=module, function=function)


def _compile(site: Path, tree: Path) -> None:
    """Compile all in one process and in order, for bytes that do not depend on chance.

    Python never compares it with its source; `doctor` compares both with RECORD.
    """
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash"]
    command += ["-s", str(tree), "-p", "/", str(site)]
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=True)  # noqa: S603 - our own interpreter


def completed_record(text: str, dist_info: Path, scripts: list[Path]) -> str:
    """A distribution's list of files as they are now, with compiled code and scripts.

    Path, hash and size, in order.
    """
    site = dist_info.parent
    listed = [site / row[0] for row in csv.reader(io.StringIO(text)) if row]
    compiled = [Path(importlib.util.cache_from_source(str(path))) for path in listed if path.suffix == ".py"]
    own = dist_info / "RECORD"
    present = {path for path in [*listed, *compiled, *scripts] if path.is_file() and path != own}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path in sorted(present):
        data = path.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow([os.path.relpath(path, site), f"sha256={digest}", len(data)])
    writer.writerow([os.path.relpath(own, site), "", ""])
    return out.getvalue()
