"""Devices that own nothing but a key and the block format.

What they sign reaches a home in a bundle.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.body import Fact
from core.chain import Tip, advance, first_tip
from core.changes import Block, Change, decode_block, sign_block
from core.header import device_id, sign
from core.salt_tree import SEED_BYTES
from core.sync.bundle_file import BundleWriter
from core.value_codec import ID_BYTES
from tests.support.cli import Answer, Terminal


def now_us() -> int:
    return time.time_ns() // 1000


class Attacker:
    """A key, and the chain that its holder has written so far."""

    def __init__(self, fleet: str, key: Ed25519PrivateKey | None = None) -> None:
        self.fleet = bytes.fromhex(fleet)
        self.key = key or Ed25519PrivateKey.generate()
        self.device = device_id(self.key.public_key().public_bytes_raw())
        self.tip: Tip | None = None
        self.person = secrets.token_bytes(ID_BYTES)

    def write(self, *facts: Fact, at: int | None = None) -> Block:
        """The next change of this device's chain."""
        change = Change(self.person, now_us() if at is None else at, None, facts)
        block = sign_block(change, self.key, self.fleet, secrets.token_bytes(SEED_BYTES), self.tip)
        self.tip = advance(self.tip, block.header) if self.tip else first_tip(block.header)
        return block

    def copy(self) -> Attacker:
        """Another holder of the same key, who goes on from here."""
        other = Attacker(self.fleet.hex(), self.key)
        other.tip = self.tip
        return other

    def write_after(self, previous: Block, *facts: Fact) -> Block:
        """A change that names any change as the one before it."""
        honest = Attacker(self.fleet.hex(), self.key).write(*facts)
        place = previous.header.fields.position + 1
        fields = replace(honest.header.fields, position=place, previous=previous.id, past=secrets.token_bytes(32))
        return decode_block(sign(fields, self.key, self.fleet).data + honest.body.data)


def feed(home: Terminal, blocks: Sequence[Block]) -> Answer:
    """Import a bundle of these blocks; what the program does with it is its business."""
    fleet = bytes.fromhex(home.ask("status")["fleet"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attack.fieldline"
        writer = BundleWriter(path, fleet, len(blocks))
        writer.write_blocks([block.data for block in blocks])
        writer.finish()
        return home.call("import", str(path), "--json")


def block_of(home: Terminal, change: str) -> Block:
    """A change of a home, by its id in hex."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.fieldline"
        home.ask("export", str(path), "--plain")
        from core.sync.bundle_file import check_bundle

        contents = check_bundle(path, bytes.fromhex(home.ask("status")["fleet"]))
        return decode_block(contents.blocks([bytes.fromhex(change)])[0])


def state_of(home: Terminal, attacker: Attacker) -> tuple[str, str] | None:
    """Role and state of a device, None if nobody speaks of it."""
    members = home.ask("members")
    return next(((m["role"], m["state"]) for m in members if m["device"] == attacker.device.hex()), None)
