"""What this device sees of where it is.

Interfaces by rtnetlink, docking stations and DMI from sysfs.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path

from core.equipment.location import ADDRESS, Evidence

SYSFS_VARIABLE, DEFAULT_SYSFS = "FIELDLINE_SYSFS", "/sys"

MAX_USB_DEVICES = 128
"""All that fits on one bus; what is beyond is not looked at."""
MAX_ATTRIBUTE_BYTES = 256

_NLMSG_DONE, _NLMSG_ERROR = 3, 2
_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND = 1, 3, 18, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFF_UP, _IFF_LOOPBACK, _IFF_RUNNING = 0x1, 0x8, 0x40
_UNUSABLE = 0x40 | 0x08  # IFA_F_TENTATIVE, IFA_F_DADFAILED: not this device's address yet, or not at all
_RECEIVE_BYTES = 1 << 18

_TUNNELS = ("tun", "wireguard", "ipip", "gre", "sit", "vti")
_BRIDGES = ("docker", "br-", "virbr", "cni", "lxcbr", "lxdbr", "podman", "flannel", "cali")
"""How the interfaces of containers and virtual machines begin: their networks are inside this device."""
_HUB_CLASS = "09"


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface that is up, with its addresses."""

    name: str
    mac: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """Something plugged in.

    Its port, its ids and serial number, and what it calls itself.
    """

    port: str
    vendor: str
    product: str
    serial: str
    title: str
    is_hub: bool

    @property
    def mark(self) -> str:
        """How the fleet writes it: `17e9:6006 #A1B2`."""
        return f"{self.vendor}:{self.product}" + (f" #{self.serial}" if self.serial else "")


def sysfs_root() -> Path:
    """Where sysfs is: `FIELDLINE_SYSFS`, for tests, or the system's."""
    return Path(os.environ.get(SYSFS_VARIABLE) or DEFAULT_SYSFS)


# --- USB and DMI ------------------------------------------------------------------------------------------------------


def list_usb_ports(root: Path) -> tuple[str, ...]:
    """The names of the devices on the USB, sorted. No USB at all is nothing special."""
    try:
        names = os.listdir(root / "bus/usb/devices")  # noqa: PTH208 - once a second, without an object a device
    except OSError:
        return ()
    # `1-4:1.0` is an interface of 1-4, and usb1 is the controller itself.
    return tuple(sorted(n for n in names if ":" not in n and not n.startswith("usb"))[:MAX_USB_DEVICES])


def usb_snapshot(root: Path) -> tuple[tuple[str, int, int], ...]:
    """What is different when something was plugged in or out, also at the same port.

    Cheap enough for once a second.
    """
    folder, found = f"{root}/bus/usb/devices/", []
    for port in list_usb_ports(root):
        times = [0, 0]
        for place, path in enumerate((folder + port, f"{folder}{port}/serial")):
            with suppress(OSError):
                times[place] = os.stat(path).st_mtime_ns  # noqa: PTH116 - once a second for every device
        found.append((port, times[0], times[1]))
    return tuple(found)


def read_usb_devices(root: Path) -> list[UsbDevice]:
    """The devices on the USB."""
    found = []
    for port in list_usb_ports(root):
        folder = root / "bus/usb/devices" / port
        vendor, product = _attribute(folder / "idVendor").lower(), _attribute(folder / "idProduct").lower()
        if vendor and product:
            title = _attribute(folder / "product")
            is_hub = _attribute(folder / "bDeviceClass") == _HUB_CLASS
            found.append(UsbDevice(port, vendor, product, _attribute(folder / "serial"), title, is_hub))
    return found


def read_dmi(root: Path) -> list[Evidence]:
    """What the mainboard calls itself, as `dmi` evidence.

    Asset tag and serial numbers, where they may be read.
    """
    names = ("chassis_asset_tag", "board_asset_tag", "product_serial", "board_serial", "product_name")
    values = ((name, _attribute(root / "class/dmi/id" / name)) for name in names)
    return [Evidence("dmi", value, name) for name, value in values if value]


def _attribute(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        return file.read(MAX_ATTRIBUTE_BYTES).decode("utf-8", "replace").strip("\0 \t\r\n")
    return ""


def usb_evidence(devices: list[UsbDevice]) -> list[Evidence]:
    """All that may be a docking station.

    A bare hub without a serial number is nothing that one could be known by.
    """
    return [
        Evidence("docking-station", each.mark, f"usb {each.port}") for each in devices if each.serial or not each.is_hub
    ]


# --- interfaces -------------------------------------------------------------------------------------------------------


def read_interfaces(also: tuple[str, ...] = ()) -> list[Interface]:
    """The interfaces that are up and lead somewhere.

    Loopback, tunnels and the bridges of containers are left out, but for those whose names are in `also`; so are
    link-local addresses.
    """
    if not hasattr(socket, "AF_NETLINK"):
        return []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
            netlink.settimeout(1.0)
            netlink.bind((0, 0))
            links = dict(_links(netlink, also))
            addresses: dict[int, list[IPv4Interface | IPv6Interface]] = {index: [] for index in links}
            for index, address in _addresses(netlink):
                if index in addresses and not address.ip.is_link_local and not address.ip.is_loopback:
                    addresses[index].append(address)
    except OSError:
        return []
    return [Interface(name, mac, tuple(addresses[index])) for index, (name, mac) in links.items()]


def address_evidence(interfaces: list[Interface]) -> list[Evidence]:
    """The addresses as evidence."""
    return [Evidence(ADDRESS, str(address), each.name) for each in interfaces for address in each.addresses]


def _links(netlink: socket.socket, also: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, str]]]:
    for body in _dump(netlink, _RTM_GETLINK, _RTM_NEWLINK, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)):
        if len(body) < 16:
            continue
        _family, _type, index, flags, _change = struct.unpack_from("=BxHiII", body)
        attributes = dict(_attributes(body[16:]))
        name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
        if not flags & _IFF_UP or not flags & _IFF_RUNNING:
            continue
        info = dict(_attributes(attributes.get(_IFLA_LINKINFO, b"")))
        kind = info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode("ascii", "replace")
        inside = flags & _IFF_LOOPBACK or kind in _TUNNELS or name.startswith(_BRIDGES)
        if not inside or name in also:
            yield index, (name, attributes.get(_IFLA_ADDRESS, b"").hex(":"))


def _addresses(netlink: socket.socket) -> Iterator[tuple[int, IPv4Interface | IPv6Interface]]:
    for body in _dump(netlink, _RTM_GETADDR, _RTM_NEWADDR, struct.pack("=BBBBi", socket.AF_UNSPEC, 0, 0, 0, 0)):
        if len(body) < 8:
            continue
        _family, prefix, flags, _scope, index = struct.unpack_from("=BBBBi", body)
        attributes = dict(_attributes(body[8:]))
        if len(attributes.get(_IFA_FLAGS, b"")) == 4:
            flags = struct.unpack("=I", attributes[_IFA_FLAGS])[0]
        raw = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
        if flags & _UNUSABLE:
            continue
        with suppress(ValueError):
            yield index, ip_interface(f"{ip_address(raw)}/{prefix}")


def _dump(netlink: socket.socket, request: int, wanted: int, body: bytes) -> Iterator[bytes]:
    netlink.send(struct.pack("=IHHII", 16 + len(body), request, _DUMP, 1, 0) + body)
    while True:
        data = netlink.recv(_RECEIVE_BYTES)
        while len(data) >= 16:
            size, kind = struct.unpack_from("=IH", data)
            if kind in (_NLMSG_DONE, _NLMSG_ERROR) or size < 16:
                return
            if kind == wanted:
                yield data[16:size]
            data = data[(size + 3) & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        if size < 4:
            return
        yield kind & 0x3FFF, data[4:size]
        data = data[(size + 3) & ~3 :]
