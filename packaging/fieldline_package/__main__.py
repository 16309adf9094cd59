"""Build the packages of a commit into a folder.

    python -m fieldline_package [--revision REV] [--output DIR] [--arch amd64|arm64]

Two builds of one commit give the same bytes: times come from the commit, names are sorted, owners are root.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from fieldline_package import deb, wheelhouse
from fieldline_package.platforms import DEB_PYTHON, PLATFORMS
from fieldline_package.source import checkout

ROOT = Path(__file__).parents[2]
MACHINES = {"aarch64": "arm64", "x86_64": "amd64"}


def main() -> int:
    """Build both packages; return the exit code."""
    parser = argparse.ArgumentParser(prog="fieldline_package", description=__doc__)
    parser.add_argument("--revision", default="HEAD", help="the commit to package")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR")
    parser.add_argument("--arch", choices=sorted(PLATFORMS), default=MACHINES.get(platform.machine()))
    options = parser.parse_args()
    if options.arch is None:
        parser.error(f"no packages are built for {platform.machine()}: name one with --arch")
    if sys.version_info[:2] != DEB_PYTHON:
        wanted = ".".join(map(str, DEB_PYTHON))
        parser.error(f"the .deb is compiled for Python {wanted}: run make PYTHON=python{wanted} package")
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fieldline-package-") as work:
        source = checkout(ROOT, options.revision, Path(work) / "source")
        if options.revision == "HEAD" and source.is_dirty:
            sys.stderr.write("Only what is committed is packaged.\n")
        wheels = wheelhouse.collect(source, options.arch, Path(work))
        for built in (
            deb.build(source, wheels, options.arch, Path(work), options.output),
            wheelhouse.build(source, wheels, options.arch, Path(work), options.output),
        ):
            sys.stdout.write(f"{built} {built.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
