"""How a device begins: it founds a fleet, or gets ready to join one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from core.changes import FLEET_ENTITY, MAX_USER, SCHEMA_ENTITY, Change, Fact, Value, change_id, fleet_id, seal
from core.errors import Refused
from core.schema import KIND, Schema
from core.store.store import Clock, Store
from core.values import quoted
from core.workspace.home import founding

MAX_NAME = 100

FLEET_KIND, SCHEMA_KIND, MEMBER_KIND = "fleet", "schema", "member"
SCHEMA_PREFIX = "schema."


async def init(folder: Path, *, user: str, fleet_name: str, schema: Schema, device_name: str, clock: Clock) -> None:
    """Found a fleet with this device as its first admin: its name, its schema and the admin, in one change that
    makes its id.

    Raises FieldlineError if there is a device in the folder already, Refused for names that cannot be.
    """
    from core import identity

    user = checked_user(user)
    facts = [
        *_facts(FLEET_ENTITY, {KIND: FLEET_KIND, "name": checked_name(fleet_name)}),
        *_facts(SCHEMA_ENTITY, {KIND: SCHEMA_KIND, "name": schema.name}),
        *_facts(SCHEMA_ENTITY, {SCHEMA_PREFIX + k: text for k, text in schema.texts().items()}),
    ]
    with founding(folder) as home:
        home.write_settings(checked_name(device_name))
        me = identity.load(home.folder) if home.key.exists() else identity.create(home.folder)
        facts += _facts(me.device, {KIND: MEMBER_KIND, "member.name": device_name, "member.role": "admin"})
        genesis = seal(Change(me.device, None, user, clock(), None, tuple(facts)), me.private_key, None)
        store = await Store.create(home.store, fleet=fleet_id(change_id(genesis)), clock=clock)
        try:
            await store.save([genesis])
        finally:
            await store.close()


async def join(folder: Path, *, fleet: str, device_name: str, clock: Clock) -> None:
    """Get ready to join the fleet with this id (in hex): a key, and an empty store that waits for its first peer.

    Raises FieldlineError if there is a device in the folder already, Refused for what is no fleet's id.
    """
    from core import identity

    fleet_bytes = checked_id(
        fleet,
        Refused(
            "{text} is not the id of a fleet: it has 32 hex digits, as `fieldline status` shows it.", text=quoted(fleet)
        ),
    )
    with founding(folder) as home:
        home.write_settings(checked_name(device_name))
        if not home.key.exists():
            identity.create(home.folder)
        store = await Store.create(home.store, fleet=fleet_bytes, clock=clock)
        await store.close()


def checked_user(user: str) -> str:
    """The name if a change can carry it; raises Refused."""
    if not user:
        raise Refused("Nobody knows who you are: say it with --user NAME, or set FIELDLINE_USER.")
    if not _is_line(user, MAX_USER):
        raise Refused(
            "{user} cannot be the name of a user: it needs one line of at most {limit} bytes.",
            user=quoted(user),
            limit=MAX_USER,
        )
    return user


def checked_name(name: str) -> str:
    """The name if it can stand in one line; raises Refused."""
    name = name.strip()
    if not name or not _is_line(name, MAX_NAME):
        raise Refused(
            "{name} cannot be a name here: it needs one line of at most {limit} bytes.",
            name=quoted(name),
            limit=MAX_NAME,
        )
    return name


def checked_id(text: str, otherwise: Refused) -> bytes:
    """The 16 bytes of an id in hex; raises `otherwise` for anything else."""
    if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
        raise otherwise
    return bytes.fromhex(text)


def _is_line(text: str, limit: int) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return size <= limit and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in text)


def _facts(entity: bytes, values: Mapping[str, Value]) -> list[Fact]:
    return [Fact(entity, name, value) for name, value in values.items()]
