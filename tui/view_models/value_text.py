"""Convert values to and from what people type.

A reference is the key of its entity.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network

from core.errors import FieldlineError, Refused
from core.schema import Property, Schema
from core.store.view import View
from core.value_codec import Ref, Value
from tui.i18n.translate import language
from tui.view_models.form import value_references, with_label


async def editable_text(prop: Property, value: Value, view: View, schema: Schema) -> str:
    """The text that `parse_value` reads as this value.

    Args:
        prop: the definition of the property.
        value: the value; None for no value.
        view: where references are looked up.
        schema: the definitions of kinds and properties.
    """
    if value is None:
        return ""
    if refs := value_references(value):
        called = await view.names(refs, schema)
        return ", ".join(called[entity].key or entity.hex() for entity in refs)
    return prop.edit_text(value, language())


async def parse_value(prop: Property, text: str, view: View, schema: Schema) -> Value:
    """Parse a value; raises Refused with what is expected and the label.

    Args:
        prop: the definition of the property.
        text: the text that was typed.
        view: where references are looked up.
        schema: the definitions of kinds and properties.
    """
    if prop.type != "reference":
        try:
            return prop.parse(text)
        except FieldlineError as error:
            raise with_label(error, prop) from None
    parts = text.split(",") if prop.many else [text]
    found = [await _parse_reference(prop, part.strip(), view, schema) for part in parts]
    return tuple(found) if prop.many else found[0]


def suggest_correction(prop: Property, text: str) -> str:
    """Return a valid value near an invalid one, or the text itself."""
    tries = [text.strip()]
    if prop.type == "ip-network":
        with suppress(ValueError):
            tries.append(str(ip_network(text.strip(), strict=False)))
    for each in tries:
        with suppress(Refused):
            prop.parse(each)
            return each
    return text


async def _parse_reference(prop: Property, text: str, view: View, schema: Schema) -> Ref:
    whole = text if ":" in text or prop.refers_to is None else f"{prop.refers_to}:{text}"
    return Ref(await view.find(whole, schema))
