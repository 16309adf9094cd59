"""Commands that are run, and what they do with what they are given to read."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from core.equipment import process
from core.errors import FieldlineError
from tests.support.deadlines import deadline

MUCH = b"x" * 1_000_000
"""More than any pipe holds."""
MOMENT_S = 0.05
"""In which asyncio closes the pipes of what has ended."""


async def reported(folder: Path, script: str, stdin: bytes) -> tuple[process.Output, list[dict[str, Any]]]:
    """Run a script; gives what came of it, and what asyncio reported beside."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    async with deadline():
        output = await process.run(["sh", "-c", script], folder=folder, timeout_s=60, stdin=stdin)
    await collect()
    return output, reports


async def collect() -> None:
    """Have whatever nobody refers to any more reported."""
    await asyncio.sleep(MOMENT_S)
    gc.collect()
    await asyncio.sleep(0)


@pytest.mark.parametrize("stdin", [b"", b"x", MUCH], ids=len)
@pytest.mark.parametrize("script", ["exit 3", "exec <&-; sleep 0.05; exit 3", "cat >/dev/null; exit 3"])
async def test_a_command_need_not_read_what_it_is_given(tmp_path: Path, script: str, stdin: bytes) -> None:
    output, reports = await reported(tmp_path, script, stdin)
    assert (output.code, reports) == (3, [])


async def test_a_command_reads_all_of_it_and_its_end(tmp_path: Path) -> None:
    output, reports = await reported(tmp_path, "wc -c", MUCH)
    assert (output.stdout.strip(), reports) == (str(len(MUCH)).encode(), [])


async def test_one_that_takes_too_long_is_stopped_while_it_is_given_more(tmp_path: Path) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
    with pytest.raises(FieldlineError, match="did not end within"):
        await process.run(["sh", "-c", "sleep 600"], folder=tmp_path, timeout_s=0.2, stdin=MUCH)
    await collect()
    assert reports == []
