"""Where devices and files were synced with, as this device keeps it for itself.

Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from core.parsers import parse_json

ENDPOINTS_META_KEY = "tui.sync.targets"
"""At which endpoint it synced with which device."""
FILES_META_KEY = "tui.sync.files"
"""At which folder or file it synced last."""
_MAX_ENDPOINTS = 200
"""Endpoints that are remembered, the latest first: more devices than a fleet has within reach."""


def parse_endpoints(kept: bytes | None) -> dict[bytes, str]:
    """Where devices were met; what cannot be read is as if it were not there."""
    try:
        data = parse_json(bytes(kept)) if kept is not None else {}
        return {bytes.fromhex(device): str(target) for device, target in data.items()}
    except (ValueError, AttributeError):
        return {}


def encode_endpoints(targets: Mapping[bytes, str]) -> bytes:
    """The bytes that `parse_endpoints` reads."""
    some = list(targets.items())[:_MAX_ENDPOINTS]
    return json.dumps({device.hex(): target for device, target in some}).encode()


def parse_files_endpoint(kept: bytes | None) -> str:
    """The folder or file that was synced with last, as a target.

    Empty if there was none.
    """
    text = bytes(kept or b"").decode("utf-8", "replace")
    return text if text.startswith("bundle://") else ""
