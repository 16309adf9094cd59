"""What `serve` writes: one object a line, and none of its secrets."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import tomli_w

from core.device.home import KEY_FILE
from core.fleet_secrets import SECRET_PROPERTIES
from core.identity import load_identity
from tests.cli.conftest import Pair
from tests.cli.test_pair import both
from tests.cli.test_processes import PLACE, serving
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until

PASSPHRASE = "correct horse battery"
PASSWORD = "hunter2pass"
VALUE = "Brix 4711 at the door"


class Sealed(Terminal):
    """Somebody in front of a device with a sealed key."""

    @property
    def globals(self) -> list[str]:
        return [*super().globals, "--passphrase-file", str(self.home / "passphrase")]


def sealed(device: Terminal) -> Terminal:
    file = device.home / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    device.ask("key", "seal", "--passphrase-file", str(file))
    return Sealed(device.home)


def fleet_secrets(device: Terminal, plain: Path) -> list[bytes]:
    """The secret of the genesis and the keys of all epochs, which are facts in hex."""
    device.ask("export", str(plain), "--plain")
    found = []
    for name in SECRET_PROPERTIES:
        for behind in plain.read_bytes().split(name.encode())[1:]:
            start = next(at for at in range(8) if behind[at : at + 2] in (b"\x78\x40", b"\x78\x3c"))
            found.append(bytes.fromhex(behind[start + 2 : start + 2 + behind[start + 1]].decode()))
    return found


def spellings(secret: bytes) -> list[bytes]:
    return [secret, secret.hex().encode(), b64encode(secret).rstrip(b"="), urlsafe_b64encode(secret).rstrip(b"=")]


class Log:
    """The lines that a process has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.text = ""

    def read_until(self, *wanted: dict[str, str]) -> None:
        """Read until there was an event with each of these fields, in any order."""
        assert self._process.stdout is not None
        missing = list(wanted)
        while missing:
            line = self._process.stdout.readline()
            assert line, f"{missing} did not come: {self.text}"
            self.text += line
            event = json.loads(line)
            missing = [each for each in missing if not each.items() <= event.items()]

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        out, err = self._process.communicate(timeout=DEADLINE_S)
        self.text += out + err
        assert self._process.returncode == 0 and not err


def settle_digits(admin: Terminal, joiner: Terminal) -> str:
    """Pair a new device, and give the digits that both screens showed."""
    with both("tcp", admin, joiner, "--role", "reader", "--name", "K4") as sides:
        digits = [side.digits() for side in sides]
        for side in sides:
            side.read_until("Does the other screen")
            side.answer("same")
        assert [side.end()[0] for side in sides] == [0, 0]
    assert digits[0] == digits[1]
    return digits[0]


def test_the_log_of_serve_has_no_secret_and_no_value(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    stranger, revoked = Terminal(tmp_path / "other", "Eve"), Terminal(tmp_path / "K3", "Jones")
    stranger.ask("init", "--fleet", "Nord")
    device = revoked.ask("join", one.ask("status")["fleet"])["device"]
    one.ask("admit", device, "--role", "technician", "--name", "K3")
    one.ask("revoke", device)
    secrets = fleet_secrets(one, tmp_path / "plain")
    assert len(secrets) == 2, "that of the genesis, and of the epoch since the revocation"
    secrets.append(load_identity(one.home / KEY_FILE).private_key.private_bytes_raw())
    one = sealed(one)
    settings = {
        "name": "K1",
        "mirror": {"dsn": f"postgresql://mirror:a@{PASSWORD}@127.0.0.1:1/fleet"},
        "hooks": {"broken": {"run": ["false"], "attempts": 1}},
    }
    (one.home / "settings.toml").write_text(tomli_w.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    with serving(one, "--peer", nobody) as (target, process):
        log = Log(process)
        asyncio.run(wait_until((one.home / "hooks.json").exists))
        two.ask("set", PLACE, f"printer={VALUE}")
        two.ask("sync", target)
        stranger.refused("sync", target, code=1)
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as garbage:
            garbage.sendall(f"GET / HTTP/1.1\r\nAuthorization: {PASSWORD}\r\n\r\n".encode())
            garbage.recv(1 << 16)
        digits = settle_digits(one, Terminal(tmp_path / "K4", "Ann"))
        log.read_until(
            {"event": "hook", "outcome": "given-up"},
            {"event": "met"},
            *({"event": "failed", "link": link} for link in ("tcp", "mirror")),
        )
        log.end()
    events = [json.loads(line) for line in log.text.splitlines()]
    assert {event["event"] for event in events} == {"met", "failed", "hook"}
    assert {event["link"] for event in events if event["event"] == "failed"} == {"tcp", "mirror"}
    written = log.text.encode()
    for secret in (*secrets, PASSPHRASE.encode(), PASSWORD.encode()):
        assert not [spelling for spelling in spellings(secret) if spelling in written]
    for text in (VALUE, digits, digits.replace(" ", "")):
        assert text not in log.text
