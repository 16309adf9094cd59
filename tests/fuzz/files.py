"""The decoders of files, settings, typed texts, and what the system says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core import history_import, member_values, recovery_key, schema_toml, sealed_key, seen_column, strict_json
from core.device.home import Home
from core.device.input_validation import parse_id
from core.epoch_keys import parse_epoch_key
from core.equipment import evidence, journal, template_file
from core.equipment.location import parse_network
from core.equipment.settings import parse_settings
from core.errors import FieldlineError, Refused
from core.hooks import state_file as hook_states
from core.hooks.settings import parse_hooks
from core.hooks.state_file import HookState
from core.identity import Identity, load_identity
from core.ip_texts import is_ip_address, is_ip_network, parse_ip_address, parse_ip_network
from core.mirror import state_file as mirror_state
from core.mirror.settings import parse_dsn
from core.mirror.state_file import MirrorState
from core.parsers import parse_json
from core.schema import Property
from core.service import service_status
from core.service.endpoint import parse_endpoint
from core.service.mounted_sticks import list_sticks
from core.service.pairing_links import parse_pairing_endpoint
from core.service.service_status import PeerStatus
from core.store.check_note import LastCheck
from core.store.connection import DamagedRow, load_value
from core.succession import is_succession, succession_value
from core.sync.links.serial.serial_ports import parse_serial_endpoint
from core.table_file import read_table
from core.timestamps import parse_timestamp
from core.value_codec import encode_value
from core.values import Value, split_list
from core.workspace import sealed_copy, wanted_state
from tests.fuzz.decoder import Decoder, of_each, of_file, of_folder, of_text
from tests.support.linked_sessions import ONE, OTHER
from tui import draft_store, keymap, options, saved_views
from tui.cli import fleet, secret_file
from tui.terminal.background import parse_answer
from tui.view_models import known_endpoints
from tui.view_models.map_projection import parse_degrees
from tui.view_models.network_bars import parse_networks

NOW_US = 1_800_000_000_000_000
TYPES = ("text", "integer", "boolean", "decimal", "choice", "ip-address", "ip-network", "mac", "hostname")


def _of_toml(read: Callable[[Mapping[str, Any]], object]) -> Callable[[bytes], object]:
    """Make a reader of settings read the bytes of their file."""

    def read_bytes(home: Path) -> None:
        read(Home(home).read_settings())

    return of_folder(read_bytes, "settings.toml")


def _member_values(text: str) -> None:
    member_values.parse_revocation(text)
    member_values.parse_readmission(text)
    member_values.parse_role(text)
    member_values.parse_recovery(text)
    parse_epoch_key(text)
    is_succession(text, ONE.device, OTHER.device)


def _typed_values(text: str) -> None:
    """Read it as a value of each type; what is read passes the check of the type."""
    for name in TYPES:
        for many in (False, True):
            rule = Property("p", name, many, choices=("a", "b") if name == "choice" else ())
            try:
                value = rule.parse(text)
            except FieldlineError:
                continue
            assert value in (None, ()) or rule.check(value) is None, (name, value)
            rule.show(value)
            rule.edit_text(value)


def _addresses(text: str) -> None:
    """Read it anew as an address and as a network.

    Whether it is one is said alike in a quicker way.
    """
    assert (parse_ip_address.__wrapped__(text) is not None) is is_ip_address(text)
    assert (parse_ip_network.__wrapped__(text) is not None) is is_ip_network(text)


def _schema_facts(text: str) -> None:
    """Read what facts say of a kind, which never fails: what is wrong is a problem."""
    schema_toml.parse_schema({"place": text})


def _shown(text: str) -> None:
    values: list[Value] = [text]
    parse_networks(values)
    parse_network(text)
    parse_degrees(text, 90.0)
    keymap.parse_key(text)


def _views(data: bytes) -> None:
    found = parse_json(data) if data else []
    for each in found if isinstance(found, list) else []:
        saved_views._parse_view(each)


def _id(text: str) -> None:
    parse_id(text, Refused("that is no id"))


def _rows(folder: Path) -> None:
    found = journal.Journal(folder)
    found.rows()
    found.unfinished()
    found.owed()


PEM = Ed25519PrivateKey.from_private_bytes(b"k" * 32).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SEALED_KEY = sealed_key.SealedKey(
    *(ONE.public_key, 64, 1, 1, bytes(sealed_key.SALT_BYTES), bytes(sealed_key.NONCE_BYTES), bytes(48), (b"v" * 96,))
).encode()
MARK = "12:" + "ab" * 32
SETTINGS = b'name = "K1"\n[equipment.printer]\ncommand = ["lpadmin", "-d", "{printer}"]\n[[more]]\na = [1, {b = 2.5}]\n'
HISTORY = {
    "at": 1690305643,
    "user": "A",
    "comment": "why",
    "edits": [{"entity": "host:a", "kind": "host", "property": "name", "value": ["x", {"ref": "host:b"}, 1.5]}],
}
LOG = {
    "change": "ab" * 32,
    "at": "2026-03-03T14:00:00Z",
    "user": "A",
    "note": None,
    "state": "good",
    "edits": [{"kind": "host", "key": "a", "property": "name", "old": None, "new": "x"}],
}
SCHEMA = b"""name = "x"
[kinds.place]
labels = { en = "Place", de = "Platz" }
key = "name"
title = "name"
[kinds.place.properties.name]
required = true
pattern = "[0-9]{8}"
example = "11111111"
[kinds.place.properties.lan]
type = "ip-network"
no_overlap = true
"""
KIND = SCHEMA.partition(b"[kinds.place]\n")[2].replace(b"kinds.place.", b"")
STATUS = json.dumps(
    [service_status._to_json(PeerStatus("tcp://h:1", b"d" * 16, b"r" * 32, True, "", 1, 5, 6, FieldlineError("a")))]
).encode()
LISTED = b'[{"kind": "place", "key": "a", "values": {"name": "Kiel", "n": [1, "a"]}}]'
DRAFT = {"format": 1, "drafts": [{"entity": "ab" * 16, "kind": "place", "edits": {}}]}
LEAF = ["cd" * 34, encode_value("x").hex(), "A", "ab" * 16, 5, None, 6, "ef" * 16, ""]
DRAFT["drafts"][0]["edits"]["name"] = [encode_value("y").hex(), [LEAF]]  # type: ignore[index]
JOURNAL = b"""{"step": 1, "at": 5, "property": "printer", "before": null, "after": "x"}
{"step": 1, "ended": 6, "outcome": "failed", "message": "{a}", "params": {"a": 1}}
"""
OPTIONS = b'theme = "dark"\nmouse = true\nidle = 60\n[keys.everywhere]\nhelp = ["f1", "^h"]\n'

FILES: dict[str, Decoder] = {
    "sealed-key": Decoder(sealed_key.decode_sealed_key, (SEALED_KEY,), (sealed_key.MalformedKey,)),
    "recovery-key": Decoder(
        of_text(recovery_key.parse_recovery_text),
        (recovery_key.recovery_text(Ed25519PrivateKey.from_private_bytes(b"r" * 32)).encode(),),
    ),
    "key-file": Decoder(of_file(load_identity), (PEM, Identity(ONE.private_key, (b"v" * 96,)).key_pem, SEALED_KEY)),
    "sealed-copy": Decoder(of_file(sealed_copy.read_sealed_fleet), (b"",)),
    "table": Decoder(of_text(read_table), (b'kind,"name",code\nlocality,Kiel,241\n', LISTED)),
    "seen-column": Decoder(
        of_text(seen_column.parse_seen),
        (
            seen_column.format_seen(
                seen_column.Seen(
                    b"e" * 16, {"name": seen_column.seen_cell("x", [b"c" * 34]), "no": seen_column.SeenCell()}
                )
            ).encode(),
        ),
    ),
    "json": Decoder(
        of_text(strict_json.parse_json), (b'{"a": [1, 2.5, null], "b": {"c": "d"}}',), (ValueError, RecursionError)
    ),
    "history": Decoder(
        lambda data: history_import.read_history(data.split(b"\n")),
        (json.dumps(HISTORY).encode(), json.dumps(LOG).encode()),
    ),
    "schema": Decoder(of_file(fleet.read_schema_file), (SCHEMA,)),
    "schema-facts": Decoder(of_text(_schema_facts), (KIND,), ()),
    "wanted-state": Decoder(
        of_file(wanted_state._read_file), (b'{"place": [{"name": "a", "n": 1.5}]}', b'[[place]]\nname = "a"\nn = "-"\n')
    ),
    "secret-file": Decoder(of_file(secret_file.read_secret), (b"correct horse battery\n",)),
    "settings": Decoder(_of_toml(dict), (SETTINGS,)),
    "equipment": Decoder(_of_toml(parse_settings), (SETTINGS,)),
    "hooks": Decoder(_of_toml(parse_hooks), (b'[hooks.a]\nrun = ["x"]\nattempts = 3\nkind = ["place"]\n',)),
    "mirror": Decoder(_of_toml(parse_dsn), (b'[mirror]\ndsn = "postgresql://x"\n',)),
    "options": Decoder(of_file(options.read_options), (OPTIONS,)),
    "time": Decoder(
        of_text(lambda said: parse_timestamp(said, NOW_US)),
        (b"2026-03-03T14:00:00.5+01:00", b"-3d", b"yesterday 14:00", b"3 Mar 2026"),
    ),
    "endpoint": Decoder(
        of_text(parse_endpoint), (b"tcp://[fe80::1]:7420", b"serial:///dev/ttyUSB0?baud=9600", b"bundle:///x")
    ),
    "pairing-endpoint": Decoder(of_text(parse_pairing_endpoint), (b"10.1.1.1", b"tcp://h:7", b"serial:///dev/ttyS0")),
    "serial-endpoint": Decoder(of_text(parse_serial_endpoint), (b"serial:///dev/ttyUSB0?baud=9600",)),
    "id": Decoder(of_text(_id), (b"abcdef01 23456789-abcdef01:23456789",)),
    "values": Decoder(
        of_text(_typed_values),
        (b"10.1.0.0/16, fe80::1", b"-7", b"1.50", b"yes", b'a,"b, c"', b"aa:bb:cc:00:11:22", b"host.example"),
        (),
    ),
    "addresses": Decoder(
        of_text(_addresses),
        (b"10.1.0.0/16", b"fe80::1", b"2001:db8::/32", b"1:2:3:4:5:6:7:8/128", b"::ffff:10.0.0.1"),
        (),
    ),
    "list": Decoder(of_text(split_list), (b'a, "b, c"',), (ValueError,)),
    "shown-values": Decoder(of_text(_shown), (b"10.0.0.0/8", b"54.3", b"ctrl+s"), ()),
    "member-values": Decoder(
        of_text(_member_values),
        tuple(
            text.encode()
            for text in (
                MARK,
                f"from {MARK} {MARK}",
                f"technician in {'cd' * 16} from {MARK}",
                "ef" * 32,
                succession_value(OTHER.private_key, ONE.device),
            )
        ),
        (),
    ),
    # What this device itself keeps: a crash, or somebody with an editor, may have left anything.
    "check-note": Decoder(LastCheck.from_bytes, (LastCheck(5, FieldlineError("{a}", a="b")).to_bytes(),), ()),
    "kept-value": Decoder(load_value.__wrapped__, (encode_value(("a", 1)),), (DamagedRow,)),
    "peer-status": Decoder(of_file(service_status._read_file), (STATUS,), ()),
    "hook-states": Decoder(
        of_folder(hook_states.read_states, hook_states.STATE_FILE),
        (json.dumps({"a": asdict(HookState("p", 1, ("{a}", {"a": "b"})))}).encode(),),
    ),
    "mirror-state": Decoder(
        of_folder(mirror_state.read_state, mirror_state.STATE_FILE), (json.dumps(asdict(MirrorState())).encode(),), ()
    ),
    "journal": Decoder(
        of_folder(_rows, journal.JOURNAL_FILE, journal.STATE_FILE),
        (
            JOURNAL,
            b'{"owed": {"printer": "ab"}, "applied": {}}',
        ),
        (),
    ),
    "drafts": Decoder(of_file(draft_store._read_drafts), (json.dumps(DRAFT).encode(),), ()),
    "saved-views": Decoder(_views, (b'[["mine", "vid=42", "", true]]',), (ValueError,)),
    "known-endpoints": Decoder(
        of_each(known_endpoints.parse_endpoints, known_endpoints.parse_files_endpoint),
        (known_endpoints.encode_endpoints({b"d" * 16: "tcp://h:1"}), b"bundle:///x"),
        (),
    ),
    # What the system and the terminal say.
    "terminal-answer": Decoder(parse_answer, (b"a\x1b]11;rgb:ffff/0000/1e1e\x07b",), ()),
    "mounts": Decoder(of_file(list_sticks), (b"36 35 8:1 / /media/a\\040b rw - ext4 /dev/sda1 rw\n",), ()),
    "usb": Decoder(
        of_folder(
            evidence.read_usb_devices,
            *(f"bus/usb/devices/1-1/{name}" for name in ("idVendor", "idProduct", "product", "serial", "bDeviceClass")),
        ),
        (b"1d6b\n",),
        (),
    ),
    "dmi": Decoder(of_folder(evidence.read_dmi, "class/dmi/id/product_name"), (b"PC 7\n",), ()),
    "netlink": Decoder(
        lambda data: [list(evidence._attributes(part)) for _, part in evidence._attributes(data)],
        (b"\x0c\x00\x03\x00\x08\x00\x01\x00eth0",),
        (),
    ),
    "equipment-file": Decoder(of_file(template_file.read_text), (b"printer = a\n",)),
}
