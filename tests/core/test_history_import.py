from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import MAX_NOTE_BYTES
from core.errors import Refused
from core.header import MAX_TIMESTAMP_US
from core.history_import import MAX_LINE_BYTES, HistoryLine, ImportEdit, KeyRef, entity_uuid, read_history, read_lines
from core.value_codec import Ref, encode_value
from core.values import MAX_TEXT_BYTES, invisible_mark

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "site-history.jsonl"
GOOD = {
    "at": 1690305643,
    "user": "tech-02",
    "comment": "why",
    "edits": [{"entity": "host:a/b", "kind": "host", "property": "mtu", "value": 1280}],
}


def line(**changed: Any) -> str:
    return json.dumps({**GOOD, **changed})


def edited(**changed: Any) -> str:
    return line(edits=[{**GOOD["edits"][0], **changed}])  # type: ignore[index]


def only(text: str | bytes) -> HistoryLine:
    (found,) = read_lines([text])
    return found


def is_seen(char: str) -> bool:
    """Whether everybody sees a character, whatever a version of Unicode calls it."""
    return invisible_mark(char) is None


texts = st.text(st.characters(exclude_categories=["Cs"]).filter(is_seen), max_size=20)
one_line = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]).filter(is_seen), min_size=1, max_size=20)
names = st.builds(lambda kind, key: f"{kind}:{key}", st.from_regex(r"[a-z]{3,5}", fullmatch=True), one_line)
scalars = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.builds(KeyRef, names))
given_values = st.one_of(st.none(), scalars, st.lists(scalars, max_size=3).map(tuple))
edits = st.builds(
    lambda name, prop, value: ImportEdit(name, name.partition(":")[0], prop, None if prop is None else value),
    names,
    st.none() | one_line.filter(lambda name: name not in ("kind", "retired", "key")),
    given_values,
)
lines = st.builds(
    HistoryLine,
    number=st.just(1),
    at_us=st.integers(0, MAX_TIMESTAMP_US),
    user=one_line,
    note=st.none() | texts.filter(bool),
    edits=st.lists(edits, max_size=4).map(tuple),
)


def plain(value: Any) -> Any:
    if isinstance(value, KeyRef):
        return {"ref": value.key}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def written(change: HistoryLine, ascii_only: bool) -> str:
    at = f"{change.at_us // 10**6}.{change.at_us % 10**6:06}" if change.at_us % 10**6 else str(change.at_us // 10**6)
    content = {
        "user": change.user,
        "edits": [
            {"entity": e.entity, "kind": e.kind, "property": e.property, "value": plain(e.value)} for e in change.edits
        ],
    }
    if change.note is not None:
        content["comment"] = change.note
    return f'{{"at": {at}, ' + json.dumps(content, ensure_ascii=ascii_only)[1:]


@given(lines, st.booleans(), st.booleans())
def test_what_is_written_is_read(change: HistoryLine, ascii_only: bool, as_bytes: bool) -> None:
    text = written(change, ascii_only)
    assert only(text.encode() if as_bytes else text) == change


@given(
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | texts,
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["at", "user", "edits", "entity", "kind", "property", "value", "ref", "comment"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=20,
        ).map(lambda content: json.dumps(content).encode()),
    )
)
def test_any_other_line_is_refused_with_its_number_and_nothing_else(raw: bytes) -> None:
    try:
        found = list(read_lines([b"", raw]))
    except Refused as refused:
        message = str(refused)
        assert message.startswith("Line 2")
    else:
        assert not raw.strip() or found


@given(one_line, st.floats(allow_nan=False, allow_infinity=False))
def test_a_fraction_becomes_text_digit_for_digit(name: str, number: float) -> None:
    text = repr(number)
    value = only(edited(value="@").replace('"@"', text)).edits[0].value
    assert value == text
    assert type(value) is str
    assert encode_value(value)


def test_digits_beyond_a_float_are_kept() -> None:
    assert only(edited(value="@").replace('"@"', "52.539495858781012345")).edits[0].value == "52.539495858781012345"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "needs the keys at, user and edits"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"at": 1, "at": 2, "user": "x", "edits": []}', "twice"),
        (line(extra=1), "no others"),
        ('{"user": "x", "edits": []}', "needs the keys"),
        (line(at="1690305643"), "seconds since 1970"),
        (line(at=True), "seconds since 1970"),
        (line(at=-1), "seconds since 1970"),
        (line(at=253402300800), "seconds since 1970"),
        (line(at=1.0000001), "seconds since 1970"),
        (line(at=0).replace('"at": 0', '"at": NaN'), "NaN"),
        (line(at=0).replace('"at": 0', '"at": ' + "9" * 5000), "Line 3"),
        (line(user=""), "user must be"),
        (line(user="a\x1b[2J"), "user must be"),
        (line(user="ü" * 101), "user must be"),
        (line(user=1.5), "user must be"),
        (line(user=None), "user must be"),
        (line(comment=5), "comment must be"),
        (line(comment="x" * (MAX_NOTE_BYTES + 1)), "comment must be"),
        (line(edits={}), "edits must be a list"),
        (line(edits=["x"]), "edit 1: it needs the keys"),
        (edited(more=1), "edit 1: it needs the keys"),
        (edited(entity="host"), "such as host:kirchhof/core"),
        (edited(entity="host:"), "such as host:kirchhof/core"),
        (edited(entity="host:a\nb"), "such as host:kirchhof/core"),
        (edited(entity="host:" + "x" * 600), "such as host:kirchhof/core"),
        (edited(kind="site"), "kind must be that of the entity"),
        (edited(entity="member:x", kind="member"), "none of fleet, schema, member"),
        (edited(property=None), "retires and has no value"),
        (edited(property=""), "property must be a name"),
        (edited(property="retired"), "property must be a name"),
        (edited(property="kind"), "property must be a name"),
        (edited(property="x" * 101), "property must be a name"),
        (edited(value=2**63), "value of"),
        (edited(value={"ref": "nowhere"}), "value of"),
        (edited(value={"ref": "a:b", "x": 1}), "value of"),
        (edited(value={"a": 1}), "value of"),
        (edited(value=[[1]]), "value of"),
        (edited(value=[None]), "value of"),
        (edited(value="x" * (MAX_TEXT_BYTES + 1)), "value of"),
        (edited(value="\ud800"), "value of"),
        (json.dumps({**GOOD, "edits": [{"entity": "a:b", "kind": "a", "property": "p"}]}), "with a value"),
    ],
)
def test_a_line_that_is_not_right_is_refused_with_its_number(text: str, message: str) -> None:
    source = [line(), "\n", text]
    with pytest.raises(Refused) as refused:
        list(read_lines(source))
    assert str(refused.value).startswith("Line 3")
    assert message in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_line_is_bounded() -> None:
    with pytest.raises(Refused, match="Line 1 is longer than"):
        only(" " * (MAX_LINE_BYTES + 1))


def test_the_lines_before_a_bad_one_are_there_as_they_come() -> None:
    stream = read_lines(iter([line(), "nonsense"]))
    assert next(stream).number == 1
    with pytest.raises(Refused):
        next(stream)


def test_a_byte_order_mark_and_other_line_ends_do_no_harm() -> None:
    assert [c.number for c in read_lines([b"\xef\xbb\xbf" + line().encode() + b"\r\n", b"  \r\n", line() + "\n"])] == [
        1,
        3,
    ]
    with pytest.raises(Refused, match="UTF-8"):
        only(line(user="ü").encode("latin-1").replace(b"\\u00fc", b"\xfc"))


def test_null_retires_and_an_empty_comment_is_none() -> None:
    change = only(line(comment="", edits=[{"entity": "host:a", "kind": "host", "property": None}]))
    assert change.note is None
    assert change.edits == (ImportEdit("host:a", "host", None, None),)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), names, names)
def test_ids_of_imported_entities_belong_to_the_fleet_and_the_name(
    fleet: bytes, other: bytes, one: str, two: str
) -> None:
    entity = entity_uuid(fleet, one)
    assert uuid.UUID(bytes=entity).version == 5
    assert entity == entity_uuid(fleet, one)
    assert (entity == entity_uuid(other, one)) == (fleet == other)
    assert (entity == entity_uuid(fleet, two)) == (one == two)
    assert encode_value(Ref(entity))


def test_the_id_is_that_of_the_standard() -> None:
    """The example of RFC 9562, appendix A.4: the DNS namespace and www.example.com."""
    assert entity_uuid(uuid.NAMESPACE_DNS.bytes, "www.example.com").hex() == "2ed6657de927568b95e12665a8aea6a2"


def log_line(at: str, edits: list[dict[str, Any]], state: str = "good") -> str:
    """A line as `fieldline log --json` of a program before the first release wrote it."""
    head = {"change": "ab" * 32, "at": at, "received_at": at, "user": "Maier", "device": "cd" * 16, "note": "why"}
    return json.dumps({**head, "state": state, "edits": edits})


def log_edit(name: str, new: Any, kind: str | None = "locality", key: str | None = "241") -> dict[str, Any]:
    return {"entity": "ef" * 16, "kind": kind, "key": key, "property": name, "old": None, "new": new}


def test_the_log_of_an_old_program_is_a_history_the_newest_first() -> None:
    """What can be named is taken in the order of writing.

    Members, the schema and what has no key are passed over.
    """
    lines = [
        log_line("2026-03-03T14:00:00Z", [log_edit("retired", True)]),
        log_line("2026-03-02T14:00:00.5Z", [log_edit("near", {"ref": "locality:242"}), log_edit("far", {"ref": "ab"})]),
        log_line("2026-03-02T13:00:00Z", [log_edit("name", "no effect")], "quarantined"),
        log_line("2026-03-01T14:00:00Z", [log_edit("kind", "locality"), log_edit("code", "241"), log_edit("vid", 7)]),
        log_line("2026-02-01T14:00:00Z", [log_edit("member.role", "admin", "member"), log_edit("x", 1, None, None)]),
    ]
    found = read_history(lines)
    assert [(line.at_us, line.user, line.note, line.number) for line in found] == [
        (1772373600_000000, "Maier", "why", 4),
        (1772460000_500000, "Maier", "why", 2),
        (1772546400_000000, "Maier", "why", 1),
    ]
    assert [[(edit.entity, edit.property, edit.value) for edit in line.edits] for line in found] == [
        [("locality:241", "code", "241"), ("locality:241", "vid", 7)],
        [("locality:241", "near", KeyRef("locality:242"))],
        [("locality:241", None, None)],
    ]


@pytest.mark.parametrize("line", ['{"at": 1, "user": "u", "edits": []}', log_line("soon", []), log_line("1", [{}])])
def test_a_line_of_another_form_in_a_log_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(Refused, match="Line 2"):
        read_history([log_line("2026-03-03T14:00:00Z", [log_edit("name", "x")]), line])


@pytest.mark.skipif(not HISTORY.exists(), reason="the history in ../shared/data is not here")
def test_the_real_history_is_read_whole() -> None:
    with HISTORY.open("rb") as source:
        changes = list(read_lines(source))
    raw = [json.loads(text, parse_float=str) for text in HISTORY.read_text(encoding="utf-8").splitlines()]
    assert len(changes) == len(raw) == 650
    assert len({change.user for change in changes}) == 25
    assert sum(len(change.edits) for change in changes) == 18_931
    for change, line_given in zip(changes, raw, strict=True):
        assert (change.at_us, change.user, change.note) == (
            line_given["at"] * 10**6,
            line_given["user"],
            line_given["comment"],
        )
        for edit, each in zip(change.edits, line_given["edits"], strict=True):
            assert (edit.entity, edit.kind, edit.property) == (each["entity"], each["kind"], each["property"])
            assert plain(edit.value) == each["value"]
    retired = Counter(edit.kind for change in changes for edit in change.edits if edit.property is None)
    assert retired == {"network": 244, "host": 73, "device": 61, "site": 22, "radio": 6}
