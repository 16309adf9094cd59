"""Check names, notes and ids that a person typed.

Whether a change can carry them at all.
"""

from __future__ import annotations

import re

from core.body import MAX_NOTE_BYTES
from core.changes import MAX_USER_BYTES
from core.errors import Refused
from core.value_codec import normalized
from core.values import invisible_mark, is_line, quote_value, typed_text

MAX_NAME_BYTES = 100
"""Of a fleet or a device: the name of a service in DNS-SD and a column of a table hold it."""


def check_user(name: str) -> str:
    """Give the name of a user if a change can carry it; raises Refused."""
    if not name:
        raise Refused("Nobody knows who you are: say it with --user NAME, or set FIELDLINE_USER.")
    if not is_line(name, MAX_USER_BYTES):
        raise Refused(
            "{user} cannot be the name of a user: it needs one line of at most {limit} bytes.",
            user=quote_value(name),
            limit=MAX_USER_BYTES,
        )
    _check_visible(name)
    return typed_text(name)


def _check_visible(name: str) -> None:
    """Raise Refused for a name that looks like another one and is not."""
    if mark := invisible_mark(name):
        raise Refused("{name} has an invisible mark in it, {mark}: type it without.", name=quote_value(name), mark=mark)


def check_name(text: str) -> str:
    """Give the name of a fleet or a device without spaces around it.

    Raises Refused if it cannot be one.
    """
    text = typed_text(text).strip()
    if not text or not is_line(text, MAX_NAME_BYTES):
        raise Refused(
            "{name} cannot be a name here: it needs one line of at most {limit} bytes.",
            name=quote_value(text),
            limit=MAX_NAME_BYTES,
        )
    _check_visible(text)
    return text


def check_note(text: str | None) -> str | None:
    """Give a note if a change can carry it, None if it is empty; raises Refused."""
    try:
        size = len(text.encode()) if text else 0
    except UnicodeEncodeError:
        raise Refused("The note is not valid Unicode: type it again.") from None
    if size > MAX_NOTE_BYTES:
        raise Refused("The note is too long: at most {limit} bytes fit.", limit=MAX_NOTE_BYTES)
    return normalized(text) if text else None


def parse_id(text: str, error: Refused) -> bytes:
    """Parse an id of 16 bytes in hex, with or without groups.

    Raises `error` for anything else.
    """
    digits = re.sub(r"[ :-]", "", text)
    if not re.fullmatch(r"[0-9a-fA-F]{32}", digits):
        raise error
    return bytes.fromhex(digits)
