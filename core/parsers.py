"""Parse JSON and TOML that anybody may have written.

Whatever it is, nothing but ValueError is raised.

The parsers of the standard library recurse, and so does most of what reads the outcome: a file of brackets would end in
a RecursionError anywhere. Numbers of thousands of digits are refused by Python (ValueError, not the parsers' own).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

MAX_NESTING = 100
"""Tables or lists within each other: many times what any file of ours has."""


def parse_json(data: str | bytes) -> Any:
    """Parse JSON (RFC 8259); raises ValueError, also for too deep nesting."""
    try:
        return _check_nesting(json.loads(data))
    except RecursionError:
        raise _nested_too_deeply() from None


def parse_toml(text: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Parse TOML 1.0; raises ValueError, also for too deep nesting."""
    import tomllib  # takes as long as all else in small verbs

    try:
        found: dict[str, Any] = _check_nesting(tomllib.loads(text, parse_float=parse_float))
    except RecursionError:
        raise _nested_too_deeply() from None
    return found


def _check_nesting(found: Any) -> Any:
    level: list[Any] = [[found]]
    for _ in range(MAX_NESTING + 1):
        items = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
        level = [item for item in items if isinstance(item, dict | list)]
        if not level:
            return found
    raise _nested_too_deeply()


def _nested_too_deeply() -> ValueError:
    return ValueError(f"more than {MAX_NESTING} levels within each other")
