"""On a bare Debian 12 both packages install, upgrade and go; builds are equal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.cli import ROOT

NEEDED = ("debootstrap", "unshare", "ip", "apt-config")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the .deb is built with Python 3.11")
@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)}")
def test_the_packages_work_on_a_bare_system() -> None:
    done = subprocess.run(
        [ROOT / "packaging" / "check"],
        env={**os.environ, "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
