"""Addresses and networks as text. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from socket import AF_INET6, inet_pton

_KEPT_PARSES = 1024
"""Of each: a value is checked, compared and placed one after the other, and is parsed for each."""
_LONG_ADDRESS = re.compile(r"(?=.*:)(?:[0-9a-fA-F]{1,4}(?![0-9a-fA-F])|:)+")
_HOST_BITS = {str(length): (1 << (128 - length)) - 1 for length in range(129)}


@lru_cache(maxsize=_KEPT_PARSES)
def parse_ip_address(text: str) -> str | None:
    """An IPv4 or IPv6 address in the form of RFC 5952.

    A zone (`%eth0`) is no part of it.
    """
    try:
        return None if "%" in text else str((IPv6Address if ":" in text else IPv4Address)(text))
    except ValueError:
        return None


@lru_cache(maxsize=_KEPT_PARSES)
def parse_ip_network(text: str) -> str | None:
    """A network in CIDR notation (RFC 4632) whose host bits are zero."""
    try:
        return str((IPv6Network if ":" in text else IPv4Network)(text)) if "/" in text and "%" not in text else None
    except ValueError:
        return None


def is_ip_address(text: str) -> bool:
    """Whether `parse_ip_address` reads a text."""
    return _read_long_address(text) is not None or parse_ip_address(text) is not None


def is_ip_network(text: str) -> bool:
    """Whether `parse_ip_network` reads a text."""
    address, _, length = text.partition("/")
    host_bits = _HOST_BITS.get(length)
    number = None if host_bits is None else _read_long_address(address)
    if number is None or host_bits is None:
        return parse_ip_network(text) is not None
    return number & host_bits == 0


def _read_long_address(text: str) -> int | None:
    """The number of most IPv6 addresses in a tenth of the time; None says nothing."""
    if _LONG_ADDRESS.fullmatch(text) is None:
        return None
    try:
        return int.from_bytes(inet_pton(AF_INET6, text), "big")
    except OSError:
        return None
