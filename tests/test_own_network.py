"""What runs beside the tests on the same machine is not heard by them."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

IMPORT = "import os, socket; from tests.support.own_network import enter_own_network\n"
NETWORK = Path("/proc/thread-self/ns/net")
ROOT = Path(__file__).parent.parent


def test_a_port_and_a_group_of_another_network_are_out_of_reach() -> None:
    """A port that this process listens at is free there, and leads nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        address = f"('127.0.0.1', {port})"
        code = f"print(enter_own_network(), socket.socket().connect_ex({address})); socket.create_server({address})\n"
        code = IMPORT + code + "print([name for _, name in socket.if_nameindex()])"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.stdout.startswith("False"):
        pytest.skip("a network of its own needs root")
    entered, interfaces = done.stdout.splitlines()
    assert entered == f"True {errno.ECONNREFUSED}"
    assert "lo" in interfaces and "eth" not in interfaces


def test_whoever_may_have_no_network_of_its_own_goes_on_in_this_one() -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming somebody else needs root")
    code = IMPORT + f"os.setuid(65534); print(enter_own_network()); print(os.readlink('{NETWORK}'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["False", str(NETWORK.readlink())], done
