from __future__ import annotations

import unicodedata
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import values
from core.value_codec import Ref, encode_value

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scalars = st.one_of(
    texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.binary(min_size=16, max_size=16).map(Ref)
)
any_value = st.one_of(st.none(), scalars, st.lists(scalars, max_size=4).map(tuple))

macs = st.binary(min_size=6, max_size=6)
READABLE = {
    "text": texts,
    "integer": st.integers(-(2**63), 2**63 - 1).map(str),
    "boolean": st.sampled_from(["true", "False", "YES", "nein", "0", "1"]),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: f"{d:f}"),
    "ip-address": st.ip_addresses().map(str),
    "ip-network": st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda t: str(ip_network(t, strict=False))),
    "mac": macs.flatmap(lambda m: st.sampled_from([m.hex(), m.hex(":"), m.hex("-").upper(), m.hex(".", 2)])),
    "hostname": st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[A-Z0-9]{1,20}){0,3}", fullmatch=True),
}


def is_harmless(text: str) -> bool:
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


@pytest.mark.parametrize("type_name", READABLE)
@given(data=st.data())
def test_what_is_read_is_of_the_type_and_reads_as_itself(type_name: str, data: Any) -> None:
    text = data.draw(READABLE[type_name])
    value = values.TYPE_PARSERS[type_name](text)
    assert value is not None
    assert values.is_of_type(type_name, value)
    assert values.is_same_value(values.TYPE_PARSERS[type_name](values.edit_text(value)), value)


@pytest.mark.parametrize("type_name", [name for name in values.TYPE_PARSERS if name not in ("text", "choice")])
@given(value=scalars)
def test_a_value_of_another_type_is_reported_with_what_is_expected(type_name: str, value: Any) -> None:
    if not values.is_of_type(type_name, value):
        message = str(values.type_problem("speed", type_name, value))
        assert message.startswith("speed: ")
        assert is_harmless(message)
        assert len(message) < 300


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("integer", "9223372036854775808"),
        ("integer", "1e3"),
        ("integer", "٣"),
        ("integer", ""),
        ("decimal", "52,4"),
        ("decimal", "NaN"),
        ("decimal", "1."),
        ("decimal", "01"),
        ("boolean", "tru"),
        ("ip-address", "10.24.1"),
        ("ip-address", "fe80::1%eth0"),
        ("ip-address", "010.1.1.1"),
        ("ip-network", "10.24.1.0"),
        ("ip-network", "10.24.1.1/24"),
        ("ip-network", "10.24.1.0/33"),
        ("mac", "2c:c8:1b:8a:96"),
        ("mac", "2c:c8-1b:8a:96:e0"),
        ("hostname", "-core"),
        ("hostname", "casa_kua"),
        ("hostname", "a" * 64),
        ("hostname", ".".join(["a" * 60] * 5)),
        ("reference", "site:kirchhof"),
    ],
)
def test_what_only_looks_like_the_type_is_not_read(type_name: str, text: str) -> None:
    assert values.TYPE_PARSERS[type_name](text) is None


def test_decimals_keep_every_digit() -> None:
    assert values.TYPE_PARSERS["decimal"]("52.53949585878101000") == "52.53949585878101000"


@given(st.ip_addresses(v=6))
def test_addresses_have_one_spelling(address: Any) -> None:
    assert values.TYPE_PARSERS["ip-address"](address.exploded.upper()) == str(ip_address(str(address)))


PIECES = (
    "0",
    "1",
    "fe80",
    "ffff",
    "00001",
    "12345",
    ":",
    "::",
    "a",
    "F",
    "g",
    "1.2.3.4",
    "١",
    "%",
    "/0",
    "/16",
    "/064",
    "/129",
)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=18).map("".join), st.sampled_from(["", ":", "/32"]))
def test_what_is_an_address_is_what_can_be_read_as_one(text: str, end: str) -> None:
    for each in (text, text + end, *(f"{address}{end}" for address in ("2001:db8::", "1::2:3", "::ffff:1.2.3.4"))):
        for type_name in ("ip-address", "ip-network"):
            is_read = values.TYPE_PARSERS[type_name](each) is not None
            assert values.is_of_type(type_name, each) is is_read


def test_a_network_with_host_bits_learns_the_network() -> None:
    assert "10.24.1.0/24" in str(values.type_problem("subnet", "ip-network", "10.24.1.7/24"))


def test_spaces_around_a_value_are_what_is_reported() -> None:
    assert "spaces around" in str(values.type_problem("subnet", "ip-network", "10.24.1.0/24 "))
    assert "spaces around" not in str(values.type_problem("subnet", "ip-network", "10.24.1.0 "))


def test_a_number_written_as_text_is_distinguished_from_no_number() -> None:
    assert "as text" in str(values.type_problem("mtu", "integer", "1280"))
    assert "whole number" in str(values.type_problem("mtu", "integer", "fast"))


@given(any_value, any_value)
def test_same_agrees_with_the_bytes_of_facts(one: Any, other: Any) -> None:
    assert values.is_same_value(one, other) == (encode_value(one) == encode_value(other))
    assert values.is_same_value(one, one)


def test_true_is_not_one() -> None:
    assert not values.is_same_value(True, 1)
    assert not values.is_same_value((True,), (1,))
    assert values.comparison_key("text", True) != values.comparison_key("text", 1)


@given(macs)
def test_spellings_of_one_mac_compare_equal(mac: bytes) -> None:
    assert values.comparison_key("mac", mac.hex("-").upper()) == values.comparison_key("mac", mac.hex(":"))
    assert values.comparison_key("hostname", "Core-1") == values.comparison_key("hostname", "core-1")
    assert values.comparison_key("text", "Core-1") != values.comparison_key("text", "core-1")


@given(st.text(max_size=60))
def test_nothing_that_is_shown_can_steer_a_terminal(text: str) -> None:
    shown = values.display_text((text, text))
    assert is_harmless(shown)


def test_words_for_yes_and_no_follow_the_language() -> None:
    assert (values.display_text(True), values.display_text(False, "de")) == ("yes", "nein")
    assert values.display_text(None) == ""
    assert values.display_text(Ref(b"\xab" * 16)) == "abababab"


@given(st.lists(texts.map(str.strip).filter(bool), max_size=5))
def test_a_list_is_typed_as_it_is_read(items: list[str]) -> None:
    assert values.split_list(values.edit_text(tuple(items))) == items


def test_an_open_quote_in_a_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="end of data"):
        values.split_list('one, "two')


def test_text_must_have_bytes_and_fit_a_fact() -> None:
    assert values.is_storable("ü" * (values.MAX_TEXT_BYTES // 2))
    assert not values.is_storable("ü" * (values.MAX_TEXT_BYTES // 2 + 1))
    assert not values.is_storable("\ud800")


@pytest.mark.parametrize(
    "mark",
    list("\u034f\u115f\u17b4\u180b\u2800\u3164\ufe00\ufe0e\uffa0\ufff9\U0001d173\U000e0041"),
)
def test_what_has_no_ink_is_an_invisible_mark(mark: str) -> None:
    code = f"U+{ord(mark):04X}"
    assert values.invisible_mark(f"Lane{mark}") == values.invisible_mark(mark) == code
    assert values.printable(f"Lane{mark}") == f"Lane\\x{ord(mark):02x}"
    assert values.comparison_key("text", f"Lane{mark} 1") == values.comparison_key("text", "Lane 1")


@pytest.mark.parametrize("text", ["❤\ufe0f", "1\ufe0f\u20e3", "☎\ufe0e", "🇩🇪", "👍🏽", "Tür", "漢字", "न्द"])
def test_what_is_seen_is_no_invisible_mark(text: str) -> None:
    assert values.invisible_mark(text) is None
    assert values.printable(text) == text


@pytest.mark.parametrize(("word", "stored"), [("042", "42"), ("+42", "42"), ("-042", "-42"), ("000", "0"), ("-", "-")])
def test_numbers_are_sought_as_they_are_stored(word: str, stored: str) -> None:
    assert values.stored_words(word) == stored
