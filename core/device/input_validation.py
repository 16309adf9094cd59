"""Whether what somebody typed can stand in a change at all: names, notes and ids."""

from __future__ import annotations

import re

from core.changes import MAX_NOTE_BYTES, MAX_USER_BYTES
from core.errors import Refused
from core.values import normalized, quote_value

MAX_NAME_BYTES = 100


def check_user(name: str) -> str:
    """The name of a user if a change can carry it; raises Refused."""
    name = normalized(name)
    if not name:
        raise Refused("Nobody knows who you are: say it with --user NAME, or set FIELDLINE_USER.")
    if not _is_line(name, MAX_USER_BYTES):
        raise Refused(
            "{user} cannot be the name of a user: it needs one line of at most {limit} bytes.",
            user=quote_value(name),
            limit=MAX_USER_BYTES,
        )
    return name


def check_name(text: str) -> str:
    """The name of a fleet or a device if it can be one; raises Refused."""
    text = normalized(text.strip())
    if not text or not _is_line(text, MAX_NAME_BYTES):
        raise Refused(
            "{name} cannot be a name here: it needs one line of at most {limit} bytes.",
            name=quote_value(text),
            limit=MAX_NAME_BYTES,
        )
    return text


def check_note(text: str | None) -> str | None:
    """A note if a change can carry it, None if it is empty; raises Refused."""
    text = normalized(text) if text else text
    try:
        size = len(text.encode()) if text else 0
    except UnicodeEncodeError:
        raise Refused("The note is not valid Unicode: type it again.") from None
    if size > MAX_NOTE_BYTES:
        raise Refused("The note is too long: at most {limit} bytes fit.", limit=MAX_NOTE_BYTES)
    return text or None


def parse_id(text: str, error: Refused) -> bytes:
    """The 16 bytes of an id in hex, in groups if people like; raises `otherwise` for anything else."""
    digits = re.sub(r"[ :-]", "", text)
    if not re.fullmatch(r"[0-9a-fA-F]{32}", digits):
        raise error
    return bytes.fromhex(digits)


def _is_line(text: str, limit: int) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return size <= limit and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in text)
