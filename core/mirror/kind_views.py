"""The views `kind_KIND`.

A row for each entity in use, a typed column for each property. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from psycopg import sql

from core.schema import Kind, Property, Schema

COLUMN_TYPES = {
    "integer": "bigint",
    "boolean": "boolean",
    "decimal": "numeric",
    "ip-address": "inet",
    "ip-network": "cidr",
    "mac": "macaddr",
}
"""Of the types of the schema that are not text; lists are jsonb."""
MAX_NAME_BYTES = 63
"""What PostgreSQL keeps of a name."""
VIEW_PREFIX = "kind_"
_SYSTEM_COLUMNS = {
    "entity": "Id of the entity, 16 bytes",
    "entity_key": "Key within the kind; with that of what it lies in where the schema wants that",
    "title": "Name for people",
    "retired": "Whether it is out of use",
    "conflicts": "How many of its properties are in conflict",
}
"""Of each view, with their comments."""


def schema_digest(schema: Schema) -> bytes:
    """A digest that is other where the views would be."""
    return sha256("".join(_statement_texts(schema)).encode()).digest()


def _statement_texts(schema: Schema) -> Iterator[str]:
    yield from (statement.as_string() for statement in view_statements(schema))
    for kind in schema.kinds.values():
        yield repr((kind.name, kind.key, kind.within))
        # What a value has to be like decides whether a row fits its column.
        yield repr(sorted(kind.properties.items()))


def view_statements(schema: Schema) -> list[sql.Composed]:
    """The statements that make the views and their comments."""
    statements: list[sql.Composed] = []
    for kind in schema.kinds.values():
        if len(f"{VIEW_PREFIX}{kind.name}".encode()) <= MAX_NAME_BYTES:
            statements += _view_of_kind(kind)
    return statements


def _view_of_kind(kind: Kind) -> list[sql.Composed]:
    view = sql.Identifier("fieldline", f"{VIEW_PREFIX}{kind.name}")
    columns: list[sql.Composable] = []
    comments = [_comment("VIEW", view, f"{kind.plural()}: a row for each, retired ones too")]
    comments += [
        _comment("COLUMN", sql.SQL("{}.{}").format(view, sql.Identifier(name)), text)
        for name, text in _SYSTEM_COLUMNS.items()
    ]
    for name, prop in _columns_of(kind):
        columns += [
            sql.SQL("{} AS {}").format(expression, sql.Identifier(each)) for each, expression in _columns(name, prop)
        ]
        comments += [
            _comment("COLUMN", sql.SQL("{}.{}").format(view, sql.Identifier(each)), prop.label())
            for each, _ in _columns(name, prop)
        ]
    create = sql.SQL(
        "CREATE VIEW {} AS SELECT e.entity, e.key AS entity_key, e.title, e.retired,"
        " count(*) FILTER (WHERE s.provisional) AS conflicts{} FROM fieldline.entities e"
        " LEFT JOIN fieldline.slots s ON s.entity_id = e.entity_id WHERE e.kind = {} GROUP BY e.entity_id"
    ).format(view, sql.SQL("").join(sql.SQL(", ") + column for column in columns), sql.Literal(kind.name))
    return [create, *comments]


def _columns_of(kind: Kind) -> Iterator[tuple[str, Property]]:
    """The properties that can be columns, each with a name that no other column has."""
    used = set(_SYSTEM_COLUMNS)
    for name, prop in kind.properties.items():
        column = f"{name}_" if name in used else name
        if len(f"{column}_id".encode()) <= MAX_NAME_BYTES and not used & {column, f"{column}_id"}:
            used |= {column, f"{column}_id"} if prop.type == "reference" else {column}
            yield column, prop


def _columns(column: str, prop: Property) -> list[tuple[str, sql.Composed]]:
    # Read once for the whole view; the number of a property is another one in the mirror of another store.
    number = sql.SQL("(SELECT property_id FROM fieldline.properties WHERE property = {})").format(
        sql.Literal(prop.name)
    )
    of = sql.SQL("FILTER (WHERE s.property_id = {} AND s.fits)").format(number)
    if prop.many:
        return [(column, sql.SQL("(array_agg(s.value) {})[1]").format(of))]
    if prop.type == "reference":
        # A reference to what has no key, or is of another kind, stays as it is.
        prefix = f"{prop.refers_to}:" if prop.refers_to else ""
        name = sql.SQL("max(regexp_replace(s.value ->> 'ref', {}, '')) {}").format(
            sql.Literal(f"^{re.escape(prefix)}"), of
        )
        return [(column, name), (f"{column}_id", sql.SQL("(array_agg(s.refs[1]) {})[1]").format(of))]
    text = sql.SQL("max(s.value #>> '{{}}') {}").format(of)
    if prop.type not in COLUMN_TYPES:
        return [(column, text)]
    return [(column, sql.SQL("({})::{}").format(text, sql.SQL(COLUMN_TYPES[prop.type])))]  # a constant of ours


def _comment(what: str, name: sql.Composable, text: str) -> sql.Composed:
    return sql.SQL("COMMENT ON {} {} IS {}").format(
        sql.SQL("VIEW" if what == "VIEW" else "COLUMN"), name, sql.Literal(text)
    )
