"""The recipes of docs/integration.md do what they say, as they stand there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from core.hooks.settings import parse_hooks
from tests.cli.test_inventory import SCHEMA
from tests.cli.test_processes import serving
from tests.support.cli import ROOT, Terminal
from tests.support.polling import wait_until

TEXT = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
HOOKS = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)]


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A device that has hosts, where programs find `fieldline`."""
    (tmp_path / "hosts.toml").write_text(SCHEMA + 'properties.mac = { type = "mac" }\n')
    made = Terminal(tmp_path / "home")
    made.ask("init", "--fleet", "Nord", "--schema", str(tmp_path / "hosts.toml"))
    made.ask("new", "locality", "code=241")
    program = tmp_path / "bin" / "fieldline"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tui.cli "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return made


def recipe(name: str, folder: Path) -> Path:
    """Write the program of a recipe into a folder."""
    (text,) = [block for block in re.findall(r"```(?:python|sh)\n(.*?)```", TEXT, re.DOTALL) if f"\n# {name}:" in block]
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def chat() -> Iterator[tuple[str, list[Any]]]:
    """A chat that does not work at first; gives where it is, and what was posted."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if len(posted) > 1 else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hooks/KEY", posted
    server.shutdown()
    thread.join()
    server.server_close()


def write_hook(device: Terminal, **hooks: object) -> None:
    (device.home / "settings.toml").write_text(tomli_w.dumps({"hooks": hooks}))


def test_the_hooks_are_hooks() -> None:
    found = [hook for settings in HOOKS for hook in parse_hooks(settings)]
    assert len(found) == 4
    assert [hook.name for hook in found if hook.problem is not None] == []


def test_the_reservations_are_kept(device: Terminal, tmp_path: Path) -> None:
    target, signalled = tmp_path / "dnsmasq-hosts", tmp_path / "signalled"
    program = recipe("dhcp-reservations", tmp_path)
    write_hook(device, dhcp={"run": [str(program), str(target), "touch", str(signalled)], "kind": "host"})
    with serving(device):
        asyncio.run(wait_until((device.home / "hooks.json").exists))
        device.ask("new", "host", "name=core", "address=10.24.1.1", "mac=02:00:00:00:00:01")
        device.ask("new", "host", "name=x y", "address=10.24.1.2", "mac=02:00:00:00:00:02")
        wanted = "02:00:00:00:00:01,10.24.1.1,core\n"
        asyncio.run(wait_until(lambda: target.exists() and target.read_text() == wanted))
        device.ask("retire", "host:core")
        asyncio.run(wait_until(lambda: target.read_text() == ""))
    assert signalled.exists()


def test_the_chat_gets_its_message_once_it_works(device: Terminal, tmp_path: Path, chat: tuple[str, list[Any]]) -> None:
    url, posted = chat
    write_hook(device, chat={"run": [str(recipe("chat-message", tmp_path)), url], "property": "address"})
    with serving(device) as (_target, process):
        asyncio.run(wait_until((device.home / "hooks.json").exists))
        device.ask("new", "host", "name=core", "address=10.24.1.1")
        assert process.stdout is not None
        outcomes = [json.loads(process.stdout.readline())["outcome"] for _attempt in range(2)]
    assert outcomes == ["failed", "done"]
    assert posted == [{"text": "Maier: host:core address: None -> 10.24.1.1"}] * 2


def test_the_inventory_is_that_of_the_device(device: Terminal, tmp_path: Path) -> None:
    device.ask("new", "host", "name=core", "address=10.24.1.1", "locality=locality:241")
    program = recipe("fleet", tmp_path)
    program.write_text(program.read_text().replace("/var/lib/fieldline", str(device.home)))
    done = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["locality_241"] == {"hosts": ["core"]}
