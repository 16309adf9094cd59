"""A device's key under a passphrase.

Argon2id (RFC 9106) and ChaCha20-Poly1305 (RFC 8439), in a file of TOML.

The public key stands outside the seal, so that who this device is can be shown without the passphrase; it is
authenticated with everything else in the file as soon as that is opened. PKCS 8's own encryption is not used: what
the library makes of it is 2,048 rounds of PBKDF2, less than a millisecond for each passphrase that somebody tries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.header import KEY_BYTES
from core.parsers import parse_toml
from core.succession import MAX_VOUCHERS, VOUCHER_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEALED_VERSION = 2
"""Of a key file; 1 is a plain one in PEM."""
SEALED_PREFIX = b"version = "
"""What a sealed file begins with, and no plain one."""
MEMORY_KIB, PASSES, LANES = 1 << 16, 3, 1
"""64 MiB and three passes: about a fifth of a second here, for each passphrase that somebody tries, too."""
MAX_MEMORY_KIB, MAX_PASSES, MAX_LANES = 1 << 20, 16, 16
"""Read from a file: more would let a file that somebody else wrote use up this device's memory or time."""
MAX_FILE_BYTES = 4096
MIN_PASSPHRASE_CHARS = 8
"""Fewer are tried out in days even at this price."""
MAX_PASSPHRASE_BYTES = 1024
SALT_BYTES, NONCE_BYTES = 16, 12
_TAG_BYTES = 16
_VOUCHERS = "vouchers"
_FIELDS = ("version", "public_key", "kdf", "memory_kib", "passes", "lanes", "salt", "nonce", "sealed")
_KDF = "argon2id"


class MalformedKey(Exception):
    """Bytes that are no sealed key, or one that asks for too much memory or time."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A sealed key as it stands in its file."""

    public_key: bytes
    memory_kib: int
    passes: int
    lanes: int
    salt: bytes
    nonce: bytes
    sealed: bytes
    vouchers: tuple[bytes, ...] = ()
    """Of the keys that this one goes on for (core.succession), the latest first."""

    def open(self, passphrase: str) -> Ed25519PrivateKey:
        """Open it; raises FieldlineError for a wrong passphrase."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        try:
            seed = ChaCha20Poly1305(_derive(self, passphrase)).decrypt(self.nonce, self.sealed, _authenticated(self))
        except InvalidTag:
            raise FieldlineError("That is not the passphrase of this device's key: try again.") from None
        key = Ed25519PrivateKey.from_private_bytes(seed)
        if key.public_key().public_bytes_raw() != self.public_key:
            raise FieldlineError("The sealed key does not belong to the public key beside it: restore the file.")
        return key

    def encode(self) -> bytes:
        """Encode it as a file."""
        values: tuple[int | str, ...] = (
            SEALED_VERSION,
            self.public_key.hex(),
            _KDF,
            self.memory_kib,
            self.passes,
            self.lanes,
            self.salt.hex(),
            self.nonce.hex(),
            self.sealed.hex(),
        )
        lines = (
            f"{name} = {value}" if isinstance(value, int) else f'{name} = "{value}"'
            for name, value in zip(_FIELDS, values, strict=True)
        )
        vouchers = ", ".join(f'"{voucher.hex()}"' for voucher in self.vouchers)
        last = [f"{_VOUCHERS} = [{vouchers}]"] if vouchers else []
        return "".join(f"{line}\n" for line in (*lines, *last)).encode()


def seal_key(
    key: Ed25519PrivateKey, passphrase: str, salt: bytes, nonce: bytes, vouchers: tuple[bytes, ...] = ()
) -> SealedKey:
    """Seal a key; `salt` and `nonce` are random, and used once.

    Raises FieldlineError for too short a passphrase.
    """
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise FieldlineError(
            "The passphrase is too short: use at least {count} characters, such as four words.",
            count=MIN_PASSPHRASE_CHARS,
        )
    public_key = key.public_key().public_bytes_raw()
    empty = SealedKey(public_key, MEMORY_KIB, PASSES, LANES, salt, nonce, b"", vouchers)
    sealed = ChaCha20Poly1305(_derive(empty, passphrase)).encrypt(nonce, key.private_bytes_raw(), _authenticated(empty))
    return replace(empty, sealed=sealed)


def decode_sealed_key(data: bytes) -> SealedKey:
    """Decode a file; raises MalformedKey before anything is spent on what it asks for."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedKey
    try:
        fields = parse_toml(data.decode())
    except ValueError:
        raise MalformedKey from None
    vouchers = fields.pop(_VOUCHERS, [])
    if not isinstance(vouchers, list) or len(vouchers) > MAX_VOUCHERS:
        raise MalformedKey
    if set(fields) != set(_FIELDS) or (fields["version"], fields["kdf"]) != (SEALED_VERSION, _KDF):
        raise MalformedKey
    memory_kib, passes, lanes = (
        _read_number(fields[name], limit)
        for name, limit in (("memory_kib", MAX_MEMORY_KIB), ("passes", MAX_PASSES), ("lanes", MAX_LANES))
    )
    if memory_kib < 8 * lanes:
        raise MalformedKey
    return SealedKey(
        _read_hex(fields["public_key"], KEY_BYTES),
        memory_kib,
        passes,
        lanes,
        _read_hex(fields["salt"], SALT_BYTES),
        _read_hex(fields["nonce"], NONCE_BYTES),
        _read_hex(fields["sealed"], KEY_BYTES + _TAG_BYTES),
        tuple(_read_hex(voucher, VOUCHER_BYTES) for voucher in vouchers),
    )


def _derive(sealed: SealedKey, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    data = passphrase.encode(errors="surrogateescape")[:MAX_PASSPHRASE_BYTES]
    return Argon2id(
        salt=sealed.salt,
        length=KEY_BYTES,
        iterations=sealed.passes,
        lanes=sealed.lanes,
        memory_cost=sealed.memory_kib,
    ).derive(data)


def _authenticated(sealed: SealedKey) -> bytes:
    """Give all of the file that is not secret, in one form.

    None of it can be changed unnoticed.
    """
    numbers = (SEALED_VERSION, sealed.memory_kib, sealed.passes, sealed.lanes)
    head = b"".join(number.to_bytes(4, "big") for number in numbers)
    return b"fieldline device key" + head + sealed.salt + sealed.public_key + b"".join(sealed.vouchers)


def _read_number(value: object, limit: int) -> int:
    if type(value) is not int or not 1 <= value <= limit:
        raise MalformedKey
    return value


def _read_hex(value: object, size: int) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", value):
        raise MalformedKey
    return bytes.fromhex(value)
