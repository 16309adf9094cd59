"""What the frame of all screens tells, and how the terminal UI was asked to behave. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from tui.view_models.device_role import DeviceAccess


@dataclass(frozen=True, slots=True)
class Options:
    """How the UI behaves; `zone` None is the machine's own time zone. `discovery` looks for devices in the network,
    `equipment` at where this device is and what it has.
    """

    readonly: bool = False
    plain: bool = False
    zone: tzinfo | None = None
    discovery: bool = False
    equipment: bool = False
    theme: str = "terminal"


@dataclass(frozen=True, slots=True)
class AppStatus:
    """What the frame tells: names, when another device was last met, and how this one stands in its fleet."""

    fleet: str = ""
    device: str = ""
    synced_at: int | None = None
    access: DeviceAccess = "writes"
