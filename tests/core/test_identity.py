"""The device's key: made once, for its owner, never from a file that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.device.home import KEY_FILE
from core.errors import FieldlineError
from core.header import device_id
from core.identity import (
    Identity,
    create_identity,
    create_next_identity,
    load_identity,
    seal_identity,
    unseal_identity,
)
from core.succession import MAX_VOUCHERS, vouching_devices
from tests.support.strategies import KEYS


def test_a_key_is_made_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    made = create_identity(tmp_path / KEY_FILE)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert load_identity(tmp_path / KEY_FILE).device == made.device == device_id(made.public_key)


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    made = create_identity(tmp_path / KEY_FILE)
    with pytest.raises(FieldlineError, match="already"):
        create_identity(tmp_path / KEY_FILE)
    assert load_identity(tmp_path / KEY_FILE).device == made.device


def test_a_missing_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FieldlineError, match="init"):
        load_identity(tmp_path / KEY_FILE)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_identity(tmp_path / KEY_FILE)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(FieldlineError, match="chmod 600"):
        load_identity(tmp_path / KEY_FILE)


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(FieldlineError, match="damaged"):
        load_identity(tmp_path / KEY_FILE)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = generate_private_key(SECP256R1())
    (tmp_path / KEY_FILE).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(FieldlineError, match="damaged"):
        load_identity(tmp_path / KEY_FILE)


def test_the_certificate_is_small_always_the_same_and_names_the_device() -> None:
    identity = Identity(KEYS[0])
    der = identity.certificate_der
    assert der == Identity(KEYS[0]).certificate_der
    assert len(der) < 300
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.subject.rfc4514_string() == f"CN={identity.device.hex()}"
    assert certificate.not_valid_before_utc.year == 1970
    assert certificate.not_valid_after_utc.year == 9999


@pytest.mark.parametrize("passphrase", [None, "correct horse battery"])
def test_a_next_key_carries_who_vouches_for_it_sealed_or_not(tmp_path: Path, passphrase: str | None) -> None:
    path, beside = tmp_path / KEY_FILE, tmp_path / "next"
    first = create_identity(path)
    second = create_next_identity(beside, first, passphrase)
    assert beside.stat().st_mode & 0o777 == 0o600
    third = create_next_identity(beside, load_identity(beside, lambda: passphrase or ""), passphrase)
    found = load_identity(beside, lambda: passphrase or "")
    assert vouching_devices(third.device, found.vouchers) == [second.device, first.device]
    assert found.device == third.device and load_identity(path).device == first.device
    unseal_identity(beside, found)
    seal_identity(beside, load_identity(beside), "another one to open")
    assert load_identity(beside).vouchers == third.vouchers
    for _ in range(MAX_VOUCHERS):
        last = create_next_identity(path, load_identity(path), None)
    assert len(last.vouchers) == len(load_identity(path).vouchers) == MAX_VOUCHERS
