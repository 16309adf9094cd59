"""Files that leave a device are for the members of its fleet.

What is on a lost stick, and who can still read what.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.fleet_secrets import EPOCH_PROPERTY
from core.sync import bundle_file
from tests.support.cli import Terminal

Pair = tuple[Terminal, Terminal]
WORDS = (b"TSC Kiel", b"Entrance", b"Acme 5000", b"10.24.1.0", b"Maier", b"locality", b"member.role")


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def joined(one: Terminal, folder: Path, *, role: str | None = "technician") -> Terminal:
    """A device that joins, and is admitted in this role if one is given."""
    new = Terminal(folder)
    device = new.ask("join", one.ask("status")["fleet"], "--device", folder.name)["device"]
    if role:
        one.ask("admit", device, "--role", role, "--name", folder.name)
    return new


@pytest.mark.parametrize("form", ["export", "folder", "file"])
def test_nothing_of_the_fleet_is_to_be_read_on_a_lost_stick(pair: Pair, tmp_path: Path, form: str) -> None:
    one, two = pair
    stick = tmp_path / "usb"
    stick.mkdir()
    if form == "export":
        one.ask("export", str(stick / "all"))
    else:
        for terminal in pair:
            terminal.ask("set", "locality:241", f"name={terminal.user}")
            terminal.ask("sync", f"bundle://{stick if form == 'folder' else stick / 'all.fieldline'}")
    found = contents(stick)
    devices = [bytes.fromhex(terminal.ask("status")["device"]) for terminal in pair]
    assert not [word for word in (*WORDS, *devices) if word in found]
    assert not [word for word in WORDS if word in b"".join(path.name.encode() for path in stick.iterdir())]
    plain = tmp_path / "plain"
    one.ask("export", str(plain), "--plain")
    assert all(word in plain.read_bytes() for word in WORDS)
    assert two.ask("import", str(plain))["skipped"] > 0, "a plain bundle is taken, too"


def test_a_carrier_who_is_no_member_carries_both_ways(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    stick, elsewhere = tmp_path / "usb", tmp_path / "copy"
    stick.mkdir()
    one.ask("set", "locality:241", "name=there")
    one.ask("sync", f"bundle://{stick}")
    shutil.copytree(stick, elsewhere)
    two.ask("set", "locality:241", "subnet=10.24.2.0/24")
    two.ask("sync", f"bundle://{elsewhere}")
    shutil.copytree(elsewhere, stick, dirs_exist_ok=True)
    one.ask("sync", f"bundle://{stick}")
    assert one.root() == two.root()


def test_who_is_no_member_is_reported_in_a_sentence(device: Terminal, tmp_path: Path) -> None:
    device.ask("export", str(tmp_path / "all"))
    stranger = joined(device, tmp_path / "K9", role=None)
    assert "sealed" in stranger.refused("import", str(tmp_path / "all"))
    assert "sealed" in stranger.refused("sync", f"bundle://{tmp_path / 'all'}")
    answer = stranger.call("sync", f"bundle://{tmp_path}", "--json")
    assert answer.code == 0, "in a folder there may be others"
    device.ask("sync", f"bundle://{tmp_path}")
    assert stranger.ask("sync", f"bundle://{tmp_path}")["sealed"]
    assert stranger.ask("status")["changes"] == 0


def test_a_newcomer_that_was_never_known_begins_with_a_stick(device: Terminal, tmp_path: Path) -> None:
    device.ask("key", "renew")
    new = joined(device, tmp_path / "K3")
    device.ask("export", str(tmp_path / "all"))
    assert new.ask("import", str(tmp_path / "all"))["changes"] == device.ask("status")["changes"]
    assert new.root() == device.root()


def test_a_device_that_kept_only_its_key_opens_what_it_exported(device: Terminal, tmp_path: Path) -> None:
    device.ask("key", "renew")
    device.ask("export", str(tmp_path / "all"))
    root, fleet = device.root(), device.ask("status")["fleet"]
    for path in device.home.iterdir():
        if path.name != "device.key":
            path.unlink()
    device.ask("join", fleet)
    device.ask("import", str(tmp_path / "all"))
    assert device.root() == root


def test_after_a_revocation_the_others_read_on_and_the_revoked_one_does_not(
    pair: Pair, meet: Callable[..., None], tmp_path: Path
) -> None:
    one, two = pair
    three = joined(one, tmp_path / "K3")
    meet(one, three)
    for terminal in (two, three):
        terminal.ask("set", "locality:241", f"name={terminal.home.name}")
        meet(one, terminal)
    before = tmp_path / "before"
    one.ask("export", str(before))
    assert one.ask("revoke", "K3")["state"] == "revoked"
    one.ask("set", "locality:241", "name=secret from now on")
    after = tmp_path / "after"
    one.ask("export", str(after))
    assert "sealed" in three.refused("import", str(after))
    assert three.call("import", str(before)).code == 0, "what was sealed before stays readable"
    assert two.ask("import", str(after))["changes"] > 0, (
        "a member that was not told of the new key opens it with its own"
    )
    assert two.root() == one.root()


def test_renewals_apart_from_each_other_are_no_item_for_the_inbox(
    pair: Pair, meet: Callable[..., None], tmp_path: Path
) -> None:
    one, two = pair
    one.ask("admit", two.ask("status")["device"], "--role", "admin")
    meet(one, two)
    for terminal in pair:
        terminal.ask("key", "renew", "--note", "apart")
    meet(one, two)
    for terminal in pair:
        assert terminal.ask("inbox") == [] and terminal.ask("status")["conflicts"] == 0
    one.ask("set", "locality:241", "name=both")
    one.ask("export", str(tmp_path / "all"))
    assert two.ask("import", str(tmp_path / "all"))["changes"] == 1


def test_only_an_admin_renews_the_key(pair: Pair) -> None:
    assert "admin" in pair[1].refused("key", "renew", code=1)


def test_nobody_is_shown_the_key(device: Terminal) -> None:
    rehearsed = device.ask("key", "renew", "--dry-run")
    assert rehearsed["change"] is None and rehearsed["plan"][0]["new"] == "•••"
    change = device.ask("key", "renew")["change"]
    device.ask("key", "renew")
    keys = key_values(device)
    assert len(keys) == 2
    (fleet,) = device.ask("list", "fleet")
    calls = [
        ("show", fleet["entity"]),
        ("blame", fleet["entity"]),
        ("list", "fleet"),
        ("list", "fleet", "--all-columns"),
        ("log",),
        ("log", fleet["entity"]),
        ("diff", "2020-01-01"),
        ("diff", change[:12]),
        ("export", "--kind", "fleet", "-", "--format", "csv"),
        ("undo", change[:12], "--dry-run"),
        ("restore", fleet["entity"], "--at", change[:12], "--dry-run"),
    ]
    for call in calls:
        for form in ((), ("--json",)):
            answer = device.call(*call, *form)
            assert not [key for key in keys if key in answer.out + answer.err], call
    assert "•••" in device.call("log", "--limit", "1").out, "that there is a new one is said"
    device.refused("list", "fleet", "--where", f"{EPOCH_PROPERTY}={keys[0]}")
    device.refused("set", fleet["entity"], f"{EPOCH_PROPERTY}={'ab' * 32}")
    device.refused("clear", fleet["entity"], EPOCH_PROPERTY)


def key_values(device: Terminal) -> list[str]:
    """The keys as they stand in a plain bundle."""
    path = device.home / "plain"
    device.ask("export", str(path), "--plain")
    fleet = bytes.fromhex(device.ask("status")["fleet"])
    found = bundle_file.check_bundle(path, fleet)
    from core.changes import decode_block

    facts = [fact for data in found.blocks(found.offsets) for fact in decode_block(data).facts]
    return [str(fact.value) for fact in facts if fact.property == EPOCH_PROPERTY]
