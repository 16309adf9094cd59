"""What is not there or could be two things is refused in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Pair
from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S

PLACE = "place:241/Entrance right"


@pytest.mark.parametrize("name", ["nix", "print", "locality:241", "member.name"])
def test_log_knows_only_properties_that_there_are(device: Terminal, name: str) -> None:
    message = device.refused("log", PLACE, name)
    assert name in message and "printer" in message


@pytest.mark.parametrize("name", ["printer", "Printer", "PRINTER", "Drucker", "kind", "retired"])
def test_log_takes_a_property_by_its_name_or_label(device: Terminal, name: str) -> None:
    assert device.call("log", PLACE, name, "--json").code == 0


def test_show_before_it_existed_says_so(device: Terminal) -> None:
    message = device.refused("show", PLACE, "--at", "2020-01-01", code=1)
    assert "did not exist yet" in message and "2020" in message
    assert "did not know" in device.refused("show", PLACE, "--known-at", "2020-01-01", "--json", code=1)


@pytest.mark.parametrize(
    "table",
    [
        '[{"name":"P","locality":"241","printer":"one","printer":"two"}]',
        '[{"name":"P","locality":{"ref":"x","ref":"y"}}]',
    ],
)
def test_a_key_that_is_there_twice_is_refused_in_a_table(device: Terminal, tmp_path: Path, table: str) -> None:
    (tmp_path / "t.json").write_text(table)
    assert "twice" in device.refused("import", str(tmp_path / "t.json"), "--kind", "place")


def test_a_key_that_is_there_twice_is_refused_at_a_shell(device: Terminal) -> None:
    assert "twice" in device.refused("set", PLACE, 'locality:={"ref":"locality:241","ref":"locality:242"}')


def test_an_empty_home_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", "--home", "", "init", "--fleet", "F"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 2 and "--home is empty" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that there is not")
@pytest.mark.parametrize("verb", [["status"], ["tui"], ["--version"], ["init", "--fleet", "F"]])
def test_a_user_without_a_home_learns_how_to_name_one(verb: list[str]) -> None:
    if any(folder.stat().st_mode & 0o005 != 0o005 for folder in (ROOT, *ROOT.parents)):
        pytest.skip("other users may not read this clone")
    call = f"import os, sys; os.setgroups([]); from tui.cli.main import run; os.setuid(54321);sys.exit(run({verb!r}))"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", call], env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert "should not have happened" not in done.stderr
    if verb in (["status"], ["init", "--fleet", "F"]):
        assert done.returncode == 2 and "FIELDLINE_HOME" in done.stderr


def test_two_devices_of_one_name_are_distinguished_by_id(device: Terminal) -> None:
    ids = ["11" * 16, "22" * 16]
    for each in ids:
        shown = device.call("admit", each, "--role", "technician", "--name", "H1").err
    assert 'Another device is called "H1", too' in shown
    message = device.refused("revoke", "H1")
    assert all(each in message for each in ids)
    assert device.call("revoke", ids[0]).code == 0


def test_before_the_first_sync_it_says_that_there_is_no_schema(device: Terminal, tmp_path: Path) -> None:
    new = Terminal(tmp_path / "new")
    new.ask("join", device.ask("status")["fleet"], "--device", "K9")
    for verb in (
        ["list", "place"],
        ["new", "place", "name=x"],
        ["show", "place:1"],
        ["set", "place:1", "name=x"],
        ["log", "deadbeef"],
        ["watch", "place"],
    ):
        assert "sync with a device" in new.refused(*verb)


def test_an_unknown_column_is_reported_as_the_head(device: Terminal, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,locality,nix\nP,241,x\n")
    message = device.refused("import", str(tmp_path / "t.csv"), "--kind", "place")
    assert "head" in message and '"nix"' in message and "Row" not in message


def test_columns_and_properties_are_taken_by_label(device: Terminal, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Name,Lokalität,Drucker\nP,241,Brix\n")
    labels = device.call("schema", "show").out
    head = "Name,locality,Drucker" if "Lokalität" not in labels else "Name,Lokalität,Drucker"
    (tmp_path / "t.csv").write_text(f"{head}\nP,241,Brix\n")
    device.ask("import", str(tmp_path / "t.csv"), "--kind", "place")
    assert device.ask("show", "place:241/P")["slots"]["printer"]["value"] == "Brix"
    device.ask("set", "place:241/P", "Printer=Acme")
    device.ask("set", "place:241/P", "DRUCKER=Acme 2")
    assert "twice" in device.refused("set", "place:241/P", "Printer=a", "Drucker=b")
    assert device.ask("list", "place", "--where", "Drucker=Acme 2")
    device.ask("clear", "place:241/P", "Printer")
    assert device.ask("show", "place:241/P")["slots"]["printer"]["value"] is None


def test_a_table_and_a_bundle_come_from_stdin(pair: Pair, tmp_path: Path, meet: Callable[..., None]) -> None:
    device, other = pair
    process = device.process("import", "-", "--kind", "place", "--json", stdin=subprocess.PIPE)
    _out, err = process.communicate("name,locality,printer\nP,241,Brix\n", timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert device.ask("show", "place:241/P")["slots"]["printer"]["value"] == "Brix"
    device.ask("export", str(tmp_path / "all"))
    with (tmp_path / "all").open("rb") as stream:
        assert other.alone("import", "-", stdin=stream).code == 0
    assert other.root() == device.root()
