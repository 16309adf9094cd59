"""Formats of entities, devices, values and times: for people, and in JSON."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.device.display_names import PLAIN_TYPES, entities_in_value, full_entity_name, is_new_key, plain_value
from core.fleet_secrets import is_secret
from core.schema import KEY, KIND, RETIRED, Kind, Property, Schema, is_acceptance
from core.slots import Candidate, Slot
from core.timestamps import format_timestamp
from core.value_codec import Ref, Value
from tui.i18n.translate import _, language

if TYPE_CHECKING:
    from core.records import Record
    from core.store.entities import EntityName
    from core.store.view import View
    from core.workspace import Workspace


_SYSTEM_PROPERTIES = (KIND, RETIRED, KEY)


@dataclass(slots=True)
class Formatter:
    """The names of everything that a verb prints.

    The names of entities are read as they are needed, from the view that is shown.
    """

    workspace: Workspace
    view: View
    schema: Schema
    names: dict[bytes, EntityName] = field(default_factory=dict)
    devices: dict[bytes, str] = field(default_factory=dict)

    @classmethod
    async def create(cls, workspace: Workspace, view: View | None = None) -> Formatter:
        """For what this view shows; the present if none is given."""
        return cls(workspace, view or workspace.view(), await workspace.schema())

    async def load_names(self, entities: Iterable[bytes] = (), values: Iterable[Value] = ()) -> None:
        """Read what these entities, and those that these values refer to, are called."""
        others = [value for value in values if type(value) not in PLAIN_TYPES]
        wanted = {*entities, *(entity for value in others for entity in entities_in_value(value))} - self.names.keys()
        if not wanted:
            return
        found = await self.view.names(wanted, self.schema)
        if self.view.is_past and (nameless := [entity for entity, name in found.items() if name.kind is None]):
            found.update(await self.workspace.view().names(nameless, self.schema))
        self.names.update(found)

    async def load_record_names(self, record: Record) -> None:
        """Read what a record and all that its slots refer to are called."""
        values = [leaf.value for slot in record.slots.values() for leaf in slot.leaves]
        await self.load_names([record.entity], values)

    async def load_device_names(self) -> None:
        """Read what the devices of the fleet are called."""
        members = (await self.workspace.membership()).members
        self.devices = {device: member.name for device, member in members.items() if member.name}

    # --- for people --------------------------------------------------------------------------------------------------

    def entity_text(self, entity: bytes) -> str:
        """`kind:key`, or the start of the id of what has none."""
        name = self.names.get(entity)
        if name is not None and name.key is None and name.kind is not None:
            return f"{name.kind}:{self.devices.get(entity) or entity.hex()[:8]}"
        return entity.hex()[:8] if name is None else full_entity_name(name)

    def device_name(self, device: bytes) -> str:
        """The device's name, or the start of its id."""
        return self.devices.get(device) or device.hex()[:8]

    def rank(self, entity: bytes, name: str) -> tuple[bool, int, str]:
        """Where a property stands among others of an entity."""
        called = self.names.get(entity)
        return self.schema.kind(called.kind if called else None).rank(name)

    def value_text(self, prop: Property, value: Value) -> str:
        """A value on one line; no value is a word."""
        if value is None:
            return _("unset")
        if isinstance(value, tuple):
            return ", ".join(self.value_text(prop, item) for item in value)
        if is_new_key(prop.name, value):
            return _("has a new key")
        return self.entity_text(value.entity) if isinstance(value, Ref) else prop.show(value, language())

    def slot_text(self, prop: Property, slot: Slot) -> str:
        """What a slot has in use on one line; that it never had anything is said, too."""
        return self.value_text(prop, slot.value) if slot.leaves else _("not configured")

    # --- in JSON -----------------------------------------------------------------------------------------------------

    def value_json(self, value: Value) -> Any:
        """A value as JSON; a reference as `{"ref": "kind:key"}`, or with its whole id."""
        return plain_value(value, self.names)

    def candidate_json(self, leaf: Candidate) -> dict[str, Any]:
        """One leaf as JSON."""
        return {
            "fact": leaf.fact.hex(),
            "value": self.value_json(leaf.value),
            "user": leaf.user,
            "person": leaf.person.hex(),
            "device": leaf.device.hex(),
            "at": format_timestamp(leaf.at_us),
            "clock": leaf.clock,
            "note": leaf.note,
        }

    def slot_json(self, slot: Slot) -> dict[str, Any]:
        """A slot as JSON."""
        return {
            "state": slot.state,
            "value": self.value_json(slot.value),
            "provisional": slot.provisional,
            "candidates": [self.candidate_json(leaf) for leaf in slot.leaves],
        }

    def kind_json(self, entity: bytes) -> dict[str, Any]:
        """Id, kind and key of an entity as JSON."""
        name = self.names.get(entity)
        return {
            "entity": entity.hex(),
            "kind": name.kind if name else None,
            "key": name.key if name else None,
        }


def shown_properties(record: Record, schema: Schema) -> list[Property]:
    """The properties of a record that are shown.

    Those of its kind, then those that the schema does not know.

    Kind, key and retirement are told apart from them; one of these is among them only while it is in conflict.
    """
    kind = schema.kind(record.kind)
    provisional = {name for name, slot in record.slots.items() if slot.provisional}
    return [kind.property(name) for name in shown_names(kind, record.entity, record.slots, provisional)]


def shown_names(kind: Kind, entity: bytes, stated: Collection[str], provisional: Container[str]) -> list[str]:
    """The names of the properties that are shown of an entity; see `shown_properties`.

    `stated` are those with a value, `provisional` those that are in conflict.
    """
    others = sorted(name for name in stated if name not in kind.properties and name not in _SYSTEM_PROPERTIES)
    names = [name for name in kind.properties if name not in _SYSTEM_PROPERTIES]
    # What is accepted as it is stands in the inbox, where one sees of what.
    names += [name for name in others if not is_acceptance(name) or name in provisional]
    secret = {name for name in stated if is_secret(entity, name)}
    return [
        *(name for name in names if name not in secret),
        *(name for name in _SYSTEM_PROPERTIES if name in provisional),
    ]
