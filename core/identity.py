"""This device's key and certificate.

The key is the device: its id is the hash of the public key, and whoever holds the key file is the device. It is made
once, and never written over but by the same key, sealed under a passphrase or not, or by the one that goes on for it.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable
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

from core import temporary_files
from core.errors import FieldlineError
from core.header import device_id
from core.sealed_key import (
    MAX_FILE_BYTES,
    NONCE_BYTES,
    SALT_BYTES,
    SEALED_PREFIX,
    MalformedKey,
    SealedKey,
    decode_sealed_key,
    seal_key,
)
from core.succession import MAX_VOUCHERS, VOUCHER_BYTES, make_voucher

_VOUCHER_LINE = re.compile(rb"^voucher: ([0-9a-f]{%d})$" % (2 * VOUCHER_BYTES), re.MULTILINE)

AskPassphrase = Callable[[], str]
"""Gives the passphrase of this device's key; raises FieldlineError if nobody can be asked."""


@dataclass(frozen=True)
class Identity:
    """A device's private key and what follows from it: `device` is its 16-byte id.

    `vouchers` show to whom has not heard of it yet that this key goes on for others, the latest first.
    """

    private_key: Ed25519PrivateKey
    vouchers: tuple[bytes, ...] = ()

    @cached_property
    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private_key.public_key().public_bytes_raw()

    def unlock(self) -> None:
        """Get the private key ready, before anybody waits for what is signed with it.

        Raises FieldlineError if it is sealed, and the passphrase is wrong or cannot be asked for.
        """
        self.private_key  # noqa: B018

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
        """A self-signed certificate in DER.

        Always the same bytes, and valid whatever the clock says.

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


class SealedIdentity(Identity):
    """A device whose key is sealed; its passphrase is asked for once, at first use."""

    def __init__(self, sealed: SealedKey, ask: AskPassphrase) -> None:
        object.__setattr__(self, "_sealed", sealed)
        object.__setattr__(self, "_ask", ask)
        object.__setattr__(self, "vouchers", sealed.vouchers)

    @cached_property
    def private_key(self) -> Ed25519PrivateKey:
        """The private key. Raises FieldlineError without the passphrase."""
        return self._sealed.open(self._ask())  # type: ignore[attr-defined, no-any-return]

    @cached_property
    def public_key(self) -> bytes:
        """The raw public key, as it stands beside the seal."""
        return self._sealed.public_key  # type: ignore[attr-defined, no-any-return]


def ask_nobody() -> str:
    """Raise what a caller gets who cannot ask for a passphrase."""
    raise FieldlineError(
        "The key of this device is sealed: name the file with its passphrase with --passphrase-file, or set"
        " FIELDLINE_PASSPHRASE_FILE."
    )


def new_private_key() -> Ed25519PrivateKey:
    """Make a key by chance."""
    return Ed25519PrivateKey.generate()


def create_identity(path: Path) -> Identity:
    """Make a device's key in a new file, readable by its owner alone.

    Raises FieldlineError if the file is there.
    """
    identity = Identity(new_private_key())
    try:
        write_secret_file(path, identity.key_pem)
    except FileExistsError:
        raise FieldlineError("There is already a device key at {path}: it is left as it is.", path=str(path)) from None
    except OSError as error:
        raise FieldlineError(
            "The device key {path} cannot be written: {reason}.", path=str(path), reason=error.strerror
        ) from None
    return identity


def write_secret_file(path: Path, data: bytes) -> None:
    """Write a new file for its owner alone, all of it or nothing.

    Raises OSError, FileExistsError if there is one.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def create_next_identity(path: Path, old: Identity, passphrase: str | None) -> Identity:
    """Make the key that is to go on for a device's.

    In place of whatever is at `path`; sealed if there is a passphrase.

    Raises FieldlineError; the old key stays as it is.
    """
    key = new_private_key()
    voucher = make_voucher(old.private_key, device_id(key.public_key().public_bytes_raw()))
    new = Identity(key, (voucher, *old.vouchers)[:MAX_VOUCHERS])
    if passphrase is None:
        unseal_identity(path, new)
    else:
        seal_identity(path, new, passphrase)
    return new


def load_identity(path: Path, ask: AskPassphrase = ask_nobody) -> Identity:
    """Read a device's key from its file.

    `ask` is called when a sealed one is first used.

    Raises FieldlineError if it is missing, damaged, of another kind, or readable by others than its owner.
    """
    data = _read_key_file(path)
    if data.startswith(SEALED_PREFIX):
        try:
            return SealedIdentity(decode_sealed_key(data), ask)
        except MalformedKey:
            raise _damaged(path) from None
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    vouchers = tuple(bytes.fromhex(found[1].decode()) for found in _VOUCHER_LINE.finditer(data))
    if not isinstance(key, Ed25519PrivateKey) or len(vouchers) > MAX_VOUCHERS:
        raise _damaged(path)
    return Identity(key, vouchers)


def seal_identity(path: Path, identity: Identity, passphrase: str) -> None:
    """Put a device's key under a passphrase, in place of its file.

    Raises FieldlineError; then it is as it was.
    """
    sealed = seal_key(
        identity.private_key,
        passphrase,
        secrets.token_bytes(SALT_BYTES),
        secrets.token_bytes(NONCE_BYTES),
        identity.vouchers,
    )
    _replace(path, sealed.encode())


def unseal_identity(path: Path, identity: Identity) -> None:
    """Put a device's key without a passphrase in place of its file.

    Raises FieldlineError; then it is as it was.
    """
    # What stands before the key is no part of it to whoever reads PEM (RFC 7468, 5.2).
    lines = (f"voucher: {voucher.hex()}\n" for voucher in identity.vouchers)
    _replace(path, "".join(lines).encode() + identity.key_pem)


def copy_key(path: Path, copy: Path) -> None:
    """Copy a device's key as it is, for its owner alone, replacing what is there."""
    _replace(copy, _read_key_file(path))


def _read_key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_FILE_BYTES + 1)
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
    return data


def _damaged(path: Path) -> FieldlineError:
    return FieldlineError(
        "The device key {path} is damaged: restore it from a backup, or join again as a new device.", path=str(path)
    )


def _replace(path: Path, data: bytes) -> None:
    """Write a key file for its owner alone, and rename it once it is on the disk."""
    try:
        with temporary_files.open_replacement(path) as file:
            file.write(data)
    except OSError as error:
        raise FieldlineError(
            "The device key {path} cannot be written: {reason}.", path=str(path), reason=error.strerror
        ) from None
