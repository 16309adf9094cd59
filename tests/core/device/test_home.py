"""Whether a key needs a passphrase is told without loading what uses keys."""

from __future__ import annotations

from pathlib import Path

from core.device.home import Home
from core.identity import create_identity, seal_identity, unseal_identity


def test_a_plain_key_is_told_from_one_under_a_passphrase(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert not home.has_plain_key()
    identity = create_identity(home.key)
    assert home.has_plain_key()
    seal_identity(home.key, identity, "correct horse battery")
    assert not home.has_plain_key()
    unseal_identity(home.key, identity)
    assert home.has_plain_key()
