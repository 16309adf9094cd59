"""Sticks are found by their disks' attributes, not by where they are mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.service.mounted_sticks import MAX_STICKS, is_on_same_disk, list_sticks


def disk(sysfs: Path, number: str, place: str, removable: str) -> None:
    """A disk of sysfs with one partition, `number` is the partition's."""
    folder = sysfs / "devices" / place
    (folder / "sdx1").mkdir(parents=True)
    (folder / "removable").write_text(f"{removable}\n")
    (sysfs / "dev" / "block").mkdir(parents=True, exist_ok=True)
    (sysfs / "dev" / "block" / number).symlink_to(folder / "sdx1")


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    disk(tmp_path, "8:1", "pci0000:00/ata1/sda", "0")
    disk(tmp_path, "8:17", "pci0000:00/usb1/1-1/sdb", "0")
    disk(tmp_path, "179:1", "platform/mmc0/mmcblk0", "1")
    return tmp_path


def mounts(folder: Path, *lines: str) -> Path:
    path = folder / "mountinfo"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_removable_disks_and_those_at_usb_are_sticks(sysfs: Path) -> None:
    reported = mounts(
        sysfs,
        "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
        r"30 22 8:17 / /media/usb\040stick rw - vfat /dev/sdb1 rw",
        "31 22 179:1 / /run/media/user/CARD rw - exfat /dev/mmcblk0p1 rw",
        "32 22 8:17 /sub /srv/bind rw - vfat /dev/sdb1 rw",
        "33 22 0:5 / /dev rw - devtmpfs udev rw",
    )
    assert list_sticks(reported, sysfs) == [Path("/media/usb stick"), Path("/run/media/user/CARD")]


@pytest.mark.parametrize("line", ["", "x", "1 2 ../..:1 / /x", "1 2 8:17", "1 2 99:99 / /x", "1 2 8:17 /sub /x"])
def test_what_cannot_be_read_is_no_stick(sysfs: Path, line: str) -> None:
    assert list_sticks(mounts(sysfs, line), sysfs) == []


def test_where_the_system_tells_nothing_there_is_none(tmp_path: Path) -> None:
    assert list_sticks(tmp_path / "none", tmp_path) == []


def test_no_more_than_there_are_ports(sysfs: Path) -> None:
    for index in range(40):
        disk(sysfs, f"7:{index}", f"usb2/{index}", "1")
    reported = mounts(sysfs, *(f"3{index} 1 7:{index} / /m/{index:02} rw - vfat x rw" for index in range(40)))
    assert len(list_sticks(reported, sysfs)) == MAX_STICKS


def test_the_same_disk_is_distinguished_from_another(tmp_path: Path) -> None:
    assert is_on_same_disk(tmp_path, tmp_path.parent)
    assert not is_on_same_disk(tmp_path, Path("/proc"))
    assert not is_on_same_disk(tmp_path, tmp_path / "none")
