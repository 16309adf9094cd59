"""Parse endpoints: where people say that a device or files are reached."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import Refused
from core.sync.links.serial.serial_ports import SerialEndpoint, parse_serial_endpoint
from core.values import quote_value

_BARE_ADDRESS_PATTERN = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")

DEFAULT_PORT = 7420
"""TCP port of a serving device without --port; not assigned by IANA."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What to sync with.

    A device at `host` and `port`, the files at `path`, or the other end of a serial port.
    """

    host: str = ""
    port: int = 0
    path: Path | None = None
    serial: SerialEndpoint | None = None


def parse_endpoint(text: str) -> Endpoint:
    """Parse `tcp://HOST:PORT`, `serial:///dev/PORT` or `bundle://PATH`.

    Raises Refused, naming these forms.
    """
    # An address as it is written everywhere else: it has a port, so that a path is not taken for one.
    if _BARE_ADDRESS_PATTERN.fullmatch(text):
        text = f"tcp://{text}"
    scheme, _, rest = text.partition("://")
    if scheme == "bundle" and rest and "\0" not in rest:
        # A person in front of a screen has no shell that does it.
        return Endpoint(path=Path(os.path.expanduser(rest)))  # noqa: PTH111 - leaves a `~` that is nobody's as it is
    if scheme == "serial":
        return Endpoint(serial=parse_serial_endpoint(text))
    if scheme == "tcp":
        host, colon, port = rest.rpartition(":")
        if not colon or rest.endswith("]"):
            host, port = rest, str(DEFAULT_PORT)
        host = host.removeprefix("[").removesuffix("]")
        if host and port.isascii() and port.isdigit() and len(port) < 10 and 0 < int(port) < 65536 and "/" not in host:
            return Endpoint(host, int(port))
    raise Refused(
        "{target} is nothing to sync with: write tcp://HOST:PORT, serial:///dev/PORT or bundle://PATH.",
        target=quote_value(text),
    )
