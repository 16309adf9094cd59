"""Wanted against actual.

What the fleet says of this place beside what this device has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.device.display_names import entities_in_value
from core.equipment import readers, template_file
from core.equipment.home_lock import is_locked
from core.equipment.journal import Journal, half_applied_problem
from core.equipment.location import Location
from core.equipment.place_lookup import Place, PlaceLookup
from core.equipment.plan import PropertyState, Verdict
from core.equipment.readers import Reading, Surroundings
from core.equipment.settings import CUPS_DEFAULT, EquipmentSettings, Rule, TemplateWriter, parse_settings
from core.equipment.value_text import fill_template, is_same_text, template_fields, value_text
from core.errors import FieldlineError, Refused
from core.records import Record
from core.schema import Kind, Property, Schema
from core.value_codec import Value

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MAX_READERS = 4
"""Commands that read at once: a device has few cores, and CUPS answers one after the other."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A property of the place or its locality that this device may have."""

    record: Record
    kind: Kind
    prop: Property


@dataclass(frozen=True, slots=True)
class Inspection:
    """Where this device is, and each property of that place.

    `texts` are the values as tools write them.
    """

    location: Location
    states: tuple[PropertyState, ...]
    subjects: Mapping[str, Subject]
    texts: Mapping[str, str | None]
    settings: EquipmentSettings
    around: Surroundings

    def state(self, name: str) -> PropertyState:
        """The state of one property; KeyError if the place has no such property."""
        return next(state for state in self.states if state.property == name)


class Inspector:
    """Reads where this device is and what it has.

    One for as long as a device is open: it remembers what is costly.
    """

    def __init__(self, context: DeviceContext) -> None:
        self.context = context
        self.journal = Journal(context.home.folder)
        self._places = PlaceLookup(context)

    async def settings(self) -> EquipmentSettings:
        """What this device's settings say now.

        Raises FieldlineError if they cannot be read.
        """
        return parse_settings(await asyncio.to_thread(self.context.home.read_settings))

    async def find_place(self) -> Place:
        """Where this device is; nothing that it has is read. Raises FieldlineError."""
        return await self._places.find(await self.settings())

    async def inspect(self, place: Place | None = None) -> Inspection:
        """Where this device is, and wanted against actual of each property there.

        Raises FieldlineError.
        """
        settings = await self.settings()
        place = place or await self._places.find(settings)
        schema = await self.context.schema()
        subjects = await self._subjects(place.location, schema, settings)
        texts = await self._texts(subjects, schema)
        bare = Inspection(place.location, (), subjects, texts, settings, place.around)
        states = await self.read_states(bare, list(subjects))
        if place.location.place or place.location.locality:
            states += _stray_rules(settings, subjects, place.location)
        return replace(bare, states=tuple(states))

    async def read_states(self, inspection: Inspection, names: list[str]) -> list[PropertyState]:
        """The states of these properties, read now."""
        owed, applied, cut = await asyncio.to_thread(self._notes)
        gate = asyncio.Semaphore(MAX_READERS)

        async def read(name: str) -> PropertyState:
            rule = inspection.settings.rules.get(name)
            async with gate:
                state = await self._read_state(inspection, inspection.subjects[name], rule)
            text = state.wanted_text
            return replace(
                state,
                is_owed=name in owed and rule is not None and owed[name] == followup_fingerprint(rule),
                is_applied=text is not None and applied.get(name) == fingerprint(text),
                problem=state.problem or (half_applied_problem(name) if name in cut and rule else None),
            )

        return [_with_owed(state) for state in await asyncio.gather(*map(read, names))]

    def _notes(self) -> tuple[dict[str, str], dict[str, str], set[str]]:
        # What has begun and not ended is under way while somebody applies, and was cut if nobody does.
        cut = set() if is_locked(self.context.home.folder) else self.journal.unfinished()
        return self.journal.owed(), self.journal.applied(), cut

    async def _subjects(self, location: Location, schema: Schema, settings: EquipmentSettings) -> dict[str, Subject]:
        """All properties of the place, and those of its locality that the settings name."""
        found: dict[str, Subject] = {}
        view = self.context.view()
        for entity in (location.place, location.locality):
            if entity is None:
                continue
            record = await view.record(entity, schema)
            kind = schema.kind(record.kind)
            for prop in kind.properties.values():
                own = entity == location.place or location.place is None
                named = prop.name in (kind.key, kind.within, kind.parent, kind.title)
                if prop.name not in found and (prop.name in settings.rules or (own and not named)):
                    found[prop.name] = Subject(record, kind, prop)
        return found

    async def _texts(self, subjects: Mapping[str, Subject], schema: Schema) -> dict[str, str | None]:
        """The values in use of the place and its locality, by property.

        The place's go before.
        """
        records = {subject.record.entity: subject for subject in subjects.values()}
        values: dict[str, Value] = {}
        for subject in records.values():
            for name in subject.kind.properties:
                values.setdefault(name, subject.record.value(name))
        refs = {entity for value in values.values() for entity in entities_in_value(value)}
        names = await self.context.view().names(refs, schema) if refs else {}
        keys = {entity: name.key for entity, name in names.items() if name.key is not None}
        return {name: value_text(value, keys) for name, value in values.items()}

    async def _read_state(self, inspection: Inspection, subject: Subject, rule: Rule | None) -> PropertyState:
        slot, name = subject.record.slot(subject.prop.name), subject.prop.name
        wanted = inspection.texts[name]
        state = PropertyState(
            subject.record.entity,
            name,
            "unmanaged",
            slot.value,
            wanted,
            is_provisional=slot.provisional,
            can_write=rule is not None and (rule.write is not None or rule.builtin == CUPS_DEFAULT),
            can_read=rule is not None and (rule.read is not None or rule.builtin is not None),
        )
        if rule is None:
            return state
        if rule.problem is not None:
            return replace(state, verdict="error", problem=rule.problem)
        try:
            reading = await readers.read_property(rule, inspection.around, self.context.home.folder)
            if reading is None:
                reading = await self._read_target(inspection, rule, wanted)
                state = replace(state, can_read=reading is not None)
            if reading is None:
                return replace(state, verdict="unknown", problem=_no_reader_problem(name))
            verdict, problem = await self._compare(inspection, subject, rule, reading)
        except FieldlineError as error:
            return replace(state, verdict="error", problem=error)
        return replace(state, verdict=verdict, actual=reading.value, problem=problem)

    async def _compare(
        self, inspection: Inspection, subject: Subject, rule: Rule, reading: Reading
    ) -> tuple[Verdict, FieldlineError | None]:
        name = subject.prop.name
        wanted = inspection.texts[name]
        if wanted is None:
            if reading.value is None:
                return "same", None
            return "differs", FieldlineError(
                "Nothing is configured for {property}; this device has a value.", property=name
            )
        if reading.override is not None:
            return ("differs" if reading.value != wanted else "same"), reading.override
        if reading.value is None or not is_same_text(subject.prop, wanted, reading.value):
            return "differs", None
        # A template may hold more than what is read: that has to be so, too.
        if isinstance(rule.write, TemplateWriter) and rule.read is not None:
            template = await asyncio.to_thread(template_file.read_text, self.context.home.folder / rule.write.template)
            if template is not None and template_fields(template) - {"value", name}:
                target = await self._read_target(inspection, rule, wanted)
                if target is not None and target.value is None:
                    return "differs", FieldlineError("{path} is not as the template makes it.", path=rule.write.target)
        return "same", None

    async def _read_target(self, inspection: Inspection, rule: Rule, wanted: str | None) -> Reading | None:
        """Whether a file is as its template makes it now.

        The value itself if so, no value if not; None for a rule without a template.
        """
        if not isinstance(rule.write, TemplateWriter):
            return None
        if wanted is None:
            return Reading(None)
        text = await asyncio.to_thread(self.render, inspection, rule)
        found = await asyncio.to_thread(template_file.read_text, self.context.home.folder / rule.write.target)
        return Reading(wanted if found == text else None)

    def render(self, inspection: Inspection, rule: Rule) -> str:
        """The text that a template makes of what is configured now. Raises FieldlineError."""
        assert isinstance(rule.write, TemplateWriter)  # noqa: S101 - for the types: who calls has looked
        path = self.context.home.folder / rule.write.template
        template = template_file.read_text(path)
        if template is None:
            raise FieldlineError("The template {path} is not there: write it, or mend settings.toml.", path=str(path))
        return fill_template(template, rule.property, inspection.texts, rule.write.allowed)


def fingerprint(*texts: str) -> str:
    """A short hash of texts, to know them again."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def followup_fingerprint(rule: Rule) -> str:
    """What a rule runs after it has set a value; empty if nothing."""
    then = rule.write.then if rule.write is not None else ()
    return fingerprint(*("\0".join(argv) for argv in then)) if then else ""


def _with_owed(state: PropertyState) -> PropertyState:
    """What is owed makes a difference, though the value is there."""
    if not state.is_owed or state.verdict != "same":
        return state
    problem = FieldlineError("{property} is set, but what follows has not succeeded yet.", property=state.property)
    return replace(state, verdict="differs", is_set=True, problem=problem)


def _no_reader_problem(name: str) -> FieldlineError:
    return FieldlineError("settings.toml does not say how {property} is read.", property=name)


def _stray_rules(
    settings: EquipmentSettings, subjects: Mapping[str, Subject], location: Location
) -> list[PropertyState]:
    """Rules for what this place has not: most likely a slip in a name."""
    kinds = {subject.kind.name: subject.kind for subject in subjects.values()}
    known = ", ".join(name for kind in kinds.values() for name in kind.properties)
    return [
        PropertyState(
            location.place or location.locality or b"",
            name,
            "error",
            problem=Refused(
                "settings.toml: there is no property {property} at this place; there are {properties}.",
                property=name,
                properties=known or "-",
            ),
        )
        for name in settings.rules
        if name not in subjects and location.place is not None
    ]
