"""The mirror in PostgreSQL beside plain COPY of the same rows.

Rate, memory, bytes a fact, and a change's way into SQL.

`make bench mirror FACTS=1000000` takes more facts than the 100,000 of the default. Nothing is asserted.

The yardstick is the same rows in the same run and on the same server, in one transaction. It gets them ready, from
memory and in the binary form, where the mirror has to read, decode and name them. Bare tables have no keys, partitions
or statistics, which leaves out what PostgreSQL does for the mirror's; those with keys show how much that is, though the
mirror makes most of its keys afterwards, which is cheaper. Neither is analyzed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import psycopg

from tests.bench._bighome import HISTORY, kept
from tests.core.mirror.test_reports import REPORTS
from tests.support.postgres import Cluster, find_programs

FACTS = int(os.environ.get("FACTS", "100000"))
TABLES = ("facts", "leaf_details", "obsoletes", "changes", "entities", "properties", "inbox", "persons", "devices")
_SITE = "SELECT encode(entity, 'hex') FROM fieldline.kind_site WHERE NOT retired LIMIT 1"
RENAMED = {
    "kind_place": "kind_host", "locality, printer": "site, printer", "BY locality, places": "BY site, places",
    "'printer'": "'model'", "printer": "model",
    "kind = 'locality' AND property = 'name'": "kind = 'site' AND property = 'altitude'",
}  # fmt: skip
"""What the reports ask for, in this fleet."""
_PARTITIONS = (
    "SELECT relname, pg_get_expr(relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
    " WHERE inhparent = 'fieldline.facts'::regclass"
)
REPETITIONS = 3
"""Of each report, as other work on the machine makes some of them slow."""
CHANGES = 5
"""Of which it is measured when they are in SQL."""


def _command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tui.cli", "--home", str(home), "--user", "Maier", *arguments]


def _server_cpu(dsn: str) -> float:
    """The CPU seconds of all processes of the server that have ended."""
    time.sleep(0.5)  # those whose connection was just closed are about to
    with psycopg.connect(dsn) as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    pid = (Path(folder) / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """Seconds that passed, and those of CPU, of the client and of the server."""

    seconds: float
    client_cpu: float
    server_cpu: float
    memory: int = 0

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.client_cpu:.1f} + {self.server_cpu:.1f} s of CPU)"

    def ratio(self, other: Load) -> str:
        cpu = (self.client_cpu + self.server_cpu) / (other.client_cpu + other.server_cpu)
        return f"x{self.seconds / other.seconds:.2f} (by CPU x{cpu:.2f})"


def _open_once(home: Path) -> None:
    """Bring a kept home to the store's version of today.

    That is not the mirror's work, and can take as long.
    """
    subprocess.run(_command(home, "status"), check=True, capture_output=True)


def _mirror_once(home: Path, dsn: str) -> Load:
    """Mirror all; the memory is the most of the process in MB."""
    before = _server_cpu(dsn)
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(_command(home, "mirror", dsn, "--once", "--json"), stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        out.seek(0)
        seconds = float(json.load(out)["seconds"])
    return Load(seconds, usage.ru_utime + usage.ru_stime, _server_cpu(dsn) - before, usage.ru_maxrss // 1024)


def _plain_copy(dsn: str, *, with_keys: bool) -> Load:
    """COPY of the mirror's rows, into bare tables or with its keys and partitions."""
    rows = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES:
            data = io.BytesIO()
            with connection.cursor().copy(f"COPY (SELECT * FROM fieldline.{table}) TO STDOUT (FORMAT BINARY)") as copy:
                for some in copy:
                    data.write(some)
            rows[table] = data.getvalue()
            made = f"CREATE TABLE public.{table} (LIKE fieldline.{table}{' INCLUDING ALL' if with_keys else ''})"
            connection.execute(f"DROP TABLE IF EXISTS public.{table}")
            if with_keys and table == "facts":
                connection.execute(f"{made} PARTITION BY RANGE (effective_at)")
                for name, bound in connection.execute(_PARTITIONS).fetchall():
                    connection.execute(f"CREATE TABLE public.{name} PARTITION OF public.facts {bound}")
            else:
                connection.execute(made)
    server, client = _server_cpu(dsn), time.process_time()
    begun = time.perf_counter()
    with psycopg.connect(dsn) as connection:
        for table, some in rows.items():
            with connection.cursor().copy(f"COPY public.{table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(some)
    seconds = time.perf_counter() - begun
    return Load(seconds, time.process_time() - client, _server_cpu(dsn) - server)


def _bytes_a_fact(dsn: str) -> float:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) / (SELECT count(*) FROM fieldline.facts) FROM pg_class c"
            " WHERE relnamespace = 'fieldline'::regnamespace AND relkind = 'r'"
        ).fetchone()
        assert row is not None
        return float(row[0])


@contextmanager
def _running(home: Path, dsn: str) -> Iterator[None]:
    process = subprocess.Popen(_command(home, "mirror", dsn, "--json"), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _seconds_until_visible(home: Path, dsn: str) -> list[float]:
    """How long changes take from saved to visible in SQL, while a mirror runs."""
    found = []
    with psycopg.connect(dsn, autocommit=True) as listening, _running(home, dsn):
        listening.execute("LISTEN fieldline")
        (entity,) = listening.execute(_SITE).fetchone() or ("",)
        for number in range(CHANGES):
            subprocess.run(_command(home, "set", entity, f"altitude={number}"), check=True, capture_output=True)
            begun = time.perf_counter()
            next(iter(listening.notifies(timeout=60, stop_after=1)))
            found.append(time.perf_counter() - begun)
    return found


def _seconds(connection: psycopg.Connection, query: bytes) -> float:
    begun = time.perf_counter()
    connection.execute(query).fetchall()
    return time.perf_counter() - begun


def _report_times(dsn: str) -> dict[str, float]:
    """The least seconds of each report of the document, about what this fleet has."""
    found = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for title, report in REPORTS.items():
            asked = reduce(lambda text, names: text.replace(*names), RENAMED.items(), report)
            found[title] = min(_seconds(connection, asked.encode()) for _ in range(REPETITIONS))
    return found


def run() -> None:
    """Print the figures."""
    print(f"mirror: {FACTS:,} facts into PostgreSQL")
    programs = find_programs()
    if programs is None or not HISTORY.exists():
        print(
            "  left out: there is no PostgreSQL here, or no ../shared/data/site-history.jsonl to take the shapes from"
        )
        return
    folder = Path(tempfile.mkdtemp(prefix="flbench"))
    folder.chmod(0o755)
    try:
        cluster = Cluster(folder, programs)
        cluster.start()
        try:
            _measure(folder, cluster)
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, cluster: Cluster) -> None:
    for facts in (FACTS // 10, FACTS):
        home = folder / str(facts)
        with kept(facts) as built:
            assert built is not None
            shutil.copytree(built, home)
        _open_once(home)
        name = f"d{facts}"
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        dsn = cluster.dsn(name)
        load = _mirror_once(home, dsn)
        size = _bytes_a_fact(dsn)
        plain, keyed = (_plain_copy(dsn, with_keys=with_keys) for with_keys in (False, True))
        with psycopg.connect(dsn) as connection:
            (count,) = connection.execute("SELECT count(*) FROM fieldline.facts").fetchone() or (0,)
        print(
            f"  {count:>9,} facts, machine load {os.getloadavg()[0]:.0f}: the whole mirror {load}, {load.memory} MB of"
            f" memory, {size:.0f} bytes a fact\n"
            f"    plain COPY of the same rows into bare tables {plain}: {plain.ratio(load)} of its rate (goal: x0.35)\n"
            f"    the same with the mirror's keys and partitions {keyed}: {keyed.ratio(load)}"
        )
    reports = _report_times(dsn)
    slowest = max(reports, key=lambda title: reports[title])
    print(
        f"  {len(reports)} reports: {statistics.median(reports.values()):.2f} s each, at most {reports[slowest]:.2f} s"
        f" ({slowest}; budget: 2 s)"
    )
    times = _seconds_until_visible(home, dsn)
    print(
        f"  a change is visible in SQL {statistics.median(times):.2f} s after it was saved, at most {max(times):.2f} s"
        " (budget: 2 s)"
    )


if __name__ == "__main__":
    run()
