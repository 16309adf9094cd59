"""`inventory` is what Ansible wants of a script, and holds data only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Terminal

SCHEMA = """
name = "hosts"
[kinds.locality]
key = "code"
properties.code = { required = true, unique = true }
[kinds.host]
key = "name"
parent = "locality"
properties.name = { required = true }
properties.locality = { type = "reference", refers_to = "locality" }
properties.address = { type = "ip-address" }
properties.mgmt = { type = "hostname" }
properties.note = {}
"""


@pytest.fixture
def device(tmp_path: Path) -> Terminal:
    (tmp_path / "hosts.toml").write_text(SCHEMA)
    made = Terminal(tmp_path / "K1")
    made.ask("init", "--fleet", "Nord", "--schema", str(tmp_path / "hosts.toml"))
    made.ask("new", "locality", "code=241")
    made.ask("new", "host", "name=core", "locality=locality:241", "address=10.24.1.1", "note=rack 3")
    made.ask("new", "host", "name=no address", "locality=locality:241", "mgmt=m.example.org")
    return made


def test_it_lists_hosts_in_groups_by_kind_and_locality(device: Terminal) -> None:
    found = device.ask("inventory", "--list")
    assert found == {
        "_meta": {
            "hostvars": {
                "core": {
                    "ansible_host": "10.24.1.1",
                    "fieldline_entity": "host:core",
                    "fieldline_name": "core",
                    "fieldline_locality": {"ref": "locality:241"},
                    "fieldline_address": "10.24.1.1",
                    "fieldline_note": "rack 3",
                }
            }
        },
        "all": {"children": ["ungrouped", "kind_host", "locality_241"]},
        "kind_host": {"hosts": ["core"]},
        "locality_241": {"hosts": ["core"]},
    }
    assert device.call("inventory", "--host", "core").json == found["_meta"]["hostvars"]["core"]
    device.ask("retire", "host:core")
    assert device.ask("inventory")["_meta"] == {"hostvars": {}}


def test_another_property_may_be_the_address(device: Terminal) -> None:
    found = device.ask("inventory", "--address", "mgmt")["_meta"]["hostvars"]
    assert {name: host["ansible_host"] for name, host in found.items()} == {"no_address": "m.example.org"}


def test_names_stay_apart(device: Terminal) -> None:
    device.ask("new", "host", "name=a b", "address=10.0.0.1")
    device.ask("new", "host", "name=a/b", "address=10.0.0.2")
    device.ask("new", "host", "name=-o", "address=10.0.0.3")
    hosts = set(device.ask("inventory")["_meta"]["hostvars"])
    assert len(hosts) == 4
    assert not any(name.startswith("-") or " " in name or "/" in name for name in hosts)


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'id') }}", "{% x %}", "{# x #}", "a}}b"])
def test_what_ansible_would_take_for_a_template_is_left_out_and_reported(device: Terminal, text: str) -> None:
    device.ask("set", "host:core", f"note={text}")
    answer = device.call("inventory", "--list")
    assert "fieldline_note" not in answer.json["_meta"]["hostvars"]["core"]
    assert (answer.code, answer.err.count("note was left out")) == (0, 1)


def test_an_address_that_ssh_would_take_for_an_option_is_left_out(device: Terminal) -> None:
    device.ask("set", "host:core", "note=-oProxyCommand=id")
    answer = device.call("inventory", "--address", "note")
    assert answer.json["_meta"]["hostvars"] == {}
    assert "note was left out" in answer.err


@pytest.mark.parametrize(
    "arguments", [("--host", "nobody"), ("--kind", "nothing"), ("--address", "nothing"), ("--kind", "locality")]
)
def test_what_is_not_there_is_refused(device: Terminal, arguments: tuple[str, ...]) -> None:
    assert device.refused("inventory", *arguments)
