"""Which facts of the fleet are secrets, known to members and shown nowhere."""

from __future__ import annotations

from core.changes import FLEET_ENTITY

SECRET_PROPERTY = "secret"  # noqa: S105 (a property's name)
"""Holds the secret of the genesis, in hex."""
EPOCH_PROPERTY = "epoch.key"
"""Holds the key of an epoch, in hex."""
SECRET_PROPERTIES = (SECRET_PROPERTY, EPOCH_PROPERTY)
HIDDEN_TEXT = "•••"
"""What stands for a secret wherever it would be read."""


def is_secret(entity: bytes, name: str) -> bool:
    """Whether a slot holds a secret of the fleet."""
    return entity == FLEET_ENTITY and name in SECRET_PROPERTIES
