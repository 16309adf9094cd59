"""Attacks on the membership, as an outsider makes them.

Keys, blocks and bundles against the command line.

Each is named after a promise of docs/security.md; what each device shows and does afterwards is looked at, not how.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.body import Fact
from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.header import MAX_TIMESTAMP_US
from core.identity import load_identity
from core.member_values import (
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    readmission_value,
    revocation_value,
    role_value,
)
from core.store import quotas
from tests.support.attacker import Attacker, block_of, feed, state_of
from tests.support.cli import Terminal

ENTITY = b"E" * 16


@pytest.fixture(scope="session")
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacked") / "K1"
    Terminal(folder).ask("init", "--fleet", "Nord", "--device", "K1")
    return folder


@pytest.fixture
def home(_alone: Path, tmp_path: Path) -> Terminal:
    """An honest admin's device."""
    return Terminal(shutil.copytree(_alone, tmp_path / "K1"))


@pytest.fixture
def make(home: Terminal) -> Callable[..., Attacker]:
    """Make a device that is only a key, admitted in this role if one is given."""

    def made(role: str | None = None) -> Attacker:
        attacker = Attacker(home.ask("status")["fleet"])
        if role:
            home.ask("admit", attacker.device.hex(), "--role", role, "--name", role)
        return attacker

    return made


Make = Callable[..., Attacker]


def cut(attacker: Attacker) -> tuple[Cut, ...]:
    """The place behind what somebody has written so far."""
    return (Cut(attacker.tip.position, attacker.tip.id),) if attacker.tip else ()


def own_chain(home: Terminal) -> Attacker:
    """A thief of this home's key, who goes on from where it is."""
    fleet = home.ask("status")["fleet"]
    thief = Attacker(fleet, load_identity(home.home / "device.key").private_key)
    changes = [line["change"] for line in home.call("log", "--json").lines]
    blocks = sorted((block_of(home, change) for change in changes), key=lambda block: block.header.fields.position)
    from core.chain import advance, first_tip

    for block in blocks:
        thief.tip = advance(thief.tip, block.header) if thief.tip else first_tip(block.header)
    return thief


@pytest.mark.parametrize("role", [None, "reader", "technician", "admin"])
def test_a1_nobody_forks_an_honest_device_s_chain(home: Terminal, make: Make, role: str | None) -> None:
    attacker = make(role)
    first = block_of(home, home.ask("new", "locality", "code=241")["change"])
    feed(home, [attacker.write_after(first, Fact(ENTITY, "a", "b"))])
    second = block_of(home, home.ask("new", "locality", "code=242")["change"])
    assert (second.header.fields.previous, second.header.fields.position) == (
        first.id,
        first.header.fields.position + 1,
    )
    assert not any(fault["fault"] == "fork" for fault in home.ask("verify").get("chains", []))
    assert len(home.ask("list", "locality")) == 2


def test_a1b_after_a_foreign_previous_a_revocation_voids_nothing_that_was_honest(
    home: Terminal, make: Make, tmp_path: Path
) -> None:
    other = Terminal(tmp_path / "K2")
    device = other.ask("join", home.ask("status")["fleet"], "--device", "K2")["device"]
    home.ask("admit", device, "--role", "technician", "--name", "K2")

    def meet() -> None:
        for terminal in (home, other, home):
            terminal.ask("sync", f"bundle://{tmp_path}/stick.fieldline")

    meet()
    first = block_of(other, other.ask("new", "locality", "code=241")["change"])
    feed(other, [make().write_after(first, Fact(ENTITY, "a", "b"))])
    other.ask("new", "locality", "code=242")
    meet()
    home.ask("revoke", "K2")
    assert len(home.ask("list", "locality")) == 2 and home.ask("status")["quarantined"] == 0


@pytest.mark.parametrize("value", ["cut", "nothing", "from nothing"])
def test_a2_a_technician_cannot_make_a_revocation_a_silent_no_op(home: Terminal, make: Make, value: str) -> None:
    thief, accomplice = make("technician"), make("technician")
    last = thief.write(Fact(ENTITY, "kind", "locality"))
    written = revocation_value(cut(thief)) if value == "cut" else value
    feed(home, [last, accomplice.write(Fact(thief.device, REVOKED_PROPERTY, written))])
    assert home.ask("revoke", thief.device.hex())["change"]
    assert state_of(home, thief) == ("technician", "revoked")


def test_a2b_a_technician_cannot_block_a_demotion_nor_a_readmission(home: Terminal, make: Make) -> None:
    accomplice, admin = make("technician"), make("admin")
    feed(home, [accomplice.write(Fact(admin.device, ROLE_PROPERTY, "reader"))])
    assert home.ask("admit", admin.device.hex(), "--role", "reader")["role"] == "reader"
    assert state_of(home, admin) == ("reader", "active")
    home.ask("revoke", admin.device.hex())
    feed(home, [accomplice.write(Fact(admin.device, REVOKED_PROPERTY, None))])
    assert state_of(home, admin) == ("reader", "revoked")
    assert home.ask("admit", admin.device.hex(), "--role", "reader")["state"] == "active"


def test_a2c_a_technician_cannot_block_an_admission_by_naming_the_device_first(home: Terminal, make: Make) -> None:
    technician, new = make("technician"), make()
    feed(home, [technician.write(Fact(new.device, "kind", "locality"), Fact(new.device, ROLE_PROPERTY, "reader"))])
    assert home.ask("admit", new.device.hex(), "--role", "technician")["state"] == "active"
    assert home.ask("list", "locality") == []


def test_a3_a_demoted_admin_admits_nobody(home: Terminal, make: Make) -> None:
    demoted, friend = make("admin"), make()
    feed(home, [demoted.write(Fact(ENTITY, "kind", "locality"))])
    home.ask("admit", demoted.device.hex(), "--role", "technician")
    feed(home, [demoted.write(Fact(friend.device, ROLE_PROPERTY, "admin"))])
    feed(home, [demoted.write(Fact(demoted.device, ROLE_PROPERTY, "admin"))])
    assert state_of(home, friend) is None
    assert state_of(home, demoted) == ("technician", "active")


def test_a4_who_was_made_a_reader_writes_nothing(home: Terminal, make: Make) -> None:
    demoted = make("technician")
    feed(home, [demoted.write(Fact(ENTITY, "kind", "locality"), Fact(ENTITY, "code", "77"))])
    home.ask("admit", demoted.device.hex(), "--role", "reader")
    feed(home, [demoted.write(Fact(ENTITY, "name", "EVIL"), at=1)])
    assert home.ask("show", "locality:77")["slots"].get("name", {"value": None})["value"] is None


def test_a5_a_readmission_revives_nothing(home: Terminal, make: Make) -> None:
    thief = make("technician")
    good = thief.write(Fact(ENTITY, "code", "77"), Fact(ENTITY, "kind", "locality"), Fact(ENTITY, "name", "good"))
    feed(home, [good])
    home.ask("revoke", thief.device.hex(), "--last", good.id.hex())
    feed(home, [thief.write(Fact(ENTITY, "name", "EVIL", (good.fact_id(2),)))])
    home.ask("admit", thief.device.hex(), "--role", "technician")
    assert state_of(home, thief) == ("technician", "active")
    assert home.ask("show", "locality:77")["slots"]["name"]["value"] == "good"
    feed(home, [thief.write(Fact(ENTITY, "name", "again", (good.fact_id(2),)))])
    assert home.ask("show", "locality:77")["slots"]["name"]["value"] == "again"


def test_a6_a_stolen_founder_cannot_undo_its_revocation_by_shutting_out_somebody_else(
    home: Terminal, make: Make
) -> None:
    # That it prevails over the one who revoked it, if it shuts that one out, is not promised.
    one, two = make("admin"), make("admin")
    thief = own_chain(home)
    feed(home, [one.write(Fact(thief.device, REVOKED_PROPERTY, revocation_value(cut(thief))))])
    assert state_of(home, thief) == ("admin", "revoked")
    feed(home, [thief.write(Fact(two.device, REVOKED_PROPERTY, "nothing"))])
    assert state_of(home, thief) == ("admin", "revoked")
    assert state_of(home, two) == ("admin", "active")


@pytest.mark.parametrize("careful_first", [True, False])
def test_a7_of_two_revocations_the_careful_one_holds_whatever_their_clocks(
    home: Terminal, make: Make, careful_first: bool
) -> None:
    admin, thief = make("admin"), make("technician")
    good = thief.write(Fact(ENTITY, "code", "77"), Fact(ENTITY, "kind", "locality"))
    careful = revocation_value(cut(thief))
    bad = thief.write(Fact(ENTITY, "name", "EVIL"))
    wide = revocation_value(cut(thief))
    times = (1, MAX_TIMESTAMP_US) if careful_first else (MAX_TIMESTAMP_US, 1)
    feed(home, [good, bad])
    for value, at in zip((careful, wide), times, strict=True):
        feed(home, [admin.write(Fact(thief.device, REVOKED_PROPERTY, value), at=at)])
    assert home.ask("show", "locality:77")["slots"].get("name", {"value": None})["value"] is None


@pytest.mark.parametrize("role", ["reader", "admin"])
def test_a8_of_concurrent_roles_the_lesser_holds_whatever_the_clock(home: Terminal, make: Make, role: str) -> None:
    one, two, new = make("admin"), make("admin"), make()
    other = "admin" if role == "reader" else "reader"
    feed(home, [one.write(Fact(new.device, ROLE_PROPERTY, role), at=MAX_TIMESTAMP_US)])
    feed(home, [two.write(Fact(new.device, ROLE_PROPERTY, other), at=1)])
    assert state_of(home, new) == ("reader", "active")


def test_a9_a_ground_id_wins_no_tie(home: Terminal, make: Make) -> None:
    first = make("admin")
    ground = next(a for a in iter(make, None) if a.device < first.device)
    home.ask("admit", ground.device.hex(), "--role", "admin")
    feed(home, [ground.write(Fact(first.device, REVOKED_PROPERTY, "nothing"))])
    feed(home, [first.write(Fact(ground.device, REVOKED_PROPERTY, "nothing"))])
    assert state_of(home, first) == ("admin", "active")
    assert state_of(home, ground) == ("admin", "revoked")


def test_a10_a_technician_changes_neither_schema_nor_fleet(home: Terminal, make: Make) -> None:
    home.ask("new", "locality", "code=241")
    emptied = 'title = "name"\norder = 2\n\n[labels]\nen = "Place"\n'
    facts = [Fact(SCHEMA_ENTITY, "schema.place", emptied), Fact(FLEET_ENTITY, "name", "EVIL")]
    feed(home, [make("technician").write(*facts, at=4_000_000_000_000_000)])
    assert home.call("new", "place", "locality=locality:241", "name=Lane 1").code == 0
    assert "EVIL" not in home.call("show", FLEET_ENTITY.hex()).out


def test_a11_a_technician_makes_no_thing_of_a_member(home: Terminal, make: Make) -> None:
    technician, member = make("technician"), make("reader")
    feed(home, [technician.write(Fact(member.device, "code", "77"), Fact(member.device, "kind", "locality"))])
    assert home.ask("list", "locality") == [] and home.ask("inbox") == []


def test_a12_a_copied_home_is_reported(home: Terminal, tmp_path: Path) -> None:
    copy = Terminal(shutil.copytree(home.home, tmp_path / "copy"))
    home.ask("new", "locality", "code=1")
    copy.ask("new", "locality", "code=2")
    for terminal in (home, copy, home):
        terminal.ask("sync", f"bundle://{tmp_path}/stick.fieldline")
    assert [fault["fault"] for fault in home.ask("verify")["chains"]] == ["fork"]
    checks = {each["check"]: each["state"] for each in home.call("doctor", "--json").json}
    assert checks["chains"] == "warning"
    assert len(home.ask("list", "locality")) == 2, "both branches count"


def test_a13_a_stamp_from_the_far_future_hijacks_no_later_edit(home: Terminal, make: Make) -> None:
    made = home.ask("new", "locality", "code=241", "name=old")
    shown = home.ask("show", "locality:241")["slots"]["name"]["candidates"][0]["fact"]
    thief = make("technician")
    evil = Fact(bytes.fromhex(made["entity"]), "name", "EVIL", (bytes.fromhex(shown),))
    feed(home, [thief.write(evil, at=MAX_TIMESTAMP_US)])
    home.ask("set", "locality:241", "name=mended")
    assert home.ask("show", "locality:241")["slots"]["name"]["value"] == "mended"


def test_a14_changes_of_unknown_devices_are_refused_counted_and_shown(home: Terminal, make: Make) -> None:
    before = home.ask("status")["changes"]
    technician = make("technician")
    good = technician.write(Fact(ENTITY, "kind", "locality"), Fact(ENTITY, "code", "77"))
    flood = [make().write(Fact(ENTITY, "a", "b")) for _ in range(20)]
    done = feed(home, [*flood[:10], good, *flood[10:]])
    assert done.json["changes"] == 1 and done.json["refused"] == 20
    status = home.ask("status")
    assert status["changes"] == before + 2 and status["refused"] == 20
    checks = {each["check"]: each["message"] for each in home.call("doctor", "--json").json}
    assert checks["refused"] and "20" in checks["refused"]


def test_a14b_a_technician_cannot_make_unknown_devices_known(home: Terminal, make: Make) -> None:
    technician, sybil = make("technician"), make()
    feed(home, [technician.write(Fact(sybil.device, ROLE_PROPERTY, "technician"))])
    assert feed(home, [sybil.write(Fact(ENTITY, "a", "b"))]).json["refused"] == 1


def test_a15_a_thief_with_the_key_of_a_demoted_device_is_not_raised_on_another_branch(
    home: Terminal, make: Make
) -> None:
    device, friend = make("technician"), make()
    thief = device.copy()
    feed(home, [device.write(Fact(ENTITY, "kind", "locality"))])
    raised = role_value("admin", cut(device))
    assert "from" in raised
    home.ask("admit", device.device.hex(), "--role", "admin")
    evil = [thief.write(Fact(ENTITY, "x", n)) for n in range(3)]
    feed(home, [*evil, thief.write(Fact(friend.device, ROLE_PROPERTY, "admin"))])
    assert state_of(home, friend) is None


def test_a16_nobody_lets_itself_in_again(home: Terminal, make: Make) -> None:
    thief = make("admin")
    feed(home, [thief.write(Fact(ENTITY, "kind", "locality"))])
    mark = readmission_value(cut(thief))
    home.ask("revoke", thief.device.hex())
    for value in (mark, "from nothing", None):
        feed(home, [thief.write(Fact(thief.device, REVOKED_PROPERTY, value))])
    assert state_of(home, thief) == ("admin", "revoked")


@pytest.mark.parametrize("role", ["technician", "reader"])
def test_a17_a_member_s_flood_is_cut_off_counted_and_reported(
    home: Terminal, make: Make, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.setattr(quotas, "DEFAULT_LIMIT", 30)
    thief = make(role)
    before = home.ask("status")["changes"]
    feed(home, [thief.write(Fact(ENTITY, "x", n)) for n in range(100)])
    status = home.ask("status")
    assert (status["changes"], status["refused"]) == (before + 30, 70)
    checks = {each["check"]: each["message"] for each in home.call("doctor", "--json").json}
    assert "70" in checks["limits"] and role in checks["limits"]
    home.ask("new", "locality", "code=241")
    assert home.ask("admit", thief.device.hex(), "--role", role, "--limit", "40")["change"]
    feed(home, [thief.write(Fact(ENTITY, "x", "more"))])
    assert home.ask("status")["changes"] == before + 30 + 2, "that one is beyond 40, too"
    home.refused("admit", thief.device.hex(), "--role", role, "--limit", "39")
    home.refused("admit", home.ask("status")["device"], "--role", "admin", "--limit", "50")
