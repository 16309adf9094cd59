"""Set up a device: create a fleet with it, or prepare it to join one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.body import Fact
from core.changes import FLEET_ENTITY, SCHEMA_ENTITY, Change, sign_block
from core.device import input_validation
from core.device.home import Home, make_folder, new_home
from core.errors import Refused
from core.fleet_secrets import SECRET_PROPERTY
from core.header import fleet_id
from core.member_values import RECOVERY_PROPERTY
from core.paths import exists
from core.salt_tree import SEED_BYTES
from core.schema import FLEET_KIND, KIND, MEMBER_KIND, SCHEMA_KIND, SCHEMA_PROPERTY_PREFIX, Schema
from core.store.commit import person_facts
from core.store.store import Clock, Entropy, Store
from core.value_codec import ID_BYTES, Value, normalized_value
from core.values import quote_value

if TYPE_CHECKING:
    from core.identity import Identity


async def create_fleet(
    folder: Path,
    *,
    user: str,
    fleet_name: str,
    schema: Schema,
    device_name: str,
    clock: Clock,
    entropy: Entropy,
    recovery_key: bytes | None = None,
) -> None:
    """Create a fleet with this device as its first admin.

    Its name, its schema, the admin and who founds it are one change, the genesis, whose hash makes the id of the fleet.

    On any error nothing is left in the folder. Raises FieldlineError if there is a device in it already, Refused for
    names that cannot be.

    Args:
        folder: the home to be.
        user: the author of the genesis.
        fleet_name: what the fleet is called.
        schema: what can be configured.
        device_name: what this device is called.
        clock: microseconds since 1970 UTC.
        entropy: gives so many random bytes.
        recovery_key: the public key that ranks above this device, if there is to be one.
    """
    from core import identity

    user = input_validation.check_user(user)
    facts = [
        *_facts_of(
            FLEET_ENTITY,
            {KIND: FLEET_KIND, "name": input_validation.check_name(fleet_name), SECRET_PROPERTY: entropy(32).hex()},
        ),
        *_facts_of(SCHEMA_ENTITY, {KIND: SCHEMA_KIND, "name": schema.name}),
        *_facts_of(SCHEMA_ENTITY, {SCHEMA_PROPERTY_PREFIX + k: text for k, text in schema.texts().items()}),
    ]
    if recovery_key is not None:
        facts += _facts_of(FLEET_ENTITY, {RECOVERY_PROPERTY: recovery_key.hex()})
    with new_home(folder) as home:
        home.write_settings(input_validation.check_name(device_name))
        me = identity.load_identity(home.key) if exists(home.key) else identity.create_identity(home.key)
        facts += _facts_of(me.device, {KIND: MEMBER_KIND, "member.name": device_name, "member.role": "admin"})
        person = entropy(ID_BYTES)
        facts += person_facts(person, user)
        genesis = sign_block(Change(person, clock(), None, tuple(facts)), me.private_key, None, entropy(SEED_BYTES))
        store = await Store.create(home.store, fleet=fleet_id(genesis.id), clock=clock, entropy=entropy)
        try:
            await store.adopt_genesis(genesis, user)
            await store.checkpoint()
        finally:
            await store.close()


def prepare_identity(folder: Path) -> Identity:
    """Make this device's key in its home, unless it is there.

    Nothing else is needed before it belongs to a fleet.

    Raises FieldlineError if the folder or the key cannot be made or read.
    """
    from core import identity

    make_folder(folder)
    home = Home(folder)
    return identity.load_identity(home.key) if exists(home.key) else identity.create_identity(home.key)


async def prepare_join(folder: Path, *, fleet: str, device_name: str, clock: Clock) -> None:
    """Get ready to join the fleet with this id (in hex).

    A key, and an empty store that waits for its first peer.

    Raises FieldlineError if there is a device in the folder already, Refused for what is no fleet's id.
    """
    from core import identity

    fleet_bytes = input_validation.parse_id(
        fleet,
        Refused(
            "{text} is not the id of a fleet: it has 32 hex digits, as `fieldline status` shows it.",
            text=quote_value(fleet),
        ),
    )
    with new_home(folder) as home:
        home.write_settings(input_validation.check_name(device_name))
        if not exists(home.key):
            identity.create_identity(home.key)
        store = await Store.create(home.store, fleet=fleet_bytes, clock=clock)
        try:
            await store.checkpoint()
        finally:
            await store.close()


def _facts_of(entity: bytes, values: Mapping[str, Value]) -> list[Fact]:
    return [Fact(entity, name, normalized_value(value)) for name, value in values.items()]
