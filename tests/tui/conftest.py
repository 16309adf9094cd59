"""The made-up fleet as the screens show it.

Made once a test run with keys of its own, and copied for each test.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion

from core.device.home import KEY_FILE
from core.identity import Identity
from tests.support.opened_app import NOW
from tui.demo.fleet import DEMO_DEVICE, make_fleet
from tui.i18n.translate import set_language


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Every test begins, and leaves the next one, in English."""
    set_language("en")
    yield
    set_language("en")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The homes of the made-up fleet, the same to the byte in every run.

    Not to be written to.
    """
    folder = tmp_path_factory.mktemp("fleet")
    for name in ("K1", "K2", "K3", "K4"):
        key = Identity(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))
        (folder / name).mkdir(mode=0o700)
        with os.fdopen(os.open(folder / name / KEY_FILE, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(key.key_pem)
    asyncio.run(make_fleet(folder, NOW))
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of the device that is looked at."""
    return shutil.copytree(made / DEMO_DEVICE, tmp_path / DEMO_DEVICE)


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compares what `screenshot()` gives with the picture that is kept in snapshots/."""
    return snapshot.use_extension(SVGImageExtension)
