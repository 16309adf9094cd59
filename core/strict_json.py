"""Read JSON (RFC 8259) that says one clear thing.

No key twice in one object, no NaN, no Infinity.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn


class AmbiguousJson(ValueError):
    """JSON that Python takes but that does not say one clear thing."""


def parse_json(text: str, *, parse_float: Callable[[str], Any] = str) -> Any:
    """The value of a text.

    Numbers with a fraction or an exponent are made by `parse_float` of their digits.

    Raises ValueError, of which `json.JSONDecodeError` says where, and RecursionError.
    """
    return json.loads(
        text, parse_float=parse_float, parse_constant=_reject_constant, object_pairs_hook=_require_unique_keys
    )


def _require_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise AmbiguousJson("a key is there twice in one object")
    return found


def _reject_constant(name: str) -> NoReturn:
    raise AmbiguousJson(f"{name} is no number")
