"""A network of this process's own, in which no other program's devices are heard.

Devices that serve find each other over multicast, so those of two test runs on one machine would hear each other, and
ports could be taken.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_NETWORK = Path("/proc/thread-self/ns/net")


def enter_own_network() -> bool:
    """Move this thread, and what it starts, into a network of loopback alone.

    False if that is not allowed here, as to all but root: then nothing has changed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or not hasattr(libc, "unshare") or not _NETWORK.exists():
        return False
    with _NETWORK.open() as before:
        if libc.unshare(_CLONE_NEWNET):
            return False
        try:
            _raise_loopback()
        except OSError:
            if libc.setns(before.fileno(), _CLONE_NEWNET):
                raise
            return False
    return True


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
