"""Parse and format the TOML of a schema.

A file has a `name` and a table `[kinds.NAME]` for each kind. A kind on its own, as it is published, is a document with
the content of that table. What comes from the fleet may be of a newer version or hostile, so whatever is not understood
becomes a problem with its key path, and the rest holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from core.errors import FieldlineError, Refused
from core.parsers import parse_toml
from core.schema import KEY, KIND, RESERVED_KINDS, RETIRED, Kind, Property, Schema, matches_pattern
from core.values import MAX_TEXT_BYTES, TYPE_PARSERS, printable, quote_value

BUILT_IN_SCHEMAS = ("service-centre", "site-network")

MAX_FILE_BYTES = 8 * MAX_TEXT_BYTES
"""Of a schema file: some kinds of the largest size that a fact can hold."""
MAX_PATTERN_CHARS = 200
MAX_REPEATS = 3
"""Repetitions of variable length in a pattern: more could keep a device busy for minutes."""

SchemaProblems = list[FieldlineError]

_FILE_SHAPES = {"name": "text", "kinds": "tables"}
_KIND_SHAPES = {
    **dict.fromkeys(("key", "within", "title", "parent"), "text"),
    "order": "number",
    "columns": "list",
    **dict.fromkeys(("labels", "plurals"), "texts"),
    **dict.fromkeys(("groups", "properties"), "tables"),
}
_PROPERTY_SHAPES = {
    **dict.fromkeys(("type", "pattern", "example", "refers_to", "group"), "text"),
    **dict.fromkeys(("many", "required", "unique", "no_overlap"), "flag"),
    "choices": "list",
    **dict.fromkeys(("labels", "help"), "texts"),
}

_KIND_NAME_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_PROPERTY_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")

# One character, escape or class, perhaps repeated. There are no groups, so a repetition never holds another one.
_PATTERN_ITEM = re.compile(
    r"(?:\\[dDsSwW]|\\[^\w\s]|\[\^?(?:\\\S|(?!--|&&|\|\||~~)[^\]\[\\])+\]|[^\\\[\](){}*+?|^$])([*+?]|\{\d{1,3}(?:,\d{0,3})?\})?|\|"
)


def parse_schema(texts: Mapping[str, str], name: str = "") -> Schema:
    """Build the schema of a fleet from its facts: `{kind: TOML text}`.

    It never fails, since no fact may stop a device from working: what cannot be understood is left out (so it is
    shown raw) and listed in `problems`.
    """
    kinds, problems = parse_kinds(texts)
    return Schema(name, kinds, tuple(problems), dict(texts))


def parse_schema_file(text: str) -> Schema:
    """A schema from a file's text, for whoever makes or publishes one.

    Raises Refused for the first thing that is wrong, with its key path and what is allowed there.
    """
    name, texts = split_kinds(text)
    schema = parse_schema(texts, name)
    if schema.problems:
        raise schema.problems[0]
    return schema


def load_builtin_schema(name: str) -> Schema:
    """One of the schemas that come with the program (`BUILT_IN`).

    Raises Refused for another name.
    """
    from importlib.resources import files

    if name not in BUILT_IN_SCHEMAS:
        raise Refused(
            "There is no built-in schema {name}; there are {names}, or name a TOML file",
            name=quote_value(name),
            names=", ".join(BUILT_IN_SCHEMAS),
        )
    return parse_schema_file((files("core") / "schemas" / f"{name}.toml").read_text(encoding="utf-8"))


def split_kinds(text: str) -> tuple[str, dict[str, str]]:
    """The name of a schema file and the TOML of each of its kinds.

    Raises Refused if the file is not one.
    """
    import tomli_w

    problems: SchemaProblems = []
    content = _keep_well_formed(
        _parse_document(text, MAX_FILE_BYTES, "schema", problems) or {}, _FILE_SHAPES, "", problems
    )
    if not problems and not content.get("name"):
        problems.append(Refused('A schema needs a name: put name = "…" at the top of its file'))
    if not problems and not content.get("kinds"):
        problems.append(Refused("A schema needs at least one kind: add a table [kinds.NAME] to its file"))
    if problems:
        raise problems[0]
    kinds: dict[str, dict[str, Any]] = content["kinds"]
    for place, kind in enumerate(kinds.values(), 1):
        kind.setdefault("order", place)
    return content["name"], {name: tomli_w.dumps(kind) for name, kind in kinds.items()}


@lru_cache(maxsize=64)  # the same few texts are read with each batch of changes that comes
def placing_properties(text: str) -> frozenset[str]:
    """Give the properties that place a kind in others, by a schema's text.

    Whatever else is wrong with that.
    """
    document = _parse_document(text, MAX_TEXT_BYTES, "", [])
    named = (document.get("parent"), document.get("within")) if document is not None else ()
    return frozenset(name for name in named if isinstance(name, str))


def parse_kinds(texts: Mapping[str, str]) -> tuple[dict[str, Kind], SchemaProblems]:
    """Read the kinds of a schema from TOML, in order, and what was not understood."""
    problems: SchemaProblems = []
    found: list[Kind] = []
    for name, text in sorted(texts.items()):
        path = f"kinds.{printable(name)}"
        if not _KIND_NAME_PATTERN.fullmatch(name) or name in RESERVED_KINDS:
            problems.append(
                Refused(
                    "{path}: a kind cannot have this name; use small letters, digits, - and _, and none of {reserved}",
                    path=path,
                    reserved=", ".join(RESERVED_KINDS),
                )
            )
        elif (document := _parse_document(text, MAX_TEXT_BYTES, path, problems)) is not None:
            found.append(_parse_kind(name, _keep_well_formed(document, _KIND_SHAPES, path, problems), path, problems))
    kinds = {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.order, kind.name))}
    for kind in kinds.values():
        for prop in kind.properties.values():
            if prop.refers_to is not None and prop.refers_to not in kinds:
                path = f"kinds.{kind.name}.properties.{prop.name}.refers_to"
                problems.append(
                    Refused("{path}: there is no such kind; there are {kinds}", path=path, kinds=", ".join(kinds))
                )
    for name in [name for name in kinds if _is_below_itself(name, kinds)]:
        problems.append(
            Refused(
                "{path}: a kind cannot stand below itself; name a reference to another kind, or none",
                path=f"kinds.{name}.parent",
            )
        )
        kinds[name] = replace(kinds[name], parent=None)
    return kinds, problems


def _parse_document(text: str, limit: int, path: str, problems: SchemaProblems) -> dict[str, Any] | None:
    if len(text) > limit or len(text.encode(errors="replace")) > limit:
        problems.append(Refused("{path}: this is larger than {limit} bytes; shorten it", path=path, limit=limit))
        return None
    try:
        return parse_toml(text)
    except ValueError as error:
        problems.append(Refused("{path}: this is not TOML: {reason}", path=path, reason=printable(str(error))))
        return None


def _keep_well_formed(
    table: dict[str, Any], shapes: Mapping[str, str], path: str, problems: SchemaProblems
) -> dict[str, Any]:
    """The keys of a table that are known and have a value of the right shape.

    The others become problems.
    """
    known = {}
    for key, value in table.items():
        where = f"{path}.{printable(key)}".lstrip(".")
        if key not in shapes:
            problems.append(
                Refused("{path}: this key is not known; there are {allowed}", path=where, allowed=", ".join(shapes))
            )
        elif _has_shape(value, shapes[key]):
            known[key] = value
        else:
            problems.append(_shape_problem(where, shapes[key]))
    return known


def _has_shape(value: Any, shape: str) -> bool:
    match shape:
        case "text":
            return isinstance(value, str) and value != ""
        case "flag":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "list":
            return isinstance(value, list) and value != [] and all(isinstance(v, str) and v for v in value)
        case "texts":
            return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    return isinstance(value, dict) and all(isinstance(v, dict) for v in value.values())


def _shape_problem(path: str, shape: str) -> Refused:
    match shape:
        case "text":
            return Refused("{path}: this must be text in quotes, and not empty", path=path)
        case "flag":
            return Refused("{path}: this must be true or false", path=path)
        case "number":
            return Refused("{path}: this must be a whole number", path=path)
        case "list":
            return Refused('{path}: this must be a list of texts, such as ["ap", "gateway"]', path=path)
        case "texts":
            return Refused(
                '{path}: this must be texts by language, such as {{en = "Printer", de = "Drucker"}}', path=path
            )
    return Refused("{path}: each entry here must be a table of its own", path=path)


def _parse_kind(name: str, content: Mapping[str, Any], path: str, problems: SchemaProblems) -> Kind:
    groups_table = content.get("groups", {})
    groups = _keep_well_formed(groups_table, dict.fromkeys(groups_table, "texts"), f"{path}.groups", problems)
    properties: dict[str, Property] = {}
    for each, table in content.get("properties", {}).items():
        where = f"{path}.properties.{printable(each)}"
        prop = _parse_property(each, _keep_well_formed(table, _PROPERTY_SHAPES, where, problems))
        faults = _property_problems(prop, groups, where)
        problems += faults
        if not faults:
            properties[each] = prop
    kind = Kind(
        name,
        order=content.get("order", 0),
        properties=properties,
        labels=content.get("labels", {}),
        plurals=content.get("plurals", {}),
        groups=groups,
    )
    key = _role_property(content, "key", kind, path, problems) or KEY
    columns = tuple(dict.fromkeys(content.get("columns", ())))
    for name_of_column in columns:
        _role_property({"columns": name_of_column}, "columns", kind, path, problems)
    return replace(
        kind,
        key=key,
        title=_role_property(content, "title", kind, path, problems) or key,
        within=_role_property(content, "within", kind, path, problems),
        parent=_role_property(content, "parent", kind, path, problems),
        columns=tuple(column for column in columns if column in properties),
    )


def _role_property(
    content: Mapping[str, Any], role: str, kind: Kind, path: str, problems: SchemaProblems
) -> str | None:
    """The property that a kind names for one of its roles, if it can have that role."""
    name = content.get(role)
    if name is None or (role in ("key", "title") and name == KEY):
        return name
    prop, path = kind.properties.get(name), f"{path}.{role}"
    if prop is None:
        problems.append(
            Refused(
                "{path}: the kind has no such property; there are {properties}",
                path=path,
                properties=", ".join(kind.properties),
            )
        )
        return None
    if role in ("within", "parent") and (prop.type != "reference" or prop.many):
        problems.append(Refused("{path}: this must name a property that is one reference", path=path))
        return None
    if role == "key" and (prop.type in ("reference", "boolean") or prop.many):
        problems.append(Refused("{path}: this must name a property that is one text or number", path=path))
        return None
    return str(name)


def _parse_property(name: str, content: Mapping[str, Any]) -> Property:
    return Property(name, **{**content, "choices": tuple(content.get("choices", ()))})


def _property_problems(prop: Property, groups: Mapping[str, Any], path: str) -> SchemaProblems:
    """What makes a definition unusable."""
    faults: SchemaProblems = []
    if not _PROPERTY_NAME_PATTERN.fullmatch(prop.name) or prop.name in (KIND, RETIRED):
        faults.append(
            Refused(
                "{path}: a property cannot have this name; use letters, digits, - and _, and neither kind nor retired",
                path=path,
            )
        )
    if prop.type not in TYPE_PARSERS:
        faults.append(
            Refused(
                "{path}: there is no type {type}; there are {types}",
                path=f"{path}.type",
                type=printable(prop.type),
                types=", ".join(TYPE_PARSERS),
            )
        )
    if (prop.type == "choice") != bool(prop.choices):
        faults.append(Refused("{path}: choices are needed for the type choice, and only there", path=f"{path}.choices"))
    if (prop.type == "reference") != (prop.refers_to is not None):
        faults.append(
            Refused(
                "{path}: the kind that is referred to is needed for the type reference, and only there",
                path=f"{path}.refers_to",
            )
        )
    if prop.no_overlap and prop.type != "ip-network":
        faults.append(
            Refused("{path}: only networks can overlap; the type must be ip-network", path=f"{path}.no_overlap")
        )
    if prop.group is not None and prop.group not in groups:
        faults.append(Refused("{path}: there is no such group; add it to the groups of the kind", path=f"{path}.group"))
    if prop.pattern is not None:
        faults += _pattern_problems(prop, path)
    return faults


def _pattern_problems(prop: Property, path: str) -> SchemaProblems:
    pattern = prop.pattern or ""
    if prop.type not in ("text", "integer", "decimal"):
        return [Refused("{path}: only text, integer and decimal can have a pattern", path=f"{path}.pattern")]
    if not _is_bounded_pattern(pattern):
        return [
            Refused(
                "{path}: a pattern is a regular expression of at most {limit} characters without groups, and with at "
                "most {repeats} repetitions of variable length",
                path=f"{path}.pattern",
                limit=MAX_PATTERN_CHARS,
                repeats=MAX_REPEATS,
            )
        ]
    if prop.example is None or not matches_pattern(pattern, prop.example):
        return [Refused("{path}: a pattern needs an example that it matches", path=f"{path}.example")]
    return []


def _is_bounded_pattern(pattern: str) -> bool:
    """Whether no text of 256 characters can keep the matching busy.

    No repetition is repeated, and few vary.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        return False
    end, variable = 0, 0
    while end < len(pattern):
        item = _PATTERN_ITEM.match(pattern, end)
        if item is None:
            return False
        times = item[1] or ""
        variable += times in ("*", "+", "?") or "," in times
        end = item.end()
    try:
        re.compile(pattern, re.ASCII)
    except (re.error, OverflowError):
        return False
    return variable <= MAX_REPEATS


def _is_below_itself(name: str, kinds: Mapping[str, Kind]) -> bool:
    seen: set[str] = set()
    above: str | None = name
    while above is not None and above in kinds and above not in seen:
        seen.add(above)
        parent = kinds[above].parent
        above = kinds[above].property(parent).refers_to if parent else None
    return above == name
