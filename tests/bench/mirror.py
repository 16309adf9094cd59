"""The mirror in PostgreSQL beside plain COPY of the same rows.

Rate, memory, bytes a fact, and a change's way into SQL.

`make bench mirror FACTS=1000000` takes more facts than the 100,000 of the default. Nothing is asserted.
"""

from __future__ import annotations

import asyncio
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
from functools import reduce
from pathlib import Path

import psycopg

from tests.bench._bighome import HISTORY, build
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
CHANGES = 5
"""Of which it is measured when they are in SQL."""


def _command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tui.cli", "--home", str(home), "--user", "Maier", *arguments]


def _mirror_once(home: Path, dsn: str) -> tuple[float, int]:
    """Mirror all; gives its seconds and the most memory of the process in MB."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(_command(home, "mirror", dsn, "--once", "--json"), stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        out.seek(0)
        return float(json.load(out)["seconds"]), usage.ru_maxrss // 1024


def _plain_copy(dsn: str) -> float:
    """The seconds of COPY for the mirror's rows, without keys and partitions."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = {}
        for table in TABLES:
            data = io.BytesIO()
            with connection.cursor().copy(f"COPY (SELECT * FROM fieldline.{table}) TO STDOUT (FORMAT BINARY)") as copy:
                for some in copy:
                    data.write(some)
            rows[table] = data.getvalue()
            connection.execute(f"CREATE TABLE public.{table} (LIKE fieldline.{table})")
        begun = time.perf_counter()
        with connection.transaction():
            for table, some in rows.items():
                with connection.cursor().copy(f"COPY public.{table} FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(some)
        return time.perf_counter() - begun


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


def _report_times(dsn: str) -> dict[str, float]:
    """The seconds of each report of the document, about what this fleet has."""
    found = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for title, report in REPORTS.items():
            asked = reduce(lambda text, names: text.replace(*names), RENAMED.items(), report)
            begun = time.perf_counter()
            connection.execute(asked.encode()).fetchall()
            found[title] = time.perf_counter() - begun
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
        asyncio.run(build(home, facts=facts, conflicts=facts // 100))
        name = f"d{facts}"
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        dsn = cluster.dsn(name)
        seconds, memory = _mirror_once(home, dsn)
        plain = _plain_copy(dsn)
        with psycopg.connect(dsn) as connection:
            (count,) = connection.execute("SELECT count(*) FROM fieldline.facts").fetchone() or (0,)
        print(
            f"  {count:>9,} facts: {count / seconds:9,.0f}/s the whole mirror, {count / plain:9,.0f}/s plain COPY of"
            f" the same rows: x{plain / seconds:.2f}; {memory} MB of memory; {_bytes_a_fact(dsn):.0f} bytes a fact"
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
