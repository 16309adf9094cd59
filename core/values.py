"""The types of properties: parse, check, compare and format the values of each.

Pure.

Values are what facts hold (text, integers, booleans, references); a type says which of them a property means.
Addresses, networks and decimals are text of a known form. Nothing here looks a name up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from ipaddress import ip_network

from core.errors import Refused
from core.ip_texts import is_ip_address, is_ip_network, parse_ip_address, parse_ip_network
from core.value_codec import FactRef, ParentRef, Redacted, Ref, Scalar, Value, Withdrawal, normalized

MAX_TEXT_BYTES = 49_152
"""Bytes of UTF-8 in one value, so that every value fits a block of its own with room for the rest of the change."""

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

_KEPT_PARSES = 1024
"""Of each type: a value is checked, compared and placed one after the other, and is parsed for each."""


def _parse_integer(text: str) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        return None
    number = int(text)
    return number if MIN_INTEGER <= number <= MAX_INTEGER else None


def _parse_decimal(text: str) -> str | None:
    """The number grammar of RFC 8259, section 6.

    The text stays as it is, so no digit is lost or invented.
    """
    return text if re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) else None


_BOOLEAN_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1", "ja", "wahr"), True),
    **dict.fromkeys(("false", "no", "off", "0", "nein", "falsch"), False),
}


def boolean_word(word: str) -> bool | None:
    """What a word of a search means for yes or no; None if nothing.

    A digit does not: it is sought as a number.
    """
    return None if word.isdecimal() else _parse_boolean(word)


def _parse_boolean(text: str) -> bool | None:
    return _BOOLEAN_WORDS.get(text.lower())


@lru_cache(maxsize=_KEPT_PARSES)
def _parse_mac(text: str) -> str | None:
    """An EUI-48 in any of its usual spellings, as six lower-case pairs with colons."""
    pairs = r"[0-9a-f]{2}(([:-])[0-9a-f]{2})(\2[0-9a-f]{2}){4}"
    if not re.fullmatch(rf"{pairs}|([0-9a-f]{{4}}\.){{2}}[0-9a-f]{{4}}|[0-9a-f]{{12}}", text.lower()):
        return None
    digits = re.sub(r"[:.-]", "", text.lower())
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


@lru_cache(maxsize=_KEPT_PARSES)
def _parse_hostname(text: str) -> str | None:
    """A name of RFC 1123, section 2.1.

    At most 253 characters, labels of letters, digits and inner hyphens.
    """
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    return text if len(text) <= 253 and re.fullmatch(rf"{label}(\.{label})*", text) else None


def typed_text(text: str) -> str:
    """Bring text that a person or a file gave to one form.

    That is NFC, and a plain space for blanks that look like one.
    """
    return text if text.isascii() else _BLANK.sub(" ", normalized(text))


def _parse_text(text: str) -> str:
    return typed_text(text)


def _parse_reference(text: str) -> None:
    return None


TYPE_PARSERS: dict[str, Callable[[str], Scalar | None]] = {
    "text": _parse_text,
    "integer": _parse_integer,
    "boolean": _parse_boolean,
    "decimal": _parse_decimal,
    "choice": _parse_text,
    "ip-address": parse_ip_address,
    "ip-network": parse_ip_network,
    "mac": _parse_mac,
    "hostname": _parse_hostname,
    "reference": _parse_reference,
}
"""The parser of each type: text -> value, None if it is not of the type. References need a fleet to be parsed."""


_QUICK_CHECKS = {"ip-address": is_ip_address, "ip-network": is_ip_network}
"""Say of which types a text is without making its common form."""


def is_of_type(type_name: str, value: Scalar) -> bool:
    """Whether a value that a fact holds is of this type.

    A whole number is a decimal, too.
    """
    match type_name:
        case "boolean":
            return isinstance(value, bool)
        case "reference":
            return isinstance(value, Ref)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "decimal" if isinstance(value, int):
            return not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    check = _QUICK_CHECKS.get(type_name)
    return check(value) if check else TYPE_PARSERS[type_name](value) is not None


def type_problem(property_name: str, type_name: str, value: Scalar | Redacted) -> Refused:
    """Build the error for a value that is not of the type of its property.

    What is expected, with an example.
    """
    fields = {"property": property_name, "value": quote_value(value)}
    if isinstance(value, str) and TYPE_PARSERS[type_name](value) is not None:
        return Refused("{property}: {value} is there as text, not as {type}; give it again", type=type_name, **fields)
    if isinstance(value, str) and value != value.strip() and TYPE_PARSERS[type_name](value.strip()) is not None:
        return Refused("{property}: {value} has spaces around it; give it without them", **fields)
    match type_name:
        case "integer":
            return Refused("{property}: {value} is not a whole number, such as 1280", **fields)
        case "boolean":
            return Refused("{property}: {value} is neither true nor false; give one of these", **fields)
        case "decimal":
            return Refused("{property}: {value} is not a number with a decimal point, such as 52.478675", **fields)
        case "ip-address":
            return Refused("{property}: {value} is not an IP address, such as 10.24.1.7", **fields)
        case "ip-network" if network := _network_around(value):
            return Refused(
                "{property}: {value} is an address within a network; the network itself is {network}",
                network=network,
                **fields,
            )
        case "ip-network":
            return Refused("{property}: {value} is not an IP network with its length, such as 10.24.1.0/24", **fields)
        case "mac":
            return Refused("{property}: {value} is not a MAC address, such as 2c:c8:1b:8a:96:e0", **fields)
        case "hostname":
            return Refused(
                "{property}: {value} is not a host name (letters, digits, hyphens, dots), such as entrance-right",
                **fields,
            )
        case "reference":
            return Refused("{property}: {value} is not a reference; name an entity as KIND:KEY", **fields)
    return Refused("{property}: {value} is not text", **fields)


def _network_around(value: Scalar | Redacted) -> str | None:
    """Give the network of an address with a length; None if it is none."""
    try:
        return str(ip_network(value, strict=False)) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None


def is_storable(value: Scalar | Redacted) -> bool:
    """Whether text is short enough for a fact and has no lone surrogates."""
    if not isinstance(value, str):
        return True
    try:
        return len(value) <= MAX_TEXT_BYTES and len(value.encode()) <= MAX_TEXT_BYTES
    except UnicodeEncodeError:
        return False


def is_line(text: str, max_bytes: int) -> bool:
    """Whether this is text of one line.

    Unicode that has bytes, at most so many of UTF-8, and no control character.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return size <= max_bytes and all(ord(char) >= 32 and not 127 <= ord(char) < 160 for char in text)


def join_names(names: Iterable[str], max_count: int) -> str:
    """The first of these names in a list, and how many more there are: `a, b, +3`."""
    listed = list(names)
    rest = len(listed) - max_count
    return ", ".join(listed[:max_count] + ([f"+{rest}"] if rest > 0 else []))


def comparison_key(type_name: str, value: Scalar) -> Hashable:
    """Give a key that is equal only for spellings of the same thing.

    `AA-BB-…` and `aa:bb:…`.
    """
    if isinstance(value, str):
        if type_name == "hostname":
            return value.lower()
        if type_name in ("mac", "ip-address", "ip-network"):
            return TYPE_PARSERS[type_name](value) or value
        return _INVISIBLE_MARK.sub("", typed_text(value))
    return (type(value).__name__, value)


def is_same_value(one: Value, other: Value) -> bool:
    """Whether two values are the same for a fact. `True` is not 1."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(is_same_value, one, other))
    return type(one) is type(other) and one == other


def check_visible(property_name: str, value: Value) -> None:
    """Raise Refused for text with invisible or direction marks."""
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, str) and (mark := invisible_mark(item)):
            raise Refused(
                "{property}: {value} has an invisible mark in it, {mark}: type it without",
                property=property_name,
                value=quote_value(item),
                mark=mark,
            )


def invisible_mark(text: str) -> str | None:
    """The first character of a text that nobody sees, as `U+200B`.

    None if there is none.
    """
    hidden = _INVISIBLE_MARK.search(text)
    return None if hidden is None else f"U+{ord(hidden[0]):04X}"


def stored_notation(word: str) -> str | None:
    """Normalize a MAC address, an IP address or a network in any notation.

    None for any other word. A whole number of twelve digits is no MAC address.
    """
    if word.isdecimal():
        return None
    return _parse_mac(word) or parse_ip_address(word) or parse_ip_network(word)


# What has no ink of its own: what looks the same would not be the same. Default_Ignorable_Code_Point of Unicode
# (DerivedCoreProperties.txt), separators of lines, marks of annotations, the Braille pattern without dots.
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# A sign may be said to be an emoji or none, a digit to be a key: that is seen. Behind anything else it is not.
_LONE_SELECTOR = (
    "(?<![\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff#*0-9])[\ufe0e\ufe0f]|(?<=[#*0-9])[\ufe0e\ufe0f](?!\u20e3)"
)
_UNPRINTABLE = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_INVISIBLE}]|{_LONE_SELECTOR}")
_INVISIBLE_MARK = re.compile(f"[{_INVISIBLE}]|{_LONE_SELECTOR}")
_BLANK = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")


def stored_words(text: str) -> str:
    """The words of a search as they are stored, where input takes other notations.

    Addresses, networks, numbers.
    """
    return " ".join(_stored_word(word) for word in text.split())


def _stored_word(word: str) -> str:
    if number := re.fullmatch(r"\+?(-?)0*([0-9]{1,19})", word):
        return number[1] + number[2]
    return stored_notation(word) or word


def printable(text: str) -> str:
    """Escape control, invisible and direction characters: safe for a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda found: _escape(found[0]), text)


def _escape(char: str) -> str:
    return {"\n": "↵", "\t": " "}.get(char) or f"\\x{ord(char):02x}"


def quote_value(value: Value, limit: int = 60) -> str:
    """Format a value for a message.

    In quotes if it is text, without control characters, cut at `limit`.
    """
    text = display_text(value)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f'"{text}"' if isinstance(value, str) else text


def display_text(value: Value, lang: str = "en") -> str:
    """Format a value on one line for people; a reference as the start of its id."""
    match value:
        case None:
            return ""
        case bool():
            return ("ja" if value else "nein") if lang == "de" else ("yes" if value else "no")
        case str():
            return printable(value)
        case Ref() | ParentRef():
            return value.entity.hex()[:8]
        case FactRef() | Withdrawal():
            return value.fact.hex()[:8]
        case Redacted():
            return "-"
        case tuple():
            return ", ".join(display_text(item, lang) for item in value)
    return str(value)


def edit_text(value: Value, lang: str = "en") -> str:
    """Format a value as one would type it, for an edit to start from.

    Lists are one line of CSV (RFC 4180).
    """
    if isinstance(value, tuple):
        return join_list([edit_text(item, lang) for item in value])
    return value if isinstance(value, str) else display_text(value, lang)


def split_list(text: str) -> list[str]:
    """Split a list that a person typed.

    Separated by commas, in double quotes where an item holds a comma.

    Raises ValueError if the quotes do not match.
    """
    import csv

    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return [item.strip() for item in rows[0]] if rows else []


def join_list(texts: list[str]) -> str:
    """Join texts to the list that `split_list` splits."""
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(texts)
    return line.getvalue().removesuffix("\r\n")
