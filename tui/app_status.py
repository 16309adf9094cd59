"""The options of the terminal UI, and what the frame of all screens shows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from tui.view_models.device_role import DeviceAccess


@dataclass(frozen=True, slots=True)
class Options:
    """How the terminal UI behaves.

    `plain` draws in ASCII; `zone` None is the machine's time zone; `discovery` looks for devices in the network,
    `equipment` at where this device is and what it has; `here_only` keeps a kiosk at this place. `colours` is how many
    there are, as `tui.looks.colour_depth` says; `slow` saves bytes; `typed_ahead` was typed before keys were read;
    `details_delay_s` is how many seconds the cursor rests before the details follow, `message_s` after how many a
    message goes away (0: at the next key); `pair_port` is where this device listens while it is open for pairing, 0 for
    any.
    """

    readonly: bool = False
    plain: bool = False
    zone: tzinfo | None = None
    discovery: bool = False
    equipment: bool = False
    theme: str = "dark"
    colours: str = "true"
    slow: bool = False
    typed_ahead: bytes = b""
    details_delay_s: float = 0.0
    message_s: float = 0.0
    here_only: bool = False
    pair_port: int = 7421


@dataclass(frozen=True, slots=True)
class AppStatus:
    """What the frame shows.

    Names, when this device last synced (microseconds since 1970 UTC), what it may do.
    """

    fleet: str = ""
    device: str = ""
    synced_at: int | None = None
    access: DeviceAccess = "writes"
