"""The options of the terminal UI, and what the frame of all screens shows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from tui.view_models.device_role import DeviceAccess


@dataclass(frozen=True, slots=True)
class Options:
    """How the terminal UI behaves.

    `plain` draws in ASCII; `zone` None is the machine's time zone; `discovery` looks for devices in the network,
    `equipment` at where this device is and what it has; `here_only` keeps a kiosk at this place;
    `pair_port` is where this device listens while it is open for pairing, 0 for any.
    """

    readonly: bool = False
    plain: bool = False
    zone: tzinfo | None = None
    discovery: bool = False
    equipment: bool = False
    theme: str = "terminal"
    here_only: bool = False
    pair_port: int = 7421


@dataclass(frozen=True, slots=True)
class AppStatus:
    """What the frame shows: names, when this device last synced (microseconds since 1970 UTC), what it may do."""

    fleet: str = ""
    device: str = ""
    synced_at: int | None = None
    access: DeviceAccess = "writes"
