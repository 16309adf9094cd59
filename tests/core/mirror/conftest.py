from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.cli import Terminal
from tests.support.postgres import Cluster, find_programs
from tui.demo.fleet import DEMO_DEVICE, make_fleet

NOW_US = 1_770_000_000_000_000


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL.

    The path of a socket may not be long, so its folder is not pytest's.
    """
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here: install the package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="flpg"))
    folder.chmod(0o755)
    try:
        made = Cluster(folder, programs)
        made.start()
        yield made
        made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def dsn(cluster: Cluster) -> str:
    """The address of an empty database."""
    name = f"d{uuid.uuid4().hex[:12]}"
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return cluster.dsn(name)


@pytest.fixture(scope="session")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    asyncio.run(make_fleet(folder, NOW_US))
    return folder / DEMO_DEVICE


@pytest.fixture
def demo(_demo: Path, tmp_path: Path) -> Terminal:
    """The device of the demonstration: conflicts, clashes, several people and devices."""
    shutil.copytree(_demo, tmp_path / "home")
    return Terminal(tmp_path / "home")
