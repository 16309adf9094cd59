"""Keeps edits that are not applied.

So that a session that was cut off loses none of them.

Each session has a file of its own in the device's home, locked while the session lives; one whose session is gone is
taken over by the next session of the same user. No fact is made of a draft here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import FieldlineError
from core.parsers import parse_json
from core.slots import Candidate, Slot, slot_of
from core.value_codec import decode_value, encode_value
from tui.draft import Draft

DRAFTS_FOLDER = "drafts"
_FORMAT = 1
"""The version of the files; one of another version is left alone."""


class DraftStore:
    """The drafts of one user in one session.

    `adopt` and `write` may raise OSError; both block.
    """

    def __init__(self, home: Path, user: str) -> None:
        self._folder = home / DRAFTS_FOLDER
        self._prefix = hashlib.blake2b(user.encode(), digest_size=8).hexdigest()
        self._path = self._folder / f"{self._prefix}-{os.urandom(8).hex()}.json"
        self._descriptor: int | None = None
        self._adopted: list[tuple[Path, int]] = []

    def adopt(self) -> dict[bytes, Draft]:
        """Return the drafts of sessions of this user that have ended.

        Their files go with the next `write`.

        Several may have edited the same entity: of each property the edit that was kept last counts.
        """
        drafts: dict[bytes, Draft] = {}
        for path in sorted(self._folder.glob(f"{self._prefix}-*.json"), key=_written_at):
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                if (left := _read_drafts(path) if _try_lock(descriptor) else None) is None:
                    os.close(descriptor)
                    continue
                self._adopted.append((path, descriptor))
                for draft in left:
                    drafts.setdefault(draft.entity, Draft(draft.entity, draft.kind)).merge(draft)
        return drafts

    def write(self, text: str) -> None:
        """Keep what `encode_drafts` returned in place of what was kept before.

        Returns when it is on the disk.
        """
        if text:
            self._replace_file(text)
        elif self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
        for path, descriptor in self._adopted:
            path.unlink(missing_ok=True)
            os.close(descriptor)
        self._adopted = []

    def close(self) -> None:
        """Let another session take over what is kept."""
        for descriptor in (*(descriptor for _path, descriptor in self._adopted), self._descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self._adopted, self._descriptor = [], None

    def _replace_file(self, text: str) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            new.rename(self._path)
        except BaseException:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor


def encode_drafts(drafts: Mapping[bytes, Draft]) -> str:
    """What a file holds of these drafts; empty for none."""
    import json

    kept = [_encode_draft(draft) for draft in drafts.values() if len(draft)]
    return json.dumps({"format": _FORMAT, "drafts": kept}) if kept else ""


def _written_at(path: Path) -> float:
    """When a file was written.

    One that another session has just taken over is passed over later.
    """
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def _try_lock(descriptor: int) -> bool:
    """Lock a file for this session, if no other one lives that has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_drafts(path: Path) -> list[Draft] | None:
    """The drafts of a file.

    None of one that is not whole or that another version wrote, which stays for that one.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
        return [_decode_draft(each) for each in data["drafts"]] if data["format"] == _FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError, OSError, FieldlineError):
        return None


def _encode_draft(draft: Draft) -> dict[str, Any]:
    return {
        "entity": draft.entity.hex(),
        "kind": draft.kind,
        "edits": {
            name: [encode_value(value).hex(), [_encode_leaf(leaf) for leaf in draft.base_slots[name].leaves]]
            for name, value in draft.wanted.items()
        },
    }


def _decode_draft(data: dict[str, Any]) -> Draft:
    draft = Draft(bytes.fromhex(data["entity"]), data["kind"])
    for name, (value, leaves) in data["edits"].items():
        base_slot: Slot = slot_of([_decode_leaf(leaf) for leaf in leaves])
        draft.base_slots[name], draft.wanted[name] = base_slot, decode_value(bytes.fromhex(value))
    return draft


def _encode_leaf(leaf: Candidate) -> list[Any]:
    return [
        leaf.fact.hex(),
        encode_value(leaf.value).hex(),
        leaf.user,
        leaf.device.hex(),
        leaf.at_us,
        leaf.note,
        leaf.effective_us,
        leaf.person.hex(),
        leaf.clock,
    ]


def _decode_leaf(data: list[Any]) -> Candidate:
    fact, value, user, device, at, note, effective, person, clock = data
    return Candidate(
        bytes.fromhex(fact),
        decode_value(bytes.fromhex(value)),
        user,
        bytes.fromhex(device),
        at,
        note,
        effective,
        bytes.fromhex(person),
        clock,
    )
