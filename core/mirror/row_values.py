"""Values as PostgreSQL takes them: JSON, times, ids of facts. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core import cbor
from core.device.display_names import plain_value
from core.schema import Property
from core.store.entities import EntityName
from core.timestamps import EPOCH
from core.value_codec import REFERENCE_HEADS, FactRef, ParentRef, Redacted, Ref, Value, Withdrawal, decode_value
from core.values import MAX_TEXT_BYTES

MAX_DECIMAL_EXPONENT = 1000
"""PostgreSQL's numeric ends at 131072 digits before the point; nobody configures such a number."""
_JSON = json.JSONEncoder(ensure_ascii=False)


def timestamp(at_us: int) -> datetime:
    """A time of a fact (microseconds since 1970 UTC, at most the year 9999)."""
    return EPOCH + timedelta(microseconds=at_us)


def text(value: str) -> str:
    """A text without the character that PostgreSQL has no place for."""
    return value.replace("\0", "�")


def json_text(value: Value, names: Mapping[bytes, EntityName] | None) -> str | None:
    """A value as JSON, None for SQL's NULL.

    References by name as `show --json` has them, or by id without names.
    """
    if value is None or isinstance(value, Redacted):
        return None
    plain = plain_value(_plain_parents(value), names) if names is not None else _value_with_ids(value)
    return _JSON.encode(plain).replace("\\u0000", "�")


def references(value: Value) -> list[bytes]:
    """The ids of the entities that a value refers to, in its order."""
    items = value if isinstance(value, tuple) else (value,)
    return [item.entity for item in items if isinstance(item, Ref | ParentRef)]


def refers(encoded: bytes) -> bool:
    """Whether an encoded value refers to an entity."""
    major = encoded[0] >> 5
    if major == cbor.TAG:
        return encoded.startswith(REFERENCE_HEADS)
    return major == cbor.ARRAY and bool(references(decode_value(encoded)))


def is_short_text(encoded: bytes) -> bool:
    """Whether an encoded value is text that is not too long for any property."""
    return encoded[0] >> 5 == cbor.TEXT and len(encoded) <= MAX_TEXT_BYTES


def takes_any_text(prop: Property) -> bool:
    """Whether every short text fits the property's column."""
    return not prop.is_known or (prop.type == "text" and not prop.many and prop.pattern is None)


def fits_column(prop: Property, value: Value) -> bool:
    """Whether a value is as the schema wants it and fits the column's type."""
    if value is None or prop.check(value) is not None:
        return False
    if prop.many or not prop.is_known:
        return True
    if prop.type == "decimal":
        exponent = Decimal(str(value)).adjusted()
        return abs(exponent) < MAX_DECIMAL_EXPONENT and len(str(value)) < MAX_DECIMAL_EXPONENT
    if prop.type == "ip-network":
        return re.fullmatch(r"[^/]+/[0-9]{1,3}", str(value)) is not None
    return True


def _plain_parents(value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(Ref(item.entity) if isinstance(item, ParentRef) else item for item in value)
    return Ref(value.entity) if isinstance(value, ParentRef) else value


def _value_with_ids(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_value_with_ids(item) for item in value]
    if isinstance(value, Ref | ParentRef):
        return {"ref": value.entity.hex()}
    if isinstance(value, Withdrawal):
        return {"withdraws": value.fact.hex()}
    return {"fact": value.fact.hex()} if isinstance(value, FactRef) else value
