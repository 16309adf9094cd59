"""The connection to PostgreSQL.

Its checks, its lock, and its errors in one sentence.

All functions block: they are called on another thread than the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import set_json_dumps

from core.errors import FieldlineError, Refused

MIRROR_VERSION = 5
MIN_SERVER_VERSION = 130000
"""PostgreSQL 13: the oldest that was still maintained when the mirror was written."""
SECURITY_INVOKER_VERSION = 150000
LOCK_ID = 0x464C444C4D495252  # "FLDLMIRR"
LOCK_TIMEOUT_MS = 5000
"""A server notices within that time that a mirror was killed."""
CONNECT_DEFAULTS = {"connect_timeout": "10", "keepalives_idle": "30", "tcp_user_timeout": "60000"}
"""Of what the address does not say otherwise: a network that is cut is noticed within a minute or two."""
CANCEL_TIMEOUT_S = 5

Connection = psycopg.Connection[tuple[object, ...]]


class MirrorError(FieldlineError):
    """The mirror could not be written; nothing of what was under way was kept."""


class MirrorUnreachable(MirrorError):
    """The server does not answer, or no more; it may come back."""


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Turn what psycopg raises into a MirrorError with one sentence."""
    try:
        yield
    except errors.ReadOnlySqlTransaction:
        raise MirrorError("The database is read-only: give the address of the server that is written to.") from None
    except errors.DiskFull:
        raise MirrorError("The disk of the database is full: the mirror stays as it was. Free some space.") from None
    except errors.InsufficientPrivilege as error:
        raise MirrorError(
            "The database does not let this user do that ({why}): grant CREATE on the database, or own the schema"
            " fieldline.",
            why=_reason(error),
        ) from None
    except errors.DependentObjectsStillExist:
        raise MirrorError(
            "The fleet's schema has changed, and views of yours use those of the mirror: drop yours, mirror, and make"
            " them again."
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise MirrorUnreachable(
            "The database cannot be reached ({why}): check the address and whether the server runs.", why=_reason(error)
        ) from None
    except psycopg.Error as error:
        raise MirrorError("The database refuses: {why}. The mirror stays as it was.", why=_reason(error)) from None


def _reason(error: psycopg.Error) -> str:
    """The first line of what the server or libpq says."""
    lines = (error.diag.message_primary or str(error)).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def connect(dsn: str, fleet: bytes, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> Connection:
    """Connect, check the schema, make its tables, and lock out other mirrors.

    The schema must be free or this fleet's mirror.

    Raises Refused for an address that is none.
    """
    given = _parse_address(dsn)
    with translate_database_errors():
        connection: Connection = psycopg.connect(make_conninfo("", **(CONNECT_DEFAULTS | given)), autocommit=True)
        # What is written as jsonb is JSON already.
        set_json_dumps(str, connection)
        try:
            _prepare(connection, fleet, lock_timeout_ms)
        except BaseException:
            connection.close()
            raise
    return connection


def _parse_address(dsn: str) -> dict[str, str]:
    not_an_address = Refused("This is not an address of a database: write postgresql://USER@HOST/DATABASE.")
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError:
        raise not_an_address from None
    # Where a password has an @ or / that is not escaped the rest of it is taken for these, and libpq would say them.
    if any("@" in given.get(name, "") for name in ("host", "port", "dbname")):
        raise not_an_address
    return given


def cancel(connection: Connection) -> None:
    """Ask the server to stop what it does for this connection.

    Another thread may be using that.
    """
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=CANCEL_TIMEOUT_S)


def secure_views(connection: Connection) -> None:
    """Let the mirror's views read with the rights of who asks, from PostgreSQL 15."""
    if connection.info.server_version < SECURITY_INVOKER_VERSION:
        return
    views = connection.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'fieldline'::regnamespace AND relkind = 'v'"
    ).fetchall()
    for (name,) in views:
        view = sql.Identifier("fieldline", str(name))
        connection.execute(sql.SQL("ALTER VIEW {} SET (security_invoker = true)").format(view))


def _prepare(connection: Connection, fleet: bytes, lock_timeout_ms: int) -> None:
    if connection.info.server_version < MIN_SERVER_VERSION:
        raise MirrorError(
            "The server is PostgreSQL {version}, which is too old: the mirror needs 13 or newer.",
            version=connection.info.server_version // 10000,
        )
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{lock_timeout_ms}ms",))
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    except errors.LockNotAvailable:
        raise MirrorError("Another mirror writes into this database: stop it first, or let it do the work.") from None
    connection.execute("SET lock_timeout = 0")
    if _check_is_mirror(connection, fleet):
        return
    with connection.transaction():
        # Who may not make a schema may be given one.
        if connection.execute("SELECT to_regnamespace('fieldline') IS NULL").fetchone() == (True,):
            connection.execute("CREATE SCHEMA fieldline")
            connection.execute(
                "COMMENT ON SCHEMA fieldline IS 'A mirror of a Fieldline store, written by `fieldline mirror`'"
            )
        script = files("core.mirror").joinpath("tables.sql").read_text(encoding="utf-8")
        connection.execute(script.encode())
        secure_views(connection)
        connection.execute(
            "INSERT INTO fieldline.watermark"
            " (version, fleet, changes, root, at, source_row, source_order, source_flags, schema_state)"
            " VALUES (%s, %s, 0, '', now(), 0, '', '', '')",
            (MIRROR_VERSION, fleet),
        )


def _check_is_mirror(connection: Connection, fleet: bytes) -> bool:
    """Whether the schema holds the mirror of this fleet; False if it is empty.

    Raises MirrorError for all else.
    """
    found = connection.execute(
        "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class"
        " WHERE relnamespace = to_regnamespace('fieldline') AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
    ).fetchone()
    names = found[0] if found else None
    if not isinstance(names, list):
        return False
    row = None
    if "watermark" in names:
        try:
            row = connection.execute("SELECT version, fleet FROM fieldline.watermark").fetchone()
        except errors.UndefinedColumn:
            row = None
    if row is None:
        raise MirrorError(
            "The schema fieldline of this database holds tables that are not a mirror's ({names}): name another"
            " database, or rename that schema.",
            names=", ".join(names[:3]),
        )
    if row[0] != MIRROR_VERSION:
        raise MirrorError(
            "The mirror in this database is of another version of Fieldline: update Fieldline here, or drop the schema"
            " fieldline, and it is made anew."
        )
    if row[1] != fleet:
        raise MirrorError(
            "The mirror in this database is of another fleet ({fleet}): name another database.",
            fleet=bytes(row[1]).hex() if isinstance(row[1], bytes) else "?",
        )
    return True
