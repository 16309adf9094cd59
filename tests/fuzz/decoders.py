"""The table of all that reads bytes or text from outside."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fuzz.decoder import Decoder
from tests.fuzz.files import FILES
from tests.fuzz.wire import WIRE

DECODERS: dict[str, Decoder] = {**WIRE, **FILES}

ROOT = Path(__file__).parent.parent.parent
_FROM_OUTSIDE = (
    *("bytes", "str", "bytes | str", "bytes | None", "Path", "Value", "Any", "object", "Mapping[str, Any]"),
    *("dict[str, Any]", "Iterable[bytes | str]", "BinaryIO"),
)
_DEFINITION = re.compile(
    r"^ *def ((?:decode|parse|unpack|from_bytes|loads?|read|correct)(?:_\w+)?)\(\s*(?:self, |cls, )?\w+: "
    rf"(?:{'|'.join(map(re.escape, _FROM_OUTSIDE))})[,)]",
    re.MULTILINE,
)

NO_DECODERS = {
    "core/body.py:read_checked_body": "takes what `decode_body` has accepted",
    "core/changes.py:read_checked_block": "takes what `decode_block` has accepted",
    "core/header.py:read_checked_header": "takes what `decode_header` has accepted",
    "core/equipment/plan.py:read_only_problem": "makes an error",
    "core/schema_toml.py:load_builtin_schema": "takes a name of ours",
    "core/service/serial_sync.py:read_cable_status": "looks at the open cable of a port",
    "core/service/service_status.py:read_status": "reads `peer-status`, while a service runs",
    "core/store/connection.py:load_block": "takes rows of the store, which `decode_block` has accepted",
    "core/store/indexes/merkle_table.py:read_branch": "takes a prefix",
    "core/store/indexes/merkle_table.py:read_ids": "takes a prefix",
    "core/sync/reconcile/group_code.py:decode": "needs a state: tests/core/sync/test_fuzz.py leads there",
    "core/sync/reconcile/merkle.py:read_branch": "takes a prefix",
    "core/sync/reconcile/merkle.py:read_ids": "takes a prefix",
    "tui/cli/fleet.py:load_schema": "takes a name, or reads `schema`",
    "tui/terminal/profile.py:read_profile": "takes the name of a theme",
}
"""What is named like a decoder and is none, or is tried elsewhere, and why."""


def named_like_decoders() -> list[str]:
    """Find functions with the name and first parameter of a decoder: `file:name`."""
    return [
        f"{path.relative_to(ROOT)}:{found[1]}"
        for room in ("core", "tui")
        for path in sorted((ROOT / room).rglob("*.py"))
        for found in _DEFINITION.finditer(path.read_text())
    ]
