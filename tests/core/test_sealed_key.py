"""A key under a passphrase.

Opened by that alone, nothing of it changed unnoticed, and no file asks for too much.
"""

from __future__ import annotations

import contextlib
import os
import re
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import sealed_key
from core.device.home import KEY_FILE
from core.errors import FieldlineError
from core.identity import (
    Identity,
    SealedIdentity,
    copy_key,
    create_identity,
    load_identity,
    seal_identity,
    unseal_identity,
)
from core.sealed_key import MAX_FILE_BYTES, MalformedKey, SealedKey, decode_sealed_key, seal_key
from tests.support.strategies import KEYS

PASSPHRASE = "correct horse battery"
KEY = KEYS[0]


@cache
def sealed() -> SealedKey:
    """The key, sealed once: that takes a second of work."""
    return seal_key(KEY, PASSPHRASE, b"s" * 16, b"n" * 12)


def test_it_is_opened_by_its_passphrase_and_no_other() -> None:
    assert sealed().open(PASSPHRASE).private_bytes_raw() == KEY.private_bytes_raw()
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper(), "x" * 2000):
        with pytest.raises(FieldlineError, match="not the passphrase"):
            sealed().open(wrong)


def test_the_file_is_read_as_it_was_written_and_holds_no_secret_in_the_clear() -> None:
    data = sealed().encode()
    assert decode_sealed_key(data) == sealed()
    assert sealed().public_key.hex().encode() in data
    seed = KEY.private_bytes_raw()
    assert seed not in data and seed.hex().encode() not in data and PASSPHRASE.encode() not in data


def test_it_costs_as_much_as_it_should() -> None:
    assert (sealed().memory_kib, sealed().passes, sealed().lanes) == (64 * 1024, 3, 1)


@pytest.mark.parametrize("field", ["public_key", "memory_kib", "passes", "lanes", "salt", "nonce", "sealed"])
def test_no_field_of_it_can_be_changed(field: str) -> None:
    text = sealed().encode().decode()
    if field in ("memory_kib", "passes", "lanes"):
        changed = re.sub(rf"(?m)^{field} = (\d+)$", lambda found: f"{field} = {int(found[1]) + 1}", text)
    else:
        changed = re.sub(rf'(?m)^{field} = "(.)', lambda found: f'{field} = "{"0" if found[1] != "0" else "1"}', text)
    assert changed != text
    with pytest.raises(FieldlineError):
        decode_sealed_key(changed.encode()).open(PASSPHRASE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_kib", "1048577"),
        ("memory_kib", "1" + "0" * 300),
        ("memory_kib", "-1"),
        ("memory_kib", "7"),
        ("memory_kib", "true"),
        ("memory_kib", "1e6"),
        ("passes", "17"),
        ("passes", "0"),
        ("lanes", "17"),
        ("version", "3"),
        ("kdf", '"scrypt"'),
        ("salt", '"00"'),
        ("sealed", '"' + "0" * 98 + '"'),
        ("public_key", "[]"),
    ],
)
def test_a_file_that_asks_for_too_much_or_something_else_is_refused_before_anything_is_spent(
    field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spend(*_: object, **_more: object) -> None:
        raise AssertionError("nothing is derived")

    # It may be this test that seals the key first.
    changed = re.sub(rf"(?m)^{field} = .*$", f"{field} = {value}", sealed().encode().decode())
    monkeypatch.setattr(sealed_key, "_derive", spend)
    with pytest.raises(MalformedKey):
        decode_sealed_key(changed.encode())


@given(st.integers(0, 1 << 32))
def test_a_damaged_file_is_refused_or_another_one(seed: int) -> None:
    random, data = Random(seed), bytearray(sealed().encode())
    for _ in range(random.randint(1, 4)):
        data[random.randrange(len(data))] = random.randrange(256)
    with contextlib.suppress(MalformedKey):
        assert isinstance(decode_sealed_key(bytes(data[: random.randint(1, len(data))])), SealedKey)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(MalformedKey):
        decode_sealed_key(sealed().encode() + b"#" * MAX_FILE_BYTES)
    (tmp_path / KEY_FILE).write_bytes(sealed().encode() + b"#" * (1 << 20))
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(FieldlineError, match="damaged"):
        load_identity(tmp_path / KEY_FILE)


def test_too_short_a_passphrase_is_refused() -> None:
    with pytest.raises(FieldlineError, match="too short"):
        seal_key(KEY, "7 chars", b"s" * 16, b"n" * 12)


def test_the_file_of_a_device_is_sealed_in_place_and_unsealed_again(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    made = create_identity(path)
    plain = path.read_bytes()
    seal_identity(path, made, PASSPHRASE)
    first = path.read_bytes()
    assert (path.stat().st_mode & 0o777, b"PRIVATE" in first) == (0o600, False)
    asked: list[str] = []

    def ask() -> str:
        asked.append(PASSPHRASE)
        return PASSPHRASE

    sealed = load_identity(path, ask)
    assert isinstance(sealed, SealedIdentity)
    # Who it is is known without the passphrase, which is asked for once.
    assert (sealed.device, sealed.public_key, asked) == (made.device, made.public_key, [])
    assert sealed.certificate_der == made.certificate_der
    assert sealed.key_pem == made.key_pem
    assert asked == [PASSPHRASE]
    seal_identity(path, sealed, PASSPHRASE)
    assert path.read_bytes() != first, "salt and nonce are new each time"
    unseal_identity(path, sealed)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (plain, 0o600)
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]


def test_nobody_to_ask_learns_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    seal_identity(path, create_identity(path), PASSPHRASE)
    with pytest.raises(FieldlineError, match="--passphrase-file"):
        load_identity(path).key_pem  # noqa: B018


def test_what_cannot_be_written_leaves_the_key_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / KEY_FILE
    made = create_identity(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FieldlineError, match="cannot be written"):
        seal_identity(path, made, PASSPHRASE)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]


def test_a_copy_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = create_identity(tmp_path / KEY_FILE)
    (tmp_path / "copy").write_text("old")
    copy_key(tmp_path / KEY_FILE, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert load_identity(tmp_path / "copy").device == made.device == Identity(made.private_key).device
