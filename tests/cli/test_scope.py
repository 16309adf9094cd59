"""A technician who is bound to localities, at the command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.body import Fact
from core.identity import load_identity
from core.value_codec import ParentRef
from tests.cli.conftest import Pair
from tests.support.attacker import Attacker, feed
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
Meet = Callable[[Terminal, Terminal], None]


@pytest.fixture
def bound(pair: Pair, meet: Meet) -> Pair:
    """The second device is bound to locality 241; there is another one, 242."""
    one, two = pair
    one.ask("new", "locality", "code=242")
    one.ask("new", "place", "name=Lane", "locality=locality:242")
    two_id = two.ask("status")["device"]
    admitted = one.ask("admit", two_id, "--role", "technician", "--scope", "locality:241")
    assert len(admitted["scope"]) == 1
    meet(one, two)
    return pair


def test_it_writes_in_its_locality_and_is_refused_elsewhere(bound: Pair, meet: Meet) -> None:
    one, two = bound
    two.ask("set", PLACE, "printer=mine")
    two.ask("set", "locality:241", "name=Kiel South")
    two.ask("new", "place", "name=Booth", "locality=locality:241", "printer=new")
    two.ask("set", "place:241/Booth", "printer=newer")
    for arguments in (
        ("set", "place:242/Lane", "printer=x"),
        ("new", "place", "name=Booth", "locality=locality:242"),
        ("new", "locality", "code=243"),
        ("set", PLACE, "locality=locality:242"),
        ("retire", "locality:242"),
    ):
        assert "may only write what lies in locality:241" in two.refused(*arguments), arguments
    meet(two, one)
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "mine"
    assert one.ask("show", "place:241/Booth")["slots"]["printer"]["value"] == "newer"
    assert one.ask("status")["quarantined"] == 0
    assert one.ask("verify")["problems"] == two.ask("verify")["problems"] == []


def test_what_a_changed_program_writes_elsewhere_is_kept_without_effect_and_shown(bound: Pair) -> None:
    one, two = bound
    lane = bytes.fromhex(one.ask("show", "place:242/Lane")["entity"])
    thief = thief_of(two)
    evil = [thief.write(Fact(lane, "printer", "EVIL")), thief.write(Fact(lane, "locality", ParentRef(b"x" * 16)))]
    feed(one, evil)
    assert one.ask("show", "place:242/Lane")["slots"]["printer"]["state"] == "absent"
    logged = {line["change"]: line for line in one.call("log", "--json").lines}
    assert [logged[block.id.hex()]["state"] for block in evil] == ["quarantined"] * 2
    assert one.ask("status")["quarantined"] == 2
    assert one.ask("verify")["problems"] == []
    (told,) = [each for each in one.ask("doctor") if each["check"] == "scopes"]
    assert told["state"] == "warning"
    assert "(changes: 2)" in told["message"]
    assert f"{evil[1].id.hex()[:8]} by" in told["message"]
    assert "locality of place:242/Lane" in told["message"]
    assert told["message"] in one.call("inbox").err, "an admin sees it"
    feed(two, evil)
    assert "(changes: 2)" in two.call("inbox").err, "and so does who it was"


def test_who_is_bound_stays_so_until_an_admin_says_otherwise(bound: Pair, meet: Meet) -> None:
    one, two = bound
    device = two.ask("status")["device"]
    assert {m["name"]: m["scope"] for m in one.ask("members")} == {"K1": [], "K2": ["locality:241"]}
    assert "technician locality:241" in one.call("members").out
    assert one.ask("admit", device, "--role", "technician", "--name", "K22")["scope"], "a name changes nothing of it"
    assert one.ask("admit", device, "--role", "technician", "--scope", "locality:241")["change"] is None
    wider = one.ask("admit", device, "--role", "technician", "--scope", "locality:241,locality:242")
    assert len(wider["scope"]) == 2
    meet(one, two)
    two.ask("set", "place:242/Lane", "printer=x")
    assert one.ask("admit", device, "--role", "technician", "--scope", "all")["scope"] == []
    meet(one, two)
    two.ask("new", "locality", "code=243")
    assert "Only a technician" in one.refused("admit", device, "--role", "admin", "--scope", "locality:241")


@pytest.mark.parametrize("role", ["reader", "admin"])
def test_who_had_another_role_meanwhile_is_bound_as_before(bound: Pair, role: str) -> None:
    one, two = bound
    device = two.ask("status")["device"]
    one.ask("admit", device, "--role", role)
    back = one.call("admit", device, "--role", "technician")
    assert "stays bound to locality:241" in back.err
    assert {m["name"]: m["scope"] for m in one.ask("members")} == {"K1": [], "K2": ["locality:241"]}
    assert one.ask("admit", device, "--role", "technician", "--scope", "all")["scope"] == []
    one.ask("admit", device, "--role", "reader")
    assert one.ask("admit", device, "--role", "technician")["scope"] == [], "it was unbound when it last was one"


def test_what_an_admin_moves_away_is_refused_and_stays_as_it_was(bound: Pair, meet: Meet) -> None:
    one, two = bound
    two.ask("set", PLACE, "printer=before")
    meet(two, one)
    one.ask("set", PLACE, "locality=locality:242")
    meet(one, two)
    moved = "place:242/Entrance right"
    assert one.ask("show", moved)["slots"]["printer"]["value"] == "before"
    assert "does not" in two.refused("set", moved, "printer=after")


def thief_of(device: Terminal) -> Attacker:
    """Who goes on with a device's key."""
    key = load_identity(device.home / "device.key").private_key
    return Attacker(device.ask("status")["fleet"], key)
