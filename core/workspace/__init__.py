"""The use cases: everything that a person can do with one device, whatever the face.

The terminal UI and the command line call `Workspace` and nothing below it but views, records, schemas and errors.
"""

from __future__ import annotations

from core.device.context import EditResult, system_clock
from core.workspace.workspace import Workspace

__all__ = ["EditResult", "Workspace", "system_clock"]
