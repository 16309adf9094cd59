"""The use cases: everything that a person can do with one device, whatever the face.

The terminal UI and the command line call `Workspace` and nothing below it but views, records, schemas and errors.
"""

from __future__ import annotations

from core.workspace.context import Written, system_clock
from core.workspace.workspace import Workspace

__all__ = ["Workspace", "Written", "system_clock"]
