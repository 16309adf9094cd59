"""What verbs cost beside git and plain SQLite on the same history.

CPU with the start of each program included, the slowest of some calls. Git has a JSON file for each entity, a property
a line, and a commit for each change. SQLite has a table of facts with indices, asked from Python: it keeps neither
signatures nor conflicts, and is there as the least that disk and interpreter cost. What one of them has not is left
empty.

`make bench peers FACTS=1000000` takes more facts than the 100,000 of the default. Prints figures; nothing is asserted.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import _bighome
from tests.bench.scale import LATER, MIDDLE, YEAR_BEGIN, YEAR_END, Cost, finish, start

FACTS = int(os.environ.get("FACTS", "100000"))
MAX_CALLS, ENOUGH_S = 3, 1
"""Calls of one verb at most, and seconds of CPU of one after which it is not called again."""

ENTITY = "site:0.ak36"
"""What the history changes most often."""

_TABLES = """
CREATE TABLE changes (id INTEGER PRIMARY KEY, at INTEGER, user TEXT, comment TEXT);
CREATE TABLE facts (kind TEXT, entity TEXT, property TEXT, value TEXT, change INTEGER);
CREATE INDEX changes_at ON changes (at);
CREATE INDEX facts_slot ON facts (kind, entity, property, change);
CREATE INDEX facts_change ON facts (change);
"""
_ASK = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    for row in database.execute(sys.argv[2]):
        print(*row, sep="\\t")
"""


@dataclass(frozen=True)
class Question:
    """A verb's arguments, and what the others are asked.

    None for what one has not.
    """

    verb: tuple[str, ...]
    git: str | None = None
    sql: str | None = None


@dataclass(frozen=True)
class Answer:
    """Seconds of CPU of each; None for what one has not."""

    name: str
    ours: float
    git: float | None
    sqlite: float | None

    def __str__(self) -> str:
        """Make a line: ours, git, sqlite, and how often ours is each of these."""
        others = (self.git, self.sqlite)
        costs = (f"{'' if other is None else f'{other:.2f}':>10}" for other in others)
        # CPU is known to a hundredth of a second.
        ratios = (f"{'' if other is None else f'x {self.ours / max(other, 0.01):.2g}':>11}" for other in others)
        return "".join((f"{self.ours:10.2f}", *costs, *ratios)).rstrip()


HEAD = f"{'CPU s':>10}{'git':>10}{'sqlite':>10}{'of git':>11}{'of sqlite':>11}"


class Peers:
    """The same history in a git repository and in a SQLite database."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.database = folder / "peer.git", folder / "peer.db"

    def build(self, copies: int) -> tuple[float, float]:
        """Make both of so many copies of the history.

        Gives seconds of CPU of git and of SQLite.
        """
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.repository], check=True)
        importing = subprocess.Popen(
            ["git", "fast-import", "--quiet", "--done"], cwd=self.repository, stdin=subprocess.PIPE
        )
        assert importing.stdin is not None
        entities: dict[str, dict[str, Any]] = {}
        in_sqlite = 0.0
        with sqlite3.connect(self.database) as database:
            database.executescript(_TABLES)
            for number, change in enumerate(_bighome.changes(copies), 1):
                importing.stdin.write(_commit(change, entities))
                begun = resource.getrusage(resource.RUSAGE_SELF)
                _insert(database, number, change)
                in_sqlite += _cpu(begun)
            begun = resource.getrusage(resource.RUSAGE_SELF)
            database.commit()
            in_sqlite += _cpu(begun)
        database.close()
        importing.stdin.write(b"done\n")
        importing.stdin.close()
        cost = finish(importing)
        assert cost.code == 0
        return cost.seconds, in_sqlite

    def ask_git(self, command: str) -> Cost:
        """Run the commands of git in the repository."""
        return self._run(["sh", "-c", command])

    def ask_sqlite(self, sql: str) -> Cost:
        """Run a statement from Python and print its rows."""
        return self._run([sys.executable, "-I", "-c", _ASK, str(self.database), sql])

    def _run(self, command: list[str]) -> Cost:
        with tempfile.TemporaryFile() as out:
            cost = finish(subprocess.Popen(command, cwd=self.repository, stdout=out))
            assert cost.code == 0, command
            return cost


def _cpu(begun: resource.struct_rusage) -> float:
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime - begun.ru_utime - begun.ru_stime


def _path(entity: str) -> str:
    """Name the file of an entity.

    A folder for each kind, and in it one for each copy of the history.
    """
    kind, key = entity.split(":", 1)
    return f"{kind}/{key.replace('.', '/', 1)}.json"


def _text(properties: dict[str, Any]) -> bytes:
    return json.dumps(properties, indent=1, sort_keys=True).encode() + b"\n"


def _commit(change: dict[str, Any], entities: dict[str, dict[str, Any]]) -> bytes:
    """Apply the change, and make a commit of it for `git fast-import`."""
    comment = change["comment"].encode()
    user = change["user"].replace("<", "").replace(">", "")
    parts = [
        f"commit refs/heads/main\ncommitter {user} <{user}> {change['at']} +0000\n".encode(),
        b"data %d\n%b\n" % (len(comment), comment),
    ]
    for edit in change["edits"]:
        properties = entities.setdefault(edit["entity"], {})
        if edit["property"] is None:
            properties.clear()
        elif edit["value"] is None:
            properties.pop(edit["property"], None)
        else:
            properties[edit["property"]] = edit["value"]
    for entity in dict.fromkeys(edit["entity"] for edit in change["edits"]):
        path = json.dumps(_path(entity))
        if entities[entity]:
            data = _text(entities[entity])
            parts.append(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
        else:
            parts.append(f"D {path}\n".encode())
    return b"".join(parts)


def _insert(database: sqlite3.Connection, number: int, change: dict[str, Any]) -> None:
    database.execute(
        "INSERT INTO changes VALUES (?, ?, ?, ?)", (number, change["at"], change["user"], change["comment"])
    )
    database.executemany(
        "INSERT INTO facts VALUES (?, ?, ?, ?, ?)",
        (
            (
                each["entity"].split(":", 1)[0],
                each["entity"],
                each["property"] or "retired",
                json.dumps(each["value"]),
                number,
            )
            for each in change["edits"]
        ),
    )


def _at(date: str) -> str:
    """The last change before a time, in SQL."""
    return (
        f"(SELECT max(id) FROM changes WHERE at < {int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())})"
    )


def _rev(date: str) -> str:
    """The last commit before a time, for a shell."""
    return f"$(git rev-list -1 --before={date}T00:00:00Z main)"


def _slots(condition: str, columns: str = "entity, property, value") -> str:
    """The newest fact of each slot, in SQL."""
    return f"SELECT {columns}, max(change) FROM facts WHERE {condition} GROUP BY entity, property"


def _difference(before: str, after: str) -> str:
    last = (
        "(SELECT value FROM facts f WHERE (f.kind, f.entity, f.property) = (t.kind, t.entity, t.property)"
        " AND f.change <= {} ORDER BY f.change DESC LIMIT 1)"
    )
    return (
        f"SELECT * FROM (SELECT entity, property, {last.format(_at(before))} AS one, {last.format(_at(after))} AS two"
        " FROM (SELECT DISTINCT kind, entity, property FROM facts"
        f" WHERE change > {_at(before)} AND change <= {_at(after)}) t) WHERE one IS NOT two"
    )


def _questions() -> list[Question]:
    path = shlex.quote(_path(ENTITY))
    one = f"kind = 'site' AND entity = '{ENTITY}'"
    vid = "SELECT entity FROM (SELECT entity, value, max(change) FROM facts WHERE kind = 'network' AND property = 'vid'"
    vid += " GROUP BY entity) WHERE value = '42'"
    new = shlex.quote(_NEW_COMMIT.format(path=_path("site:0.bench")))
    insert = "INSERT INTO facts SELECT 'site', '{}', 'altitude', '76', max(id) FROM changes"
    network = "kind = 'network'"
    log = "SELECT * FROM facts JOIN changes ON id = change"
    git_log = "git log --format='%h %an %ad %s'"
    return [
        Question(("--version",), "git --version", "SELECT 1"),
        Question(("show", ENTITY), f"git show main:{path}", _slots(one)),
        Question(
            ("show", ENTITY, "--at", MIDDLE),
            f"git show {_rev(MIDDLE)}:{path}",
            _slots(f"{one} AND change <= {_at(MIDDLE)}"),
        ),
        Question(("log", ENTITY), f"{git_log} -p main -- {path}", f"{log} WHERE {one} ORDER BY change DESC"),
        Question(("blame", ENTITY), f"git blame main -- {path}", _slots(one, "property, value, change")),
        Question(
            ("log", "--limit", "20"), f"{git_log} -20 --stat main", "SELECT * FROM changes ORDER BY id DESC LIMIT 20"
        ),
        Question(("log",), f"{git_log} --raw main", f"{log} ORDER BY change DESC"),
        Question(
            ("status",),
            "git rev-list --count main; git ls-tree -r --name-only main | wc -l",
            "SELECT count(*), count(DISTINCT entity) FROM facts",
        ),
        Question(("list", "network"), "git archive main network", _slots(network)),
        Question(
            ("list", "network", "--where", "vid=42"),
            "git grep -h . $(git grep -l '\"vid\": 42,*$' main -- network)",
            _slots(f"{network} AND entity IN ({vid})"),
        ),
        Question(
            ("list", "network", "--at", MIDDLE),
            f"git archive {_rev(MIDDLE)} network",
            _slots(f"{network} AND change <= {_at(MIDDLE)}"),
        ),
        Question(
            ("diff", MIDDLE, LATER), f"git diff --no-renames {_rev(MIDDLE)} {_rev(LATER)}", _difference(MIDDLE, LATER)
        ),
        Question(
            ("diff", YEAR_BEGIN, YEAR_END),
            f"git diff --no-renames {_rev(YEAR_BEGIN)} {_rev(YEAR_END)}",
            _difference(YEAR_BEGIN, YEAR_END),
        ),
        Question(("inbox",)),
        Question(("doctor",)),
        Question(
            ("set", ENTITY, "altitude=76"),
            f"printf %b {new} | git fast-import --quiet --date-format=now",
            insert.format(ENTITY),
        ),
        Question(("verify",), "git fsck --full", "PRAGMA integrity_check"),
    ]


_NEW_COMMIT = (
    "commit refs/heads/main\\ncommitter Maier <Maier> now\\ndata 1\\n.\\nfrom refs/heads/main^0\\n"
    "M 100644 inline {path}\\ndata 2\\n{{}}\\n"
)


def measure(facts: int, folder: Path) -> Iterator[Answer]:
    """Ask all of them the same of so many facts.

    What is written is in this folder.
    """
    with _bighome.kept(facts) as kept:
        if kept is None:
            return
        home = folder / "home"
        shutil.copytree(kept, home)
    peers = Peers(folder)
    built = peers.build(_bighome.copies_of(facts))
    _ours(home, ("status",))  # a home that an older program made is brought up to date here, not in a figure
    for question in _questions():
        yield Answer(
            " ".join(question.verb),
            _slowest(partial(_ours, home, question.verb)),
            None if question.git is None else _slowest(partial(peers.ask_git, question.git)),
            None if question.sql is None else _slowest(partial(peers.ask_sqlite, question.sql)),
        )
    yield _first_copy(home, peers, folder, built[1])


def _first_copy(home: Path, peers: Peers, folder: Path, inserting: float) -> Answer:
    """All into an empty one: a bundle, a clone, rows into new tables."""
    bundle, empty = str(folder / "all.fieldline"), folder / "empty"
    with tempfile.TemporaryFile() as out:
        finish(start(home, ("status", "--json"), out.fileno(), {}))
        out.seek(0)
        fleet = json.loads(out.read())["fleet"]
    _ours(home, ("export", bundle, "--plain"))
    _ours(empty, ("join", fleet))
    clone = (
        f"git clone --quiet --bare file://{shlex.quote(str(peers.repository))} {shlex.quote(str(folder / 'clone.git'))}"
    )
    return Answer("import of all", _ours(empty, ("import", bundle)).seconds, peers.ask_git(clone).seconds, inserting)


def _ours(home: Path, verb: tuple[str, ...]) -> Cost:
    with tempfile.TemporaryFile() as out:
        cost = finish(start(home, verb, out.fileno(), {}))
    assert cost.code == 0, verb
    return cost


def _slowest(call: Callable[[], Cost]) -> float:
    slowest = 0.0
    for _ in range(MAX_CALLS):
        slowest = max(slowest, call().seconds)
        if slowest > ENOUGH_S:
            break
    return slowest


def run() -> None:
    """Print the table."""
    print(f"  {FACTS:,} facts; the slowest of up to {MAX_CALLS} calls")
    print(f"  {'verb':36}{HEAD}")
    with tempfile.TemporaryDirectory() as folder:
        for answer in measure(FACTS, Path(folder)):
            print(f"  {answer.name:36}{answer}", flush=True)
