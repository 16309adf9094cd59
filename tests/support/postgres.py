"""A PostgreSQL of one's own, on a socket in a folder; nothing of it is left."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


def find_programs() -> Path | None:
    """The folder with initdb and pg_ctl, the newest.

    None where there is no PostgreSQL.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


class Cluster:
    """A server that one starts and stops.

    As root it runs as the user postgres, since it refuses root.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._data = folder / "data"
        self._socket = folder / "s"
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        for each in (self._data, self._socket):
            each.mkdir()
            if os.geteuid() == 0:
                shutil.chown(each, self._user)
        self._run(
            "initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"
        )

    def _run(self, program: str, *arguments: str) -> None:
        as_user: Sequence[str] = ("setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups")
        command = [*(as_user if os.geteuid() == 0 else ()), str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", timeout=120)

    def start(self, more: str = "") -> None:
        settings = f"-c listen_addresses= -c unix_socket_directories={self._socket} -c fsync=off {more}"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._data / "log"), "-o", settings, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def dsn(self, database: str = "postgres", options: str = "") -> str:
        return f"postgresql://postgres@/{database}?host={self._socket}{options}"
