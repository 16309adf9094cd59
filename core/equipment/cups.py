"""The default printer of the CUPS server, by CUPS's own tools.

`lpstat` ends with 0 also when there is no server, so the server is asked for first; texts of CUPS are not shown alone,
since they can be "Success" where something was refused.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from core.equipment import process
from core.errors import FieldlineError
from core.values import quote_value

SERVER_VARIABLE = "CUPS_SERVER"
TOOL_TIMEOUT_S = 10.0
"""A server that reloads answers after up to six seconds."""
READ_BACK_TRIES, READ_BACK_INTERVAL_S = 5, 0.2
"""A server that reloads forgets its default for a moment."""
_NO_HOME = "/nonexistent"


def _tool(name: str, *arguments: str) -> list[str]:
    server = os.environ.get(SERVER_VARIABLE)
    return [name, *(["-h", server] if server else []), *arguments]


async def _ask(*arguments: str) -> str:
    # What the person who runs this prefers is not the server's default.
    argv = _tool("lpstat", *arguments)
    output = await process.run(argv, timeout_s=TOOL_TIMEOUT_S, env={"HOME": _NO_HOME})
    return output.text.strip()


async def check_server() -> None:
    """Raise FieldlineError if CUPS does not run."""
    if not (await _ask("-r")).endswith("scheduler is running"):
        raise FieldlineError("CUPS does not run on this device: start it (systemctl start cups).")


async def read_default() -> str | None:
    """The server's default queue, None if there is none.

    Raises FieldlineError where that cannot be known.
    """
    await check_server()
    answer = await _ask("-d")
    if answer.startswith("system default destination: "):
        return answer.removeprefix("system default destination: ").strip()
    if answer.startswith("no system default"):
        # Between the two questions the server may have gone.
        await check_server()
        return None
    raise FieldlineError("lpstat does not say which printer is the default: {answer}", answer=quote_value(answer))


def user_override() -> tuple[Path, str] | None:
    """A file in which a user or the device prefers another queue, and that queue."""
    for path in (Path.home() / ".cups" / "lpoptions", Path("/etc/cups/lpoptions")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] == "Default":
                return path, words[1].partition("/")[0]
    return None


def override_problem(path: Path, queue: str) -> FieldlineError:
    """What to do about a preference that is stronger than the server's default."""
    return FieldlineError(
        "{path} prefers {queue} to the default of this device: delete its line that begins with Default.",
        path=str(path),
        queue=quote_value(queue),
    )


async def set_default(queue: str) -> None:
    """Make a queue the server's default.

    Raises FieldlineError if there is no such queue, or nobody may.
    """
    await check_server()
    if queue not in (await _ask("-e")).splitlines():
        raise FieldlineError(
            "There is no print queue {queue} on this device: add it with lpadmin, or correct the value.",
            queue=quote_value(queue),
        )
    # Where a person's shell does not look, though a member of lpadmin may call it.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    output = await process.run(_tool("lpadmin", "-d", queue), timeout_s=TOOL_TIMEOUT_S, env={"PATH": path})
    if output.code != 0:
        raise FieldlineError(
            "CUPS did not take {queue} as the default (lpadmin: {reason}): run this as root or as a member of the "
            "group lpadmin.",
            queue=quote_value(queue),
            reason=quote_value(output.reason),
        )


async def read_back(queue: str) -> str | None:
    """The server's default after it was set.

    Asked again for a moment if it is not the one.
    """
    found = await read_default()
    for _ in range(READ_BACK_TRIES):
        if found == queue:
            break
        await asyncio.sleep(READ_BACK_INTERVAL_S)
        found = await read_default()
    return found
