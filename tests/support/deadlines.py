"""How long a test waits for what has to come, however busy the machine is; only what hangs takes so long."""

from __future__ import annotations

PATIENCE = 120.0
"""Seconds."""
