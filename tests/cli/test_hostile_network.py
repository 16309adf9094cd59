"""Anybody may announce anything in the network.

Whoever serves stays small, calls nobody for it, and does its work.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText
from zeroconf.const import _CLASS_IN, _CLASS_UNIQUE, _FLAGS_QR_RESPONSE, _TYPE_A, _TYPE_PTR, _TYPE_SRV, _TYPE_TXT

from core.sync.discovery.announcement import SERVICE_TYPE, make_txt_record
from core.sync.discovery.dial_scheduler import MAX_NAMES_PER_DEVICE, MAX_PEER_NAMES
from tests.cli.conftest import Pair
from tests.cli.test_discovery import GROUP, LOOPBACK, PLACE, pytestmark, serving
from tests.support.deadlines import until

__all__ = ["pytestmark"]

NAMES = 3000
NAMES_AT_ONCE = 50
"""Fewer packets than a socket's buffer holds: whoever serves reads each of them, however busy the machine is."""
MDNS_PORT = 5353
MEMORY = 200_000_000


def announced(name: str, record: bytes, port: int) -> list[bytes]:
    """The packets of somebody who announces a service of this name."""
    out = DNSOutgoing(_FLAGS_QR_RESPONSE)
    host = f"{name.split('.', maxsplit=1)[0]}.local."
    unique = _CLASS_IN | _CLASS_UNIQUE
    out.add_answer_at_time(DNSPointer(SERVICE_TYPE, _TYPE_PTR, _CLASS_IN, 4500, name), 0)
    out.add_answer_at_time(DNSService(name, _TYPE_SRV, unique, 4500, 0, 0, port, host), 0)
    out.add_answer_at_time(DNSText(name, _TYPE_TXT, unique, 4500, record), 0)
    out.add_answer_at_time(DNSAddress(host, _TYPE_A, unique, 120, socket.inet_aton(LOOPBACK)), 0)
    return out.packets()


def txt(record: dict[str, str]) -> bytes:
    pairs = [f"{key}={value}".encode() for key, value in record.items()]
    return b"".join(bytes([len(pair)]) + pair for pair in pairs)


def test_a_flood_of_lies_is_no_trouble(pair: Pair) -> None:
    one, two = pair
    ids = two.ask("status")
    fleet, device = bytes.fromhex(ids["fleet"]), bytes.fromhex(ids["device"])
    chance = random.Random(3)
    with (
        serving(one) as (first,),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar,
        socket.create_server((LOOPBACK, 0)) as trap,
    ):
        liar.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
        port = trap.getsockname()[1]
        for number in range(NAMES):
            name = f"{chance.randbytes(16).hex()}.{SERVICE_TYPE}"
            record = [
                txt(make_txt_record(fleet, chance.randbytes(16), chance.randbytes(16))),
                txt(make_txt_record(fleet, chance.randbytes(16), device)),
                txt({"fleet": "x" * 200, "root": "\x1b[2J", "device": ""}),
                chance.randbytes(chance.randrange(1, 400)),
                b"",
            ][number % 5]
            for packet in announced(name, record, port):
                liar.sendto(packet, (GROUP, MDNS_PORT))
            liar.sendto(chance.randbytes(chance.randrange(1, 1400)), (GROUP, MDNS_PORT))
            if number % NAMES_AT_ONCE == 0:
                until(lambda: has_read_all(first.process.pid))
        until(lambda: has_read_all(first.process.pid))
        assert rss(first.process.pid) < MEMORY
        # It still finds who is really there, and tells what it has.
        one.ask("set", PLACE, "printer=x")
        with serving(two) as (second,):
            until(lambda: one.root() == two.root())
            second.stop()
        assert len(one.ask("peers", "--wait", "1")) <= MAX_PEER_NAMES + MAX_NAMES_PER_DEVICE
        assert rss(first.process.pid) < MEMORY
        first.stop()
    met = [event for event in first.events if event["event"] == "met"]
    assert {event["peer"] for event in met} == {ids["device"]}


def has_read_all(process: int) -> bool:
    """Whether a process listens to the network, and no packet of it waits in a buffer."""
    # Not readlink, which fails for a descriptor that was closed since it was listed.
    links = {each.resolve().name for each in Path(f"/proc/{process}/fd").iterdir()}
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    waiting = [int(row[4].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in links]
    return bool(waiting) and not any(waiting)


def rss(process: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096
