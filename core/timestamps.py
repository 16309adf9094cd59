"""Parse times as people write them, and format them as JSON shows them.

Times are T on the command line.

Instants are integers: microseconds since 1970 UTC. The clock and the local zone come from the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from core.errors import Refused
from core.header import MAX_TIMESTAMP_US
from core.value_codec import CHANGE_ID_BYTES
from core.values import quote_value

SECOND_US = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_CHANGE_PREFIX_DIGITS = 8

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PREFIX_PATTERN = re.compile(rf"[0-9a-f]{{{MIN_CHANGE_PREFIX_DIGITS},{2 * CHANGE_ID_BYTES}}}", re.IGNORECASE)
_AGO_PATTERN = re.compile(r"-([0-9]{1,12})([smhdw])")
_DAYS_AGO = {"today": 0, "yesterday": 1, "heute": 0, "gestern": 1}
_DAY_PATTERN = re.compile(
    rf"(?P<day>{'|'.join(_DAYS_AGO)})(?P<time> [0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?)?", re.IGNORECASE
)
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SCREEN_DATE_PATTERN = re.compile(
    r"(?P<day>[0-9]{1,2})(\.(?P<month>[0-9]{1,2})\.| (?P<name>[a-z]{3}) )(?P<year>[0-9]{4})"
    r"((?P<time> [0-9]{2}:[0-9]{2}(:[0-9]{2})?)( (?P<offset>[+-][0-9]{2}:[0-9]{2}))?)?",
    re.IGNORECASE,
)
_ISO_PATTERN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(?P<fraction>[.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


@dataclass(frozen=True, slots=True)
class ChangePrefix:
    """The time of a change, named by the start of its id.

    At least 8 hex digits, lower case.
    """

    hex: str


def parse_timestamp(
    text: str, now_us: int, zone: tzinfo | None = None, *, is_start: bool = False
) -> int | ChangePrefix:
    """Parse a time that a person wrote; gives microseconds since 1970 UTC.

    ISO 8601 with or without a zone, a date, either as screens show it (`3 Mar 2026 14:00`, `3.3.2026`), `yesterday` or
    `today` with or without a time, a time ago (`-45s`, `-30m`, `-2h`, `-3d`, `-2w`), or the id of a change or the start
    of it; eight digits and more without a hyphen are the latter. Without a zone it is local time: that of `zone`, or of
    the system if that is None. A date is its first second. What has no fraction of a second covers that whole second:
    the result is its last microsecond, or its first with `is_start`, for who looks from there on.

    Raises Refused for anything else, and for what is before 1970 or after the year 9999.
    """
    written = text.strip()
    if _PREFIX_PATTERN.fullmatch(written):
        return ChangePrefix(written.lower())
    if ago := _AGO_PATTERN.fullmatch(written):
        return _check_range(now_us - int(ago[1]) * _UNIT_SECONDS[ago[2]] * SECOND_US, written)
    written = _to_iso(_to_date(written, now_us, zone))
    match = _ISO_PATTERN.fullmatch(written)
    try:
        parsed = datetime.fromisoformat(written) if match else None
    except ValueError:
        parsed = None
    if match is None or parsed is None:
        raise Refused(
            "{text} is not a time; write one such as 2026-03-03T14:00, a date, a time ago such as "
            "-2h or -3d, or at least 8 hex digits of a change's id",
            text=quote_value(text),
        )
    instant = _to_timestamp_us(parsed, zone, written, is_start)
    return _check_range(instant if is_start or match["fraction"] else instant + SECOND_US - 1, written)


def _to_date(written: str, now_us: int, zone: tzinfo | None) -> str:
    """Convert `yesterday 14:00` to the date that this is in the zone, with the time.

    Leave other texts.
    """
    shown = _DAY_PATTERN.fullmatch(written)
    if shown is None:
        return written
    now = (EPOCH + timedelta(microseconds=now_us)).astimezone(zone)
    day = now.date() - timedelta(days=_DAYS_AGO[shown["day"].casefold()])
    return f"{day.isoformat()}{shown['time'] or ''}"


def _to_iso(written: str) -> str:
    """Convert a date as screens show it to ISO 8601; leave other texts.

    `3.3.2026 14:00`, `3 Mar 2026 14:00`.
    """
    shown = _SCREEN_DATE_PATTERN.fullmatch(written)
    if shown is None or (shown["name"] and shown["name"].casefold() not in _MONTH_NAMES):
        return written
    month = _MONTH_NAMES.index(shown["name"].casefold()) + 1 if shown["name"] else int(shown["month"])
    return f"{shown['year']}-{month:02}-{int(shown['day']):02}{shown['time'] or ''}{shown['offset'] or ''}"


def format_timestamp(at_us: int) -> str:
    """Format microseconds since 1970 UTC as ISO 8601 with `Z`.

    With a fraction only if it is not zero.
    """
    return (EPOCH + timedelta(microseconds=at_us)).replace(tzinfo=None).isoformat() + "Z"


def is_repeated(local: datetime, zone: tzinfo | None) -> bool:
    """Whether a local time (without a zone) comes twice, as where clocks are set back."""
    first, second = (_in_zone(local.replace(fold=fold), zone) for fold in (0, 1))
    # Where clocks are set forward, the two differ as well: such a time does not come at all.
    return first.utcoffset() != second.utcoffset() and first.astimezone(UTC) < second.astimezone(UTC)


def _in_zone(local: datetime, zone: tzinfo | None) -> datetime:
    return local.astimezone() if zone is None else local.replace(tzinfo=zone)


def _to_timestamp_us(local: datetime, zone: tzinfo | None, written: str, is_start: bool) -> int:
    """Choose the earlier or the later one of an hour that comes twice.

    The earlier one for whoever looks from there on.
    """
    try:
        if local.tzinfo is None:
            is_later = not is_start and is_repeated(local, zone)
            local = _in_zone(local.replace(fold=int(is_later)), zone)
        return (local - EPOCH) // timedelta(microseconds=1)
    except (OverflowError, ValueError, OSError):
        raise _out_of_range_error(written) from None


def _check_range(instant: int, written: str) -> int:
    if not 0 <= instant <= MAX_TIMESTAMP_US:
        raise _out_of_range_error(written)
    return instant


def _out_of_range_error(written: str) -> Refused:
    return Refused(
        "{text} is before 1970 or after the year 9999; write a later or an earlier time", text=quote_value(written)
    )
