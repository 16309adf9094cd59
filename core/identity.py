"""This device's key and certificate.

The key is the device: its id is the hash of the public key, and whoever holds the key file is the device. It is made
once, and never written over.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from core.errors import FieldlineError
from core.header import device_id


@dataclass(frozen=True)
class Identity:
    """A device's private key and what follows from it: `device` is its 16-byte id."""

    private_key: Ed25519PrivateKey

    @cached_property
    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private_key.public_key().public_bytes_raw()

    @cached_property
    def device(self) -> bytes:
        """The device's id, which is also its entity's."""
        return device_id(self.public_key)

    @cached_property
    def key_pem(self) -> bytes:
        """The private key in PEM (PKCS 8), for TLS."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @cached_property
    def certificate_der(self) -> bytes:
        """A self-signed certificate in DER: always the same bytes, and valid whatever the clock says.

        Its common name is the device's id in hex, so that no two are the same. It proves nothing by itself: a peer
        pins it to a member.
        """
        # Making a certificate takes longer than most commands, and few need one.
        import datetime as dt

        from cryptography import x509
        from cryptography.x509.oid import NameOID

        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.device.hex())])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private_key.public_key())
            .serial_number(1)
            .not_valid_before(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
            .sign(self.private_key, None)
            .public_bytes(Encoding.DER)
        )


def create_identity(path: Path) -> Identity:
    """Make a device's key in a new file, readable by its owner alone.

    Raises FieldlineError if the file is there.
    """
    identity = Identity(Ed25519PrivateKey.generate())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FieldlineError("There is already a device key at {path}: it is left as it is.", path=str(path)) from None
    except OSError as error:
        raise FieldlineError(
            "The device key {path} cannot be written: {reason}.", path=str(path), reason=error.strerror
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(identity.key_pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise FieldlineError(
            "The device key {path} cannot be written: {reason}.", path=str(path), reason=error.strerror
        ) from None
    return identity


def load_identity(path: Path) -> Identity:
    """Read a device's key from its file.

    Raises FieldlineError if it is missing, damaged, of another kind, or readable by others than its owner.
    """
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except FileNotFoundError:
        raise FieldlineError(
            "There is no device key at {path}: run `fieldline init` or `fieldline join` first.", path=str(path)
        ) from None
    except OSError as error:
        raise FieldlineError(
            "The device key {path} cannot be read: {reason}.", path=str(path), reason=error.strerror
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise FieldlineError(
            "The device key {path} can be read by others: run `chmod 600 {path}`,"
            " and revoke this device if somebody may have copied it.",
            path=str(path),
        )
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise FieldlineError(
            "The device key {path} is damaged: restore it from a backup, or join again as a new device.", path=str(path)
        )
    return Identity(key)
