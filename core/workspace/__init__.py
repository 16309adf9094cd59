"""The use cases: all that a person can do with one device.

The terminal UI and the command line call `Workspace` and nothing below it but views, records, schemas and errors. What
`__all__` names is public: docs/python.md says how it is used, and what is promised of it.
"""

from __future__ import annotations

from core.device.context import EditResult, system_clock
from core.errors import FieldlineError, Refused
from core.records import Edit, Record, diff_edits, make_edit
from core.schema import Kind, Property, Schema
from core.slots import Absent, Agreed, Candidate, Conflict, Slot
from core.store.queries.log import LogEntry, LogFilter
from core.store.view import View
from core.value_codec import Ref, Value
from core.workspace.workspace import Workspace

__all__ = [
    "Absent",
    "Agreed",
    "Candidate",
    "Conflict",
    "Edit",
    "EditResult",
    "FieldlineError",
    "Kind",
    "LogEntry",
    "LogFilter",
    "Property",
    "Record",
    "Ref",
    "Refused",
    "Schema",
    "Slot",
    "Value",
    "View",
    "Workspace",
    "diff_edits",
    "make_edit",
    "system_clock",
]
