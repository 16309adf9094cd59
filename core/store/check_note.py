"""What is noted of the last whole check of a store."""

from __future__ import annotations

import json
from dataclasses import dataclass

from core.errors import FieldlineError
from core.parsers import parse_json

VERIFIED_META_KEY = "verified"
"""When `verify` last found all right, derived tables, too: microseconds since 1970 UTC, as text."""
CHECKED_META_KEY = "checked"
"""When all changes and facts were last checked, and what was damaged: `LastCheck`."""


@dataclass(frozen=True, slots=True)
class LastCheck:
    """When all changes and facts were last checked, and what was damaged."""

    at_us: int
    damage: FieldlineError | None = None

    def to_bytes(self) -> bytes:
        """Serialise it for the store's own notes."""
        damage = self.damage
        kept = damage and [damage.template, {name: str(value) for name, value in damage.params.items()}]
        return json.dumps({"at": self.at_us, "damage": kept}).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> LastCheck | None:
        """Read what `to_bytes` gave; None where there is none, or it cannot be read."""
        try:
            fields = parse_json(data or b"")
            return cls(int(fields["at"]), decode_damage(fields["damage"]))
        except (ValueError, TypeError, KeyError):
            return None


def damaged_error(damage: FieldlineError) -> FieldlineError:
    """Make the error that says what is damaged, and what to do."""
    return FieldlineError("The store is damaged ({what}): run `fieldline verify --repair`.", what=damage)


def decode_damage(kept: object) -> FieldlineError | None:
    """Read an error's text and values; raises ValueError for anything else but None."""
    if kept is None:
        return None
    match kept:
        case [str(template), dict(params)]:
            return FieldlineError(template, **{str(name): str(value) for name, value in params.items()})
    raise ValueError("not an error's text and values")
