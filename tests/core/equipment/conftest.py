"""A network of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest


@pytest.fixture
def space() -> Iterator[str]:
    """A network namespace with two ends of a cable.

    VA is up with addresses, and a bridge of containers.
    """
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a network of its own needs root and the program ip")
    name = f"fieldline-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    try:
        for line in (
            "link set lo up",
            "link add vA type veth peer name vB",
            "link add docker0 type bridge",
            "addr add 172.17.0.1/16 dev docker0",
            "addr add 10.24.1.5/24 dev vA",
            "-6 addr add 2001:db8:1::5/64 dev vA nodad",
            "link set vA up",
            "link set vB up",
            "link set docker0 up",
        ):
            subprocess.run(["ip", "-n", name, *line.split()], check=True, capture_output=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
