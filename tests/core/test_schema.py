from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import schema_toml, values
from core.errors import Refused
from core.schema import Property, Schema, in_schema_order, matches_pattern
from core.schema_toml import BUILT_IN_SCHEMAS, load_builtin_schema, parse_schema, parse_schema_file
from core.value_codec import Ref, Value

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "site-history.jsonl"

SMALL = """
name = "small"

[kinds.room]
key = "number"
title = "title"
labels = { en = "Room", de = "Raum" }

[kinds.room.groups]
net = { en = "Network", de = "Netz" }

[kinds.room.properties.number]
type = "integer"
required = true

[kinds.room.properties.title]

[kinds.room.properties.subnets]
type = "ip-network"
many = true
no_overlap = true
group = "net"

[kinds.desk]
parent = "room"
within = "room"

[kinds.desk.properties.room]
type = "reference"
refers_to = "room"

[kinds.desk.properties.tag]
pattern = "[A-Z]{2}-[0-9]{4}"
example = "AB-1234"

[kinds.desk.properties.state]
type = "choice"
choices = ["new", "worn"]
"""


@pytest.mark.parametrize("name", BUILT_IN_SCHEMAS)
def test_a_built_in_schema_survives_being_published(name: str) -> None:
    schema = load_builtin_schema(name)
    texts = schema.texts()
    shuffled = list(texts.items())
    random.Random(7).shuffle(shuffled)
    again = parse_schema(dict(shuffled), name)
    assert again == schema
    assert list(again.kinds) == list(schema.kinds)
    assert not again.problems
    assert all(len(text.encode()) < 16_384 for text in texts.values())


@pytest.mark.parametrize("name", BUILT_IN_SCHEMAS)
def test_a_built_in_schema_speaks_english_and_german(name: str) -> None:
    for kind in load_builtin_schema(name).kinds.values():
        texts = [kind.labels, kind.plurals, *kind.groups.values()]
        texts += [labels for p in kind.properties.values() for labels in (p.labels, p.help or {"en": "-", "de": "-"})]
        for each in texts:
            assert each.keys() == {"en", "de"}
            assert all(text.strip() == text != "" for text in each.values())


def test_the_service_centre_is_localities_with_places() -> None:
    schema = load_builtin_schema("service-centre")
    assert [kind.name for kind in schema.roots()] == ["locality"]
    assert [kind.name for kind in schema.children("locality")] == ["place"]
    assert list(schema.kinds["locality"].properties) == ["code", "name", "tsc_server", "subnet"]
    assert set(schema.kinds["place"].properties) == {
        *("name", "locality", "printer", "card_terminal", "docking_station", "avl_configuration", "bea_configuration")
    }
    assert schema.property("place", "card_terminal").parse(" 11111112 ") == "11111112"
    with pytest.raises(Refused, match="11111111"):
        schema.property("place", "card_terminal").parse("1111111")
    assert schema.property("place", "docking_station").unique
    assert schema.property("locality", "subnet").no_overlap
    assert schema.kinds["place"].plural("de") == "Arbeitsplätze"
    assert schema.kinds["place"].group_label("equipment", "de") == "Ausstattung"


@pytest.mark.skipif(not HISTORY.exists(), reason="the history in ../shared/data is not here")
def test_the_site_network_knows_the_real_history_and_finds_what_is_wrong_in_it() -> None:
    schema = load_builtin_schema("site-network")
    wrong: dict[tuple[str, str], list[object]] = {}
    count = 0
    for line in HISTORY.read_text(encoding="utf-8").splitlines():
        for edit in json.loads(line, parse_float=str)["edits"]:
            kind, name, value = edit["kind"], edit["property"], edit["value"]
            if name is None:
                continue
            count += 1
            prop = schema.property(kind, name)
            assert prop.is_known, (kind, name)
            assert isinstance(value, dict) == (prop.type == "reference")
            if isinstance(value, dict):
                assert value["ref"].startswith(f"{prop.refers_to}:")
            elif prop.check(value):
                wrong.setdefault((kind, name), []).append(value)
    assert wrong.pop(("network", "enforce_client_isolation")) == ["tru"]
    assert "10.36.138.1/24" in wrong.pop(("network", "prefix"))
    assert "2001:bf7:840:6300::/56 " in wrong.pop(("site", "ipv6_prefix"))
    assert "casa_kua-core" in wrong.pop(("host", "hostname"))
    assert wrong.pop(("radio", "name")) == [" perleberger36-turm-5ghz-o"]
    assert not wrong
    assert count > 18_000


def test_a_file_is_read_whole() -> None:
    schema = parse_schema_file(SMALL)
    assert schema.name == "small"
    assert list(schema.kinds) == ["room", "desk"]
    room, desk = schema.kinds["room"], schema.kinds["desk"]
    assert (room.key, room.title, room.parent, room.within) == ("number", "title", None, None)
    assert (desk.key, desk.title, desk.parent, desk.within) == ("key", "key", "room", "room")
    assert room.label("de") == "Raum"
    assert room.label("fr") == "Room"
    assert room.plural() == "room"
    assert desk.property("state").choices == ("new", "worn")
    assert [p.name for p in room.missing({"title": "Hall"})] == ["number"]
    assert room.missing({"number": 0}) == []


def test_what_the_schema_does_not_know_is_raw_and_never_wrong() -> None:
    schema = parse_schema_file(SMALL)
    kind, prop = schema.kind("lamp"), schema.property("lamp", "watts")
    assert (kind.is_known, prop.is_known, schema.property("desk", "watts").is_known) == (False, False, False)
    assert kind.label("de") == "lamp"
    for value in (5, "five", True, None, (1, "two"), Ref(b"1" * 16)):
        assert prop.check(value) is None
    assert schema.property("desk", "kind").is_known
    assert schema.property(None, "retired").type == "boolean"


def test_values_are_checked_against_type_choices_pattern_and_list() -> None:
    room, desk = (parse_schema_file(SMALL).kinds["room"], parse_schema_file(SMALL).kinds["desk"])
    subnets = room.property("subnets")
    assert subnets.parse("10.0.0.0/8, 2001:DB8::/32") == ("10.0.0.0/8", "2001:db8::/32")
    assert subnets.check(("10.0.0.0/8",)) is None
    wrong: list[tuple[Property, Value, str]] = [
        (subnets, "10.0.0.0/8", "not a list"),
        (subnets, ("10.0.0.0/8", "x"), "not an IP network"),
        (room.property("number"), ("1",), "is a list"),
        (room.property("number"), "1", "as text"),
        (room.property("number"), None, "must have a value"),
        (desk.property("state"), "broken", "new, worn"),
        (desk.property("tag"), "AB-12345", "AB-1234"),
        (desk.property("tag"), "x" * (values.MAX_TEXT_BYTES + 1), "too long"),
        (desk.property("lamp"), "\ud800", "Unicode"),
    ]
    for prop, value, expected in wrong:
        assert expected in str(prop.check(value))
    for prop, text, expected in [
        (room.property("title"), "  ", "clear"),
        (subnets, '"10.0.0.0/8', "quote"),
        (room.property("number"), "many", "whole number"),
        (desk.property("room"), "room:1", "KIND:KEY"),
    ]:
        with pytest.raises(Refused, match=expected):
            prop.parse(text)


PROPERTIES = [
    Property("a"),
    Property("b", type="integer", many=True),
    Property("c", type="boolean"),
    Property("d", type="decimal", many=True),
    Property("e", type="mac"),
    Property("f", type="choice", choices=("x, y", 'say "z"'), many=True),
]


@given(st.sampled_from(PROPERTIES), st.text(max_size=30), st.sampled_from(["en", "de"]))
def test_what_was_read_is_right_and_is_read_again_as_the_same(prop: Property, text: str, lang: str) -> None:
    try:
        value = prop.parse(text)
    except Refused:
        return
    assert prop.check(value) is None
    assert values.is_same_value(prop.parse(prop.edit_text(value, lang)), value)


def test_a_list_of_awkward_choices_is_read_back() -> None:
    prop = PROPERTIES[-1]
    value = ('say "z"', "x, y")
    assert prop.check(value) is None
    assert prop.parse(prop.edit_text(value)) == value


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ('type = "integer"', 'type = "number"', "kinds.room.properties.number.type", "ip-network"),
        ('type = "integer"', "type = 3", "kinds.room.properties.number.type", "text in quotes"),
        ("required = true", "requird = true", "kinds.room.properties.number.requird", "required"),
        ("required = true", 'required = "yes"', "kinds.room.properties.number.required", "true or false"),
        ('group = "net"', 'group = "nett"', "kinds.room.properties.subnets.group", "no such group"),
        ("no_overlap = true", "unique = 1", "kinds.room.properties.subnets.unique", "true or false"),
        ('type = "ip-network"', 'type = "text"', "kinds.room.properties.subnets.no_overlap", "ip-network"),
        ('refers_to = "room"', 'refers_to = "hall"', "kinds.desk.properties.room.refers_to", "room, desk"),
        ('refers_to = "room"', "", "kinds.desk.properties.room.refers_to", "needed"),
        ('refers_to = "room"', 'refers_to = "desk"', "kinds.desk.parent", "below itself"),
        ('example = "AB-1234"', 'example = "AB-123"', "kinds.desk.properties.tag.example", "example"),
        ("[A-Z]{2}-[0-9]{4}", "([A-Z]+)*", "kinds.desk.properties.tag.pattern", "without groups"),
        ('choices = ["new", "worn"]', "choices = []", "kinds.desk.properties.state.choices", "list of texts"),
        ('parent = "room"', 'parent = "tag"', "kinds.desk.parent", "reference"),
        ('key = "number"', 'key = "size"', "kinds.room.key", "number, title, subnets"),
        ('key = "number"', 'key = "subnets"', "kinds.room.key", "one text or number"),
        ('labels = { en = "Room", de = "Raum" }', 'labels = "Room"', "kinds.room.labels", "by language"),
        ("[kinds.room.properties.title]", "[kinds.room.properties.retired]", "properties.retired", "this name"),
        ("[kinds.room.properties.title]", '[kinds.room.properties."a=b"]', "properties.a=b", "this name"),
        ("[kinds.desk]", "[kinds.Desk]", "kinds.Desk", "small letters"),
        ("[kinds.desk]", "[kinds.member]", "kinds.member", "fleet, schema, member"),
        ('name = "small"', 'name = "small"\nkind = 1', "kind", "name, kinds"),
        ('name = "small"', "name = small", "schema", "not TOML"),
        ('net = { en = "Network", de = "Netz" }', "net = 3", "kinds.room.groups", "table of its own"),
        ('net = { en = "Network", de = "Netz" }', "net = { en = 3 }", "kinds.room.groups.net", "by language"),
    ],
)
def test_a_mistake_in_a_file_is_reported_with_its_place_and_what_is_allowed(
    old: str, new: str, path: str, message: str
) -> None:
    assert old in SMALL
    with pytest.raises(Refused) as refused:
        parse_schema_file(SMALL.replace(old, new))
    assert path in str(refused.value).split(": ")[0]
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["", 'name = "x"', 'name = "x"\n[kinds]', "[kinds.a]"])
def test_a_schema_needs_a_name_and_a_kind(text: str) -> None:
    with pytest.raises(Refused, match="needs"):
        parse_schema_file(text)


def test_what_is_not_understood_in_the_fleet_is_left_out_and_the_rest_holds() -> None:
    texts = parse_schema_file(SMALL).texts()
    texts["desk"] = texts["desk"].replace('"choice"', '"colour"') + '\n[properties.tag.future]\nx = "y"\n'
    texts["lamp"] = "= not TOML"
    texts["Bad\x1b[2J"] = ""
    texts["deep"] = "x = " + "[" * 20_000
    texts["large"] = "#" * (values.MAX_TEXT_BYTES + 1)
    schema = parse_schema(texts)
    assert set(schema.kinds) == {"room", "desk"}
    assert not schema.property("desk", "state").is_known
    assert schema.property("desk", "tag").parse("XY-0001") == "XY-0001"
    assert schema.texts() == texts
    shown = [str(problem) for problem in schema.problems]
    for path in ("kinds.desk.properties.state.type", "kinds.desk.properties.tag.future", "kinds.lamp", "kinds.deep"):
        assert any(message.startswith(f"{path}: ") for message in shown), path
    assert any("kinds.large: this is larger" in message for message in shown)
    assert not any("\x1b" in message for message in shown)


def test_kinds_in_a_circle_stand_at_the_top() -> None:
    a = '[properties.up]\ntype = "reference"\nrefers_to = "b"\n'
    texts = {"a": 'parent = "up"\n' + a, "b": 'parent = "up"\n' + a.replace('"b"', '"a"'), "c": 'parent = "up"\n' + a}
    schema = parse_schema(texts)
    assert [kind.name for kind in schema.roots()] == ["a", "b"]
    assert [kind.name for kind in schema.children("b")] == ["c"]
    assert len(schema.problems) == 2


KEYS = sorted({*schema_toml._KIND_SHAPES, *schema_toml._PROPERTY_SHAPES})
toml_like: Any = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.sampled_from(["text", "reference", "choice", "a", "", "[a-z]+"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=25,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "A", ""]), st.dictionaries(st.text(max_size=3), toml_like) | toml_like)
)
def test_no_schema_from_the_fleet_breaks_the_program(kinds: Any) -> None:
    import tomli_w

    texts = {
        name: tomli_w.dumps(k if isinstance(k, dict) else {"properties": k, "parent": "a"}) for name, k in kinds.items()
    }
    schema = parse_schema(texts)
    for kind in [*schema.roots(), *(child for name in schema.kinds for child in schema.children(name))]:
        for prop in [*kind.properties.values(), kind.property(kind.key), kind.property(kind.title)]:
            assert prop.label("de")
            prop.check("some text")
            prop.check(None)


@given(st.text(alphabet="ab0.*+?{}[]()|\\^$-&~,1 d", max_size=12))
def test_only_patterns_without_nested_repetition_are_taken(pattern: str) -> None:
    text = json.dumps(pattern)
    desk = f'[properties.p]\npattern = {text}\nexample = "x"\n'
    problems = parse_schema({"desk": desk}).problems
    if pattern and not any(str(p).startswith("kinds.desk.properties.p.pattern") for p in problems):
        assert re.compile(pattern).groups == 0
        assert "(?" not in re.sub(r"\\.|\[[^]]*\]", "", pattern)
        assert len(re.findall(r"[*+?]", re.sub(r"\\.|\[(\\.|[^]])*\]", "", pattern))) <= 3
        matches_pattern(pattern, "a" * 256)


def test_a_pattern_is_limited_in_repetitions_and_texts_in_length() -> None:
    for pattern in ("a*" * 4, "(ab)+", "(?=a)", r"a\1", "a" * 201, "a**", "[", "a{2}{3}", "^a$", "[a--b]"):
        problems = parse_schema({"desk": f"[properties.p]\npattern = {json.dumps(pattern)}\nexample = 'a'"}).problems
        assert [p.params["path"] for p in problems] == ["kinds.desk.properties.p.pattern"], pattern
    assert matches_pattern("a*a*a*", "a" * 256)
    assert not matches_pattern("a*a*a*", "a" * 257)


def test_an_unknown_built_in_schema_is_reported_with_those_that_there_are() -> None:
    with pytest.raises(Refused, match="service-centre, site-network"):
        load_builtin_schema("../../etc/passwd")


def test_what_no_schema_describes_has_a_label_all_the_same() -> None:
    for schema in (Schema(), load_builtin_schema("site-network")):
        assert schema.property("member", "member.name").label("de") == "Name"
        assert schema.property("member", "member.revoked").label() == "Last change accepted"
        assert schema.property("schema", "schema.site").label("de") == "Schema von site"
        assert not schema.property("member", "member.role").is_known, "nobody sets it as they set what the schema has"


@pytest.mark.parametrize(
    ("pattern", "example", "expected"),
    [
        ("[0-9]{8}", "11111111", "11111111 (8 digits)"),
        ("[1-9][0-9]{2,4}", "1280", "1280"),
        ("[1-9][0-9]{0,3}", "40", "40"),
        ("[0-9]{3,4}", "1234", "1234"),
        ("[A-Z]{2}-[0-9]{4}", "AB-1234", "AB-1234"),
        ("[0-9]{2}|[0-9]{4}", "11", "11"),
        ("[0-9]+", "7", "7"),
    ],
)
def test_a_refusal_says_how_many_digits_where_the_number_is_fixed(pattern: str, example: str, expected: str) -> None:
    problem = Property("tag", pattern=pattern, example=example).check("x")
    assert str(problem) == f'tag: "x" must look like {expected}'


def test_what_is_about_slots_is_in_the_order_of_the_schema() -> None:
    schema = load_builtin_schema("service-centre")
    one, other = b"1" * 16, b"2" * 16
    given = [(other, "subnet"), (one, "printer"), (one, "docking_station"), (other, "name"), (one, "name"), (one, "x")]
    kinds = {one: "place", other: "locality"}
    assert in_schema_order(given, lambda slot: slot, kinds.get, schema) == [
        (other, "name"),
        (other, "subnet"),
        (one, "name"),
        (one, "printer"),
        (one, "docking_station"),
        (one, "x"),
    ]
