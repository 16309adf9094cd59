"""List the removable disks that are mounted, and find a folder's own one.

Sources: proc_pid_mountinfo(5); Linux Documentation/ABI/stable/sysfs-block (`removable`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
SYSFS = Path("/sys")
MAX_MOUNTINFO_BYTES = 1 << 20
MAX_STICKS = 16
"""More than a device has ports."""


def list_sticks(mountinfo: Path = MOUNTINFO, sysfs: Path = SYSFS) -> list[Path]:
    """Where removable disks, and disks at a USB port, are mounted.

    Empty where the system does not tell.
    """
    try:
        with mountinfo.open("rb") as file:
            lines = file.read(MAX_MOUNTINFO_BYTES).splitlines()
    except OSError:
        return []
    found: dict[bytes, Path] = {}
    for line in lines:
        fields = line.split(b" ")
        # Of a disk that is mounted at several places the first is enough, and only its root: no container's bind mount.
        if len(fields) > 4 and fields[3] == b"/" and fields[2] not in found and _is_removable(fields[2], sysfs):
            found[fields[2]] = Path(os.fsdecode(_unescape(fields[4])))
    return sorted(found.values())[:MAX_STICKS]


def is_on_same_disk(one: Path, other: Path) -> bool:
    """Whether two paths are in one file system; False where that is not to be seen."""
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError:
        return False


def _is_removable(number: bytes, sysfs: Path) -> bool:
    if not re.fullmatch(rb"[0-9]{1,7}:[0-9]{1,7}", number):
        return False
    try:
        device = (sysfs / "dev" / "block" / number.decode()).resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    if any(part.startswith("usb") for part in device.relative_to(device.anchor).parts):
        return True
    # A partition is a folder in that of its disk.
    return any(_reads_one(folder / "removable") for folder in (device, device.parent))


def _reads_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2).strip() == b"1"
    except OSError:
        return False


def _unescape(path: bytes) -> bytes:
    """Give a path with its octal escapes replaced.

    Those of blanks, tabs, line ends and backslashes.
    """
    return re.sub(rb"\\([0-7]{3})", lambda digits: bytes([int(digits[1], 8) & 0xFF]), path)
