"""An afternoon of an integrator.

Real hosts out into a table, edited in a spreadsheet, back in, two hooks, one undo.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.cli.test_processes import serving
from tests.support.cli import Terminal
from tests.support.polling import wait_until

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "site-history.jsonl"
EDITED = 50
HOOKS = {
    "moved": {"run": ["sh", "-c", "cat >> moved"], "kind": "host", "property": "location"},
    "hosts": {"run": ["sh", "-c", "cat >> hosts"], "kind": ["host"]},
}


def edit_as_a_spreadsheet_does(table: bytes) -> tuple[bytes, list[str]]:
    """Another location for some rows.

    Semicolons, CRLF, a mark of UTF-8, quotes only where they are needed.
    """
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    keys = []
    for number, row in enumerate(rows[:: len(rows) // EDITED][:EDITED]):
        row["location"] = f"Regal {number}; oben"
        keys.append(row["key"])
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode("utf-8-sig"), keys


def given(device: Terminal, hook: str) -> list[dict[str, Any]]:
    """What a hook was given."""
    path = device.home / hook
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.skipif(not HISTORY.exists(), reason="the history is kept outside of this repository")
def test_fifty_of_all_hosts_are_edited_in_a_table_reported_by_hooks_and_undone(tmp_path: Path) -> None:
    device = Terminal(tmp_path / "K1", "Integrator")
    device.ask("init", "--fleet", "Sites", "--schema", "site-network", "--device", "K1")
    device.ask("import", str(HISTORY))
    before = {each["key"]: each["values"] for each in device.ask("list", "host")}
    assert len(before) == 430

    table = tmp_path / "hosts.csv"
    assert device.ask("export", "--kind", "host", str(table)) == {"rows": 430}
    assert device.ask("import", str(table), "--kind", "host")["facts"] == 0, "as it is it changes nothing"
    edited, keys = edit_as_a_spreadsheet_does(table.read_bytes())
    table.write_bytes(edited)
    assert len(keys) == EDITED

    (device.home / "settings.toml").write_text(tomli_w.dumps({"name": "K1", "hooks": HOOKS}))
    with serving(device):
        asyncio.run(wait_until((device.home / "hooks.json").exists))
        planned = device.ask("import", str(table), "--kind", "host", "--dry-run")
        assert (planned["new"], planned["changed"], planned["same"], planned["conflicts"]) == (0, EDITED, 380, 0)
        done = device.ask("import", str(table), "--kind", "host", "--note", "moved")
        assert (done["changes"], done["facts"]) == (1, EDITED)
        asyncio.run(wait_until(lambda: all(len(given(device, hook)) >= EDITED for hook in HOOKS)))
        for hook in HOOKS:
            shown = given(device, hook)
            assert Counter(each["key"] for each in shown) == Counter(keys), "each value once"
            assert {each["property"] for each in shown} == {"location"}
    after = {each["key"]: each["values"] for each in device.ask("list", "host")}
    assert sorted(key for key in after if after[key] != before[key]) == sorted(keys)
    assert after[keys[7]]["location"] == "Regal 7; oben"

    assert device.ask("undo", "--last")["undone"] == done["change"]
    assert {each["key"]: each["values"] for each in device.ask("list", "host")} == before
