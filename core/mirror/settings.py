"""What `settings.toml` says of the mirror: `[mirror]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import Refused


def parse_dsn(settings: Mapping[str, Any]) -> str | None:
    """Read the address of the database, None if there is to be no mirror.

    Raises Refused for what is none.
    """
    table = settings.get("mirror")
    if table is None:
        return None
    dsn = table.get("dsn") if isinstance(table, Mapping) else None
    if not isinstance(dsn, str) or not dsn or set(table) != {"dsn"}:
        raise Refused('settings.toml: {path} must be a table with dsn = "postgresql://…", and no more.', path="mirror")
    return dsn
