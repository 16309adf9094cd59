"""A sealed key in use: who asks for the passphrase, how, and what does without."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.device.home import KEY_FILE
from tests.cli.conftest import Pair
from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.pty_app import started

PASSPHRASE = "correct horse battery"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\nsecond line\n")
    return str(file)


def test_the_key_is_sealed_used_and_unsealed(device: Terminal, secret: str, tmp_path: Path) -> None:
    own = device.ask("status")["device"]
    plain = (device.home / KEY_FILE).read_bytes()
    assert device.ask("key", "seal", "--passphrase-file", secret) == {"device": own, "sealed": True}
    assert (device.home / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in (device.home / KEY_FILE).read_bytes()
    # What only reads, and what says that all is well, needs no passphrase.
    assert device.ask("status")["device"] == own
    assert device.ask("members")[0]["device"] == own
    assert device.call("doctor").code == 0
    assert device.call("verify").code == 0
    assert device.ask("backup", str(tmp_path / "copy.db"))["changes"] > 0
    # What signs does.
    assert "--passphrase-file" in device.refused("new", "locality", "code=999", code=1)
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong horse battery\n")
    assert "not the passphrase" in device.refused(
        "--passphrase-file", str(wrong), "new", "locality", "code=999", code=1
    )
    assert device.call("--passphrase-file", secret, "new", "locality", "code=999").code == 0
    assert "sealed already" in device.refused("key", "seal", "--passphrase-file", secret, code=1)
    assert "not the passphrase" in device.refused("key", "unseal", "--passphrase-file", str(wrong), code=1)
    assert device.ask("key", "unseal", "--passphrase-file", secret) == {"device": own, "sealed": False}
    assert (device.home / KEY_FILE).read_bytes() == plain
    assert "not sealed" in device.refused("key", "unseal", "--passphrase-file", secret, code=1)
    assert device.call("new", "locality", "code=998").code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "no passphrase"), (b"\n\n", "no passphrase"), (b"\xff\xfe\n", "no passphrase"), (b"short\n", "too short")],
)
def test_a_file_without_a_passphrase_changes_nothing(
    device: Terminal, tmp_path: Path, content: bytes, says: str
) -> None:
    before = (device.home / KEY_FILE).read_bytes()
    (tmp_path / "file").write_bytes(content)
    answer = device.call("key", "seal", "--passphrase-file", str(tmp_path / "file"))
    assert (answer.code in (1, 2), answer.out, answer.err.count("\n")) == (True, "", 1)
    assert says in answer.err
    assert "cannot be read" in device.refused("key", "seal", "--passphrase-file", str(tmp_path / "none"), code=1)
    assert (device.home / KEY_FILE).read_bytes() == before


def test_a_descriptor_and_standard_input_do_as_well(device: Terminal) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tui.cli", *device.globals, *arguments]
        return subprocess.run(
            command, input=PASSPHRASE + "\n", capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE_S, check=False
        )

    assert call("key", "seal", "--passphrase-file", "-").returncode == 0
    assert call("--passphrase-file", "/dev/fd/0", "new", "locality", "code=997").returncode == 0
    # Without a terminal nobody is asked, whatever waits at standard input.
    answer = call("new", "locality", "code=996")
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (1, "", 1)
    assert call("key", "unseal", "--passphrase-file", "-").returncode == 0


def typed(terminal: Terminal, *arguments: str, answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run a call on a terminal of its own and answer its questions.

    Gives the exit code, and all that was shown.
    """
    with started(terminal.home, *arguments) as program:
        shown = ""
        for question, answer in answers:
            program.wait_for(question)
            shown += program.output.decode(errors="replace")
            program.output = b""
            program.send(answer.encode() + b"\n")
        program.wait_for_end()
        program.read(0.05)
        assert program.ended is not None
        return os.waitstatus_to_exitcode(program.ended), shown + program.output.decode(errors="replace")


def test_at_a_terminal_it_is_asked_for_and_not_shown(device: Terminal) -> None:
    code, shown = typed(device, "key", "seal", answers=[("New passphrase", PASSPHRASE), ("Again", PASSPHRASE + "x")])
    assert (code, "not the same" in shown) == (2, True)
    code, shown = typed(device, "key", "seal", answers=[("New passphrase", PASSPHRASE), ("Again", PASSPHRASE)])
    assert code == 0, shown
    code, more = typed(device, "new", "locality", "code=995", answers=[("Passphrase", PASSPHRASE)])
    assert (code, more.count("Passphrase")) == (0, 1), more
    assert PASSPHRASE not in shown + more


def test_a_sealed_device_serves_and_syncs(pair: Pair, secret: str) -> None:
    one, two = pair
    for terminal in pair:
        terminal.ask("key", "seal", "--passphrase-file", secret)
    two.ask("--passphrase-file", secret, "new", "locality", "code=994")
    arguments = ("serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery")
    # Without the passphrase it says so before it listens.
    refused = one.alone(*arguments)
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    process = one.process(*arguments, env={"FIELDLINE_PASSPHRASE_FILE": secret})
    try:
        assert process.stderr is not None
        port = process.stderr.readline().strip().rsplit(":", 1)[1]
        target = f"tcp://127.0.0.1:{port}"
        assert "sealed" in two.refused("sync", target, code=1)
        assert two.ask("--passphrase-file", secret, "sync", target)["sent"] == 1
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=DEADLINE_S)
        assert [json.loads(line)["event"] for line in out.splitlines()] == ["met"]
    finally:
        process.kill()
        process.communicate()
    assert one.root() == two.root()


def test_a_copy_holds_the_key_only_if_that_is_asked_for(device: Terminal, tmp_path: Path) -> None:
    device.ask("backup", str(tmp_path / "copy.db"))
    assert sorted(each.name for each in tmp_path.glob("copy*")) == ["copy.db"]
    key = (device.home / KEY_FILE).read_bytes()
    seed = key.splitlines()[1]
    assert seed not in (tmp_path / "copy.db").read_bytes()
    made = device.ask("backup", str(tmp_path / "copy.db"), "--with-key")
    assert made["key"] == str(tmp_path / "copy.db.key")
    assert (tmp_path / "copy.db.key").read_bytes() == key
    assert (tmp_path / "copy.db.key").stat().st_mode & 0o777 == 0o600


def test_a_device_changes_its_key_and_stays_the_same_member(
    pair: Pair, secret: str, meet: Callable[[Terminal, Terminal], None]
) -> None:
    one, two = pair
    two.ask("key", "seal", "--passphrase-file", secret)
    old = two.ask("status")["device"]
    assert "--passphrase-file" in two.refused("key", "rotate", code=1)
    found = two.ask("key", "rotate", "--passphrase-file", secret)
    assert (found["replaces"], found["sealed"]) == (old, True) and found["device"] != old
    assert two.ask("status")["device"] == found["device"]
    log = two.call("log", "--limit", "1").out
    assert "not configured → has a new key" in log and "successor" not in log, log
    assert two.call("--passphrase-file", secret, "new", "locality", "code=999").code == 0
    two.ask("--passphrase-file", secret, "key", "unseal")
    meet(one, two)
    assert one.ask("show", "locality:999")["kind"] == "locality"
    states = {each["device"]: (each["name"], each["state"], each["replaced_by"]) for each in one.ask("members")}
    assert states[found["device"]] == ("K2", "active", None)
    assert states[old] == ("K2", "revoked", found["device"])
    assert "new key since" in one.refused("revoke", old)
    assert one.ask("revoke", "K2")["device"] == found["device"]


def test_a_recovery_key_is_printed_once_or_kept_in_a_file(tmp_path: Path, secret: str) -> None:
    one = Terminal(tmp_path / "K1")
    printed = one.call("init", "--fleet", "Nord", "--device", "K1")
    written = re.search(r"(?:[A-Z2-7]{5}-){10}[A-Z2-7]{5}", printed.err)
    assert written and written[0] not in printed.out
    (tmp_path / "paper").write_text(written[0].lower())
    one.ask("admit", "ab" * 16, "--role", "admin", "--name", "Lost")
    found = one.ask("key", "recover", "--recovery-file", str(tmp_path / "paper"), "--revoke", "Lost")
    assert (found["role"], found["state"], found["revoked"]) == ("admin", "active", ["ab" * 16])
    assert "nobody to ask" in one.refused("key", "recover", code=1)
    assert "eleven groups" in one.refused("key", "recover", "--recovery-file", secret)
    other = Terminal(tmp_path / "K2")
    file = tmp_path / "nord.key"
    other.ask("--passphrase-file", secret, "init", "--fleet", "Nord", "--recovery-file", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert other.ask("--passphrase-file", secret, "key", "recover", "--recovery-file", str(file))["role"] == "admin"
    assert "there already" in Terminal(tmp_path / "K3").refused(
        "--passphrase-file", secret, "init", "--fleet", "Nord", "--recovery-file", str(file)
    )
    refused = one.refused("--passphrase-file", secret, "key", "recover", "--recovery-file", str(file))
    assert "not the recovery key" in refused
