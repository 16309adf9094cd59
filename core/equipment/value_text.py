"""A property's value as a device's tools take and give it, and its limits. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from core.errors import FieldlineError, Refused
from core.schema import Property
from core.value_codec import Redacted, Ref, Value
from core.values import quote_value

MAX_VALUE_CHARS = 4096
"""Longer than anything that a printer, a terminal or a profile is called; argv and files hold it anywhere."""

_FIELD = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_.-]*)\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


def value_text(value: Value, keys: Mapping[bytes, str]) -> str | None:
    """A value as one text; None stays None.

    `true` and `false`, the key of what it refers to, a list with commas.
    """
    if value is None:
        return None
    if isinstance(value, tuple):
        return ",".join(value_text(item, keys) or "" for item in value)
    if isinstance(value, Ref):
        return keys.get(value.entity, value.entity.hex())
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_same_text(prop: Property, wanted: str, actual: str) -> bool:
    """Whether two texts mean the same value of a property, however a tool writes it."""
    if wanted == actual:
        return True
    if prop.many or prop.type == "reference":
        return False
    try:
        one, other = prop.parse(wanted), prop.parse(actual)
    except Refused:
        return False
    if one is None or other is None or isinstance(one, tuple | Redacted) or isinstance(other, tuple | Redacted):
        return False
    return prop.comparison_key(one) == prop.comparison_key(other)


def check_text(name: str, text: str, allowed: re.Pattern[str] | None = None) -> None:
    """Raise FieldlineError for a value that must not get into a file or an argument.

    A line break or another control character could say more than a value. `allowed` must match all of it.
    """
    if len(text) > MAX_VALUE_CHARS:
        raise FieldlineError(
            "{property}: the value is longer than {limit} characters, so it is not applied.",
            property=name,
            limit=MAX_VALUE_CHARS,
        )
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise FieldlineError(
            "{property}: {value} has a line break or a control character, so it is not applied: correct the value.",
            property=name,
            value=quote_value(text),
        )
    if allowed is not None and not allowed.fullmatch(text):
        raise FieldlineError(
            "{property}: {value} is not what settings.toml allows, so it is not applied: correct the value.",
            property=name,
            value=quote_value(text),
        )


def check_argument(name: str, text: str, allowed: re.Pattern[str] | None = None) -> None:
    """Raise FieldlineError for a value that must not become an argument of a command.

    An option is not a value.
    """
    check_text(name, text, allowed)
    if text.startswith("-"):
        raise FieldlineError(
            "{property}: {value} begins like an option of a command, so it is not applied: correct the value.",
            property=name,
            value=quote_value(text),
        )


def fill_argv(argv: tuple[str, ...], name: str, text: str, allowed: re.Pattern[str] | None = None) -> list[str]:
    """The arguments with the value in place of each element that is `{value}`.

    Raises FieldlineError.
    """
    check_argument(name, text, allowed)
    return [argv[0], *(text if each == "{value}" else each for each in argv[1:])]


def template_fields(template: str) -> set[str]:
    """The names that a template mentions."""
    return {found[2] for found in _FIELD.finditer(template) if found[2]}


def fill_template(
    template: str, name: str, values: Mapping[str, str | None], allowed: re.Pattern[str] | None = None
) -> str:
    """A template with values in place of `{name}`.

    `{value}` is that of the property `name`, and `{{x}}` gives `{x}`.

    Nothing but that is understood. Raises FieldlineError for a name without a value and for a value that is not one.
    """
    for field in sorted(template_fields(template)):
        wanted = name if field == "value" else field
        if wanted not in values:
            raise FieldlineError(
                "The template names {field}, which is no property of the place: write {{{{{field}}}}} if it is meant "
                "literally.",
                field=field,
            )
        text = values[wanted]
        if text is None:
            raise FieldlineError("The template needs {property}, for which nothing is configured.", property=wanted)
        check_text(wanted, text, allowed if wanted == name else None)

    def filled(found: re.Match[str]) -> str:
        return f"{{{found[1]}}}" if found[1] else values[name if found[2] == "value" else found[2]] or ""

    return _FIELD.sub(filled, template)
