"""The order of values for people.

Numbers by value, letters beside their accented forms. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any
from unicodedata import combining, normalize

from core.value_codec import Value
from core.values import is_of_type

_DIGITS = re.compile("[0-9]+")
_ZERO_IN_FRONT = re.compile("(?<![0-9])0[0-9]")
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "þ": "th"})
"""Letters that Unicode does not take apart."""

SortKey = tuple[int, Any, str]


def natural_key(text: str) -> str:
    """Give a sort key: `Lane 2` before `Lane 10`, `Ärzte` beside `Arzt`.

    For places where texts are compared by code.

    SQLite and Python order these texts alike. What differs in case, accents and zeros in front alone is in the order
    of its letters, which are added where the key does not tell them.
    """
    folded = text.casefold()
    plain = folded
    if not folded.isascii():
        plain = "".join(char for char in normalize("NFKD", folded) if not combining(char)).translate(_LETTERS)
    key = _DIGITS.sub(_numbered, plain)
    return key if plain == folded and not _ZERO_IN_FRONT.search(plain) else f"{key}\0{folded}"


def _numbered(digits: re.Match[str]) -> str:
    """A number behind its length in digits.

    `9` stands for eight of them and more to come.
    """
    number = digits.group().lstrip("0") or "0"
    more, rest = divmod(len(number) - 1, 8)
    return "9" * more + str(rest + 1) + number


def sort_key(type_name: str, value: Value, text: str) -> SortKey:
    """Give the key of a value whose text for people is `text`.

    What is not of its type comes behind the others.
    """
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
