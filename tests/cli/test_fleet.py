"""init, join, admit, members, status."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Pair
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"


def test_a_new_fleet_has_this_device_as_its_admin(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "deep" / "home")
    ids = terminal.ask("init", "--fleet", "Nord", "--device", "K1")
    assert {name: len(bytes.fromhex(value)) for name, value in ids.items()} == {"fleet": 16, "device": 16}
    status = terminal.ask("status")
    assert status["fleet"] == ids["fleet"]
    assert status["device"] == ids["device"]
    assert (status["role"], status["changes"], status["conflicts"], status["clashes"]) == ("admin", 1, 0, 0)
    assert status["quarantined"] == 0
    (member,) = terminal.ask("members")
    assert (member["device"], member["name"], member["role"], member["state"]) == (
        ids["device"],
        "K1",
        "admin",
        "active",
    )
    assert member["changes"] == 1


def test_the_home_is_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Terminal(home).ask("init", "--fleet", "Nord")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {
        "device.key": 0o600,
        "settings.toml": 0o600,
        "store.db": 0o600,
        "store.db.lock": 0o600,
    }


def test_a_home_that_is_in_use_is_left_as_it_is(device: Terminal) -> None:
    # What is derived from the facts is brought up to date by whoever reads it first.
    device.root()
    before = {path.name: path.read_bytes() for path in device.home.iterdir()}
    assert "already" in device.refused("init", "--fleet", "Other", code=1)
    assert "already" in device.refused("join", "0" * 32, code=1)
    assert {path.name: path.read_bytes() for path in device.home.iterdir()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("init", "--fleet", ""),
        ("init", "--fleet", "two\nlines"),
        ("init", "--fleet", "Nord", "--device", "x" * 101),
        ("init", "--fleet", "Nord", "--schema", "nothing-of-that-name"),
        ("init",),
        ("join", "123"),
        ("join", "g" * 32),
        ("join",),
    ],
)
def test_a_beginning_that_is_refused_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    Terminal(tmp_path / "home").refused(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_schema_file_that_is_wrong_is_reported_with_its_key(tmp_path: Path) -> None:
    schema = tmp_path / "own.toml"
    schema.write_text('name = "own"\n[kinds.pump.properties.size]\ntype = "number"\n')
    assert "kinds.pump.properties.size" in Terminal(tmp_path / "home").refused(
        "init", "--fleet", "N", "--schema", str(schema)
    )
    schema.write_text('name = "own"\n[kinds.pump]\nkey = "size"\n[kinds.pump.properties.size]\ntype = "integer"\n')
    terminal = Terminal(tmp_path / "home")
    terminal.ask("init", "--fleet", "N", "--schema", str(schema))
    terminal.ask("new", "pump", "size=7")
    assert terminal.ask("show", "pump:7")["slots"]["size"]["value"] == 7


def test_who_joins_waits_and_may_not_write(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    device = terminal.ask("join", "ab" * 16, "--device", "K9")["device"]
    status = terminal.ask("status")
    assert (status["role"], status["changes"], status["fleet"]) == (None, 0, "ab" * 16)
    (member,) = terminal.ask("members")
    assert (member["device"], member["name"], member["state"]) == (device, "K9", "pending")
    terminal.refused("new", "locality", "code=1")
    assert "admin" in terminal.refused("admit", device, "--role", "admin", code=1)


def test_admitting_needs_an_admin_and_an_id(pair: Pair) -> None:
    one, two = pair
    other = "ab" * 16
    assert "admin" in two.refused("admit", other, "--role", "technician", code=1)
    one.refused("admit", "no-device-of-this-name", "--role", "technician")
    one.refused("admit", "zz" * 16, "--role", "technician")
    one.refused("admit", other, "--role", "boss")
    one.refused("admit", other)
    assert len(one.ask("admit", other, "--role", "reader", "--name", "K3")["change"]) == 64
    member = next(m for m in one.ask("members") if m["device"] == other)
    assert (member["name"], member["role"], member["state"], member["last_at"]) == ("K3", "reader", "active", None)
    assert one.ask("admit", "K3", "--role", "reader")["change"] is None
    assert one.ask("admit", "K3", "--role", "technician")["change"] is not None


def test_a_technician_writes_with_effect_on_all_devices(pair: Pair) -> None:
    _, two = pair
    two.ask("set", "locality:241", "name=Kiel")
    assert two.ask("status")["quarantined"] == 0
    assert two.ask("show", "locality:241")["slots"]["name"]["value"] == "Kiel"


def test_a_device_is_revoked_and_let_in_again(pair: Pair, meet: Callable[[Terminal, Terminal], None]) -> None:
    one, two = pair
    early = two.ask("set", PLACE, "printer=early")["change"]
    late = two.ask("set", PLACE, "printer=late")["change"]
    meet(one, two)
    assert "admin" in two.refused("revoke", "K1", code=1)
    assert "itself" in one.refused("revoke", "K1", code=1)
    one.refused("revoke", "nobody")
    one.refused("revoke", "K2", "--last", "00000000")
    first = one.call("log", "--json").lines[-1]["change"]
    assert "no change of that device" in one.refused("revoke", "K2", "--last", first)
    revoked = one.ask("revoke", "K2", "--last", early[:12], "--note", "stolen")["change"]
    assert one.call("log", "--limit", "1", "--json").lines[0]["change"] == revoked
    assert {each["name"]: each["state"] for each in one.ask("members")} == {"K1": "active", "K2": "revoked"}
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "early"
    assert one.ask("status")["quarantined"] == 1
    # What was cut off stays void when it is let in again, which begins anew behind all that is here.
    again = one.ask("admit", "K2", "--role", "technician")
    assert (again["role"], again["state"]) == ("technician", "active")
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "early"
    assert one.ask("admit", "K2", "--role", "technician")["change"] is None
    meet(one, two)
    two.ask("set", PLACE, "printer=new")
    meet(one, two)
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "new"
    assert one.ask("revoke", "K2")["state"] == "revoked"
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "new"
    assert one.ask("revoke", "K2")["change"] is None
    one.ask("revoke", "K2", "--last", "none")
    assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "Acme 5000"
    assert late in {line["change"] for line in one.call("log", "--json").lines if line["state"] == "quarantined"}
