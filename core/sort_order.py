"""The order of values for people: numbers by value, letters beside their accented forms. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any
from unicodedata import combining, normalize

from core.value_codec import Value
from core.values import is_of_type

_DIGITS = re.compile(r"([0-9]+)")

SortKey = tuple[int, Any, str]


def natural_key(text: str) -> tuple[str | int, ...]:
    """Give the key of a text by which `Lane 2` is before `Lane 10`, and `Ärzte` beside `Arzt`."""
    folded = "".join(char for char in normalize("NFKD", text.casefold()) if not combining(char))
    return tuple(int(part) if index % 2 else part for index, part in enumerate(_DIGITS.split(folded)))


def sort_key(type_name: str, value: Value, text: str) -> SortKey:
    """Give the key of a value whose text for people is `text`; what is not of its type comes behind the others."""
    if value is None or isinstance(value, tuple) or not is_of_type(type_name, value):  # type: ignore[arg-type]
        return (1, natural_key(text), text)
    match type_name:
        case "integer" | "boolean":
            return (0, value, text)
        case "decimal":
            return (0, Decimal(str(value)), text)
        case "ip-address":
            address = ip_address(str(value))
            return (0, (address.version, int(address)), text)
        case "ip-network":
            network = ip_network(str(value))
            return (0, (network.version, int(network.network_address), network.prefixlen), text)
    return (0, natural_key(text), text)
