"""How a device begins: it founds a fleet, or gets ready to join one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY, Change, Fact, Value, change_id, fleet_id, seal
from core.errors import Refused
from core.schema import KIND, Schema
from core.store.shorts import SECRET
from core.store.store import Clock, Store
from core.values import quoted
from core.workspace import checking
from core.workspace.context import SCHEMA_PREFIX, Entropy
from core.workspace.home import founding

FLEET_KIND, SCHEMA_KIND, MEMBER_KIND = "fleet", "schema", "member"


async def init(
    folder: Path, *, user: str, fleet_name: str, schema: Schema, device_name: str, clock: Clock, entropy: Entropy
) -> None:
    """Found a fleet with this device as its first admin: its name, its schema and the admin, in one change that
    makes its id.

    Raises FieldlineError if there is a device in the folder already, Refused for names that cannot be.
    """
    from core import identity

    user = checking.user(user)
    facts = [
        *_facts(FLEET_ENTITY, {KIND: FLEET_KIND, "name": checking.name(fleet_name), SECRET: entropy(32).hex()}),
        *_facts(SCHEMA_ENTITY, {KIND: SCHEMA_KIND, "name": schema.name}),
        *_facts(SCHEMA_ENTITY, {SCHEMA_PREFIX + k: text for k, text in schema.texts().items()}),
    ]
    with founding(folder) as home:
        home.write_settings(checking.name(device_name))
        me = identity.load(home.folder) if home.key.exists() else identity.create(home.folder)
        facts += _facts(me.device, {KIND: MEMBER_KIND, "member.name": device_name, "member.role": "admin"})
        genesis = seal(Change(me.device, None, user, clock(), None, tuple(facts)), me.private_key, None)
        store = await Store.create(home.store, fleet=fleet_id(change_id(genesis)), clock=clock)
        try:
            await store.save([genesis])
            await store.settle()
        finally:
            await store.close()


async def join(folder: Path, *, fleet: str, device_name: str, clock: Clock) -> None:
    """Get ready to join the fleet with this id (in hex): a key, and an empty store that waits for its first peer.

    Raises FieldlineError if there is a device in the folder already, Refused for what is no fleet's id.
    """
    from core import identity

    fleet_bytes = checking.id_of(
        fleet,
        Refused(
            "{text} is not the id of a fleet: it has 32 hex digits, as `fieldline status` shows it.", text=quoted(fleet)
        ),
    )
    with founding(folder) as home:
        home.write_settings(checking.name(device_name))
        if not home.key.exists():
            identity.create(home.folder)
        store = await Store.create(home.store, fleet=fleet_bytes, clock=clock)
        try:
            await store.settle()
        finally:
            await store.close()


def _facts(entity: bytes, values: Mapping[str, Value]) -> list[Fact]:
    return [Fact(entity, name, value) for name, value in values.items()]
