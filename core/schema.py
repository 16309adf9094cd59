"""The schema: kinds, their properties, constraints and labels.

A schema is TOML, and is published into the fleet as one fact a kind that holds the kind's TOML text. What it does not
know is kept, synced and shown raw: an unknown kind or property gets a generic definition that accepts every value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from core import values
from core.errors import FieldlineError, Refused
from core.value_codec import Redacted, Scalar, Value, normalized

KIND, RETIRED, KEY = "kind", "retired", "key"
"""The properties that every entity may have, whatever its kind: text, boolean, text."""

FLEET_KIND, SCHEMA_KIND, MEMBER_KIND, PERSON_KIND = RESERVED_KINDS = ("fleet", "schema", "member", "person")
"""The kinds of what the fleet itself is made of. No schema defines them, and only an admin may edit them."""

SCHEMA_PROPERTY_PREFIX = "schema."
"""Before the name of a kind: the property of the schema's entity that holds the TOML text of the kind."""

ACCEPTED_PROPERTY_PREFIX = "accepted."
"""Before the id of an inbox item: the property of one of its entities that says that the clash is wanted as it is."""


def _text_in_language(texts: Mapping[str, str], lang: str, otherwise: str) -> str:
    return texts.get(lang) or texts.get("en") or otherwise


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a kind. `known` is False for one that the schema does not have.

    `many` makes it a list of its type; `pattern` must match the whole text of an item, and `example` is one that does;
    `refers_to` is the kind of what a reference points at; `unique` and `no_overlap`
    hold among the entities of the kind.
    """

    name: str
    type: str = "text"
    many: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    example: str | None = None
    required: bool = False
    unique: bool = False
    no_overlap: bool = False
    refers_to: str | None = None
    group: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    help: Mapping[str, str] = field(default_factory=dict)
    is_known: bool = True

    def label(self, lang: str = "en") -> str:
        """What people call it."""
        return _text_in_language(self.labels, lang, self.name)

    def help_text(self, lang: str = "en") -> str:
        """One sentence for who fills it in, or an empty text."""
        return _text_in_language(self.help, lang, "")

    def parse(self, text: str) -> Value:
        """Parse the text that a person typed.

        Spaces around it do not count, a list is separated by commas.

        Raises Refused with what is expected and an example. A reference cannot be read here: whoever knows the entities
        does that, and gives the items of a list of references one by one.
        """
        if not self.many:
            return self._scalar(text.strip())
        try:
            items = values.split_list(text)
        except ValueError:
            raise Refused("{property}: a double quote in the list is not closed", property=self.name) from None
        return tuple(self._scalar(item) for item in items)

    def check(self, value: Value) -> FieldlineError | None:
        """Check the value of a fact; gives what is wrong, or None.

        None is fine unless the property is required.
        """
        if value is None:
            return Refused("{property} must have a value", property=self.name) if self.required else None
        if self.is_known and isinstance(value, tuple) != self.many:
            given = values.quote_value(value)
            if self.many:
                return Refused("{property}: {value} is not a list", property=self.name, value=given)
            return Refused("{property}: {value} is a list; give one value", property=self.name, value=given)
        for item in value if isinstance(value, tuple) else (value,):
            if problem := self._problem(item):
                return problem
        return None

    def show(self, value: Value, lang: str = "en") -> str:
        """Format a value on one line for people, safe for a terminal.

        References as the start of their ids.
        """
        return values.display_text(value, lang)

    def edit_text(self, value: Value, lang: str = "en") -> str:
        """The text that `parse` reads as this value."""
        return values.edit_text(value, lang)

    def comparison_key(self, value: Scalar) -> Hashable:
        """Equal for two spellings of the same thing: what `unique` compares."""
        return values.comparison_key(self.type, value)

    def _scalar(self, text: str) -> Scalar:
        values.check_visible(self.name, text)
        if not text:
            raise Refused("{property}: there is no value; give one, or clear the property", property=self.name)
        text = values.typed_text(text)
        value = values.TYPE_PARSERS[self.type](text)
        if value is None:
            raise values.type_problem(self.name, self.type, text)
        if problem := self._problem(value):
            raise problem
        return value

    def _problem(self, value: Scalar | Redacted) -> Refused | None:
        if not values.is_storable(value):
            return Refused(
                "{property}: the text is too long or not valid Unicode; at most {limit} bytes of UTF-8 fit",
                property=self.name,
                limit=values.MAX_TEXT_BYTES,
            )
        if not self.is_known:
            return None
        if isinstance(value, Redacted) or not values.is_of_type(self.type, value):
            return values.type_problem(self.name, self.type, value)
        if self.type == "choice" and value not in self.choices:
            return Refused(
                "{property}: {value} is not one of the choices: {choices}",
                property=self.name,
                value=values.quote_value(value),
                choices=", ".join(self.choices),
            )
        if self.pattern and not matches_pattern(self.pattern, str(value)):
            fields = {"property": self.name, "value": values.quote_value(value), "example": self.example}
            if digits := _required_digits(self.pattern, self.example or ""):
                return Refused(
                    "{property}: {value} must look like {example} ({digits} digits)",
                    **fields,
                    digits=digits,
                    pattern=self.pattern,
                )
            return Refused("{property}: {value} must look like {example}", **fields, pattern=self.pattern)
        return None


def matches_pattern(pattern: str, text: str) -> bool:
    """Whether a schema's pattern matches the whole text.

    A pattern comes from the fleet, so what it may hold is limited (see `core.schema_toml`), and so is the text: with at
    most three repetitions of variable length over 256 characters no pattern can keep a device busy.
    """
    return len(text) <= 256 and re.fullmatch(pattern, text, re.ASCII | re.DOTALL) is not None


def _required_digits(pattern: str, example: str) -> int:
    """Return how many digits a pattern demands.

    0 if its example is not digits alone, or their number may vary.
    """
    size = len(example)
    if not (example.isascii() and example.isdigit()):
        return 0
    others = (digits for digits in range(1, 2 * size + 2) if digits != size)
    return 0 if any(matches_pattern(pattern, (example * 3)[:digits]) for digits in others) else size


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entity; `known` is False for a generic one.

    `key`, `within`, `title` and `parent` are names of properties. An entity is called `kind:key`, or
    `kind:parentkey/key` if `within` refers to what its key is unique in; `title` is shown as its name, `parent`
    places it in the tree, and `columns` stand beside its name in lists (none: the first of its properties do).
    """

    name: str
    key: str = KEY
    within: str | None = None
    title: str = KEY
    parent: str | None = None
    order: int = 0
    columns: tuple[str, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    plurals: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_known: bool = True

    def label(self, lang: str = "en") -> str:
        """What people call one of them."""
        return _text_in_language(self.labels, lang, self.name)

    def plural(self, lang: str = "en") -> str:
        """What people call several of them."""
        return _text_in_language(self.plurals, lang, self.name)

    def group_label(self, group: str | None, lang: str = "en") -> str:
        """The heading over the properties of a group; empty for those in none."""
        return _text_in_language(self.groups.get(group or "", {}), lang, group or "")

    def property(self, name: str) -> Property:
        """The definition of a property, generic if the schema does not have it."""
        return (
            self.properties.get(name)
            or _SYSTEM_PROPERTIES.get(name)
            or Property(
                name, labels=_ACCEPTED_LABELS if is_acceptance(name) else _internal_labels(name), is_known=False
            )
        )

    def find_properties(self, text: str) -> list[Property]:
        """The properties meant by a name or else by a label in any language."""
        if (exact := self.property(text)).is_known:
            return [exact]
        wanted = normalized(text).strip().casefold()
        props = [*self.properties.values(), _SYSTEM_PROPERTIES[RETIRED]]
        return [prop for prop in props if wanted in {label.casefold() for label in (prop.name, *prop.labels.values())}]

    def rank(self, name: str) -> tuple[bool, int, str]:
        """Where a property stands among others.

        What an entity is called first, then as the schema lists them.
        """
        names = [KIND, *self.properties]
        return (name not in (KIND, self.key, self.title), names.index(name) if name in names else len(names), name)

    def missing(self, given: Mapping[str, Value]) -> list[Property]:
        """The required properties that have no value in `given`.

        What a new entity still needs.
        """
        return [p for p in self.properties.values() if p.required and given.get(p.name) is None]


_SYSTEM_PROPERTIES = {
    KIND: Property(KIND, labels={"en": "Kind", "de": "Art"}),
    RETIRED: Property(RETIRED, type="boolean", labels={"en": "Retired", "de": "Stillgelegt"}),
    KEY: Property(KEY, labels={"en": "Key", "de": "Schlüssel"}),
}
_INTERNAL_LABELS = {
    "name": {"en": "Name", "de": "Name"},
    "member.name": {"en": "Name", "de": "Name"},
    "person.name": {"en": "Name", "de": "Name"},
    "recovery": {"en": "Recovery key", "de": "Wiederherstellungsschlüssel"},
    "member.role": {"en": "Role", "de": "Rolle"},
    "member.limit": {"en": "Changes kept of it", "de": "Aufbewahrte Änderungen"},
    "member.revoked": {"en": "Last change accepted", "de": "Letzte angenommene Änderung"},
}
"""What the fleet itself, its schema and its members are said to be, which no schema describes."""
_ACCEPTED_LABELS = {"en": "Accepted as is", "de": "Akzeptiert"}


def is_internal_property(name: str) -> bool:
    """Whether this is a property of the fleet, its schema or a member.

    No schema defines these.
    """
    return name == KIND or bool(_internal_labels(name))


def is_acceptance(name: str) -> bool:
    """Whether a property says that an inbox item is accepted.

    Every entity may have it, and no schema defines it.
    """
    return name.startswith(ACCEPTED_PROPERTY_PREFIX)


def _internal_labels(name: str) -> Mapping[str, str]:
    if name.startswith(SCHEMA_PROPERTY_PREFIX):
        kind = name.removeprefix(SCHEMA_PROPERTY_PREFIX)
        return {"en": f"Schema of {kind}", "de": f"Schema von {kind}"}
    return _INTERNAL_LABELS.get(name, {})


@dataclass(frozen=True, slots=True)
class Schema:
    """All kinds of a fleet, in the order in which people are shown them.

    `problems` says what could not be understood of a schema that was read from facts, each with its key path.
    """

    name: str = ""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    problems: tuple[FieldlineError, ...] = field(default=(), compare=False)
    _texts: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def texts(self) -> dict[str, str]:
        """The TOML text of each kind, to publish.

        `schemafile.parse_schema` of it gives this schema again.
        """
        return dict(self._texts)

    def kind(self, name: str | None) -> Kind:
        """The definition of a kind, generic if the schema does not have it."""
        return self.kinds.get(name or "") or Kind(name or "", is_known=False)

    def kind_name(self, text: str) -> str:
        """The kind meant by a name or else by a label in any language.

        The text itself where it is none, or could be several.
        """
        if text in self.kinds:
            return text
        wanted = normalized(text).strip().casefold()
        found = [
            kind.name
            for kind in self.kinds.values()
            if wanted in {each.casefold() for each in (kind.name, *kind.labels.values(), *kind.plurals.values())}
        ]
        return found[0] if len(found) == 1 else text

    def property(self, kind: str | None, name: str) -> Property:
        """The definition of a property of a kind, generic if the schema does not have it."""
        return self.kind(kind).property(name)

    def roots(self) -> list[Kind]:
        """The kinds at the top of the tree."""
        return [kind for kind in self.kinds.values() if kind.parent is None]

    def children(self, kind: str) -> list[Kind]:
        """The kinds whose entities are placed under one of this kind."""
        return [k for k in self.kinds.values() if k.parent and k.property(k.parent).refers_to == kind]


_T = TypeVar("_T")


def no_schema_error() -> Refused:
    """Build the error for a device that has no schema yet."""
    return Refused("What can be configured is not known here yet: sync with a device of the fleet first.")


def in_schema_order(
    items: Iterable[_T],
    slot_of: Callable[[_T], tuple[bytes, str]],
    kind_of: Callable[[bytes], str | None],
    schema: Schema,
) -> list[_T]:
    """Group what is about slots by entity, properties as the kind lists them.

    Args:
        items: what is sorted.
        slot_of: entity and property of an item.
        kind_of: the kind of an entity.
        schema: the kinds.
    """
    every = list(items)
    order = {entity: index for index, entity in enumerate(dict.fromkeys(slot_of(each)[0] for each in every))}
    kinds = {entity: kind_of(entity) for entity in order}
    rank = cache(lambda kind, name: schema.kind(kind).rank(name))

    def key(item: _T) -> tuple[int, tuple[bool, int, str]]:
        entity, name = slot_of(item)
        return order[entity], rank(kinds[entity], name)

    return sorted(every, key=key)
