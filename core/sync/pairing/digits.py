"""The hashes of a pairing: BLAKE3 in its key derivation mode.

A context for each use, each field with its length.

The digits follow from everything that both sides must have seen alike: both PairHellos, both keys that TLS has proven,
the commitment and both nonces. Since the accepting side commits to its nonce before it sees the other's, and the other
sends its own before it sees that one, nobody can choose the digits: who is in the middle has one chance in a million.
"""

from __future__ import annotations

import hmac

from blake3 import blake3

DIGITS = 6
MODULUS = 1_000_000
_CONTEXT = "fieldline 2026-11 pairing {} v1"
_HASHED_FOR_DIGITS_BYTES = 16


def hash_transcript(dialer_hello: bytes, accepter_hello: bytes, dialer_key: bytes, accepter_key: bytes) -> bytes:
    """Hash what both sides said first and the keys that they proved.

    In the same order on both.
    """
    return _hash("transcript", dialer_hello, accepter_hello, dialer_key, accepter_key)


def commit_to(transcript: bytes, nonce: bytes) -> bytes:
    """Make the commitment of the accepting side."""
    return _hash("commitment", transcript, nonce)


def is_commitment(commitment: bytes, transcript: bytes, nonce: bytes) -> bool:
    """Say whether a nonce is what was committed to."""
    return hmac.compare_digest(commitment, commit_to(transcript, nonce))


def derive_number(transcript: bytes, commitment: bytes, dialer_nonce: bytes, accepter_nonce: bytes) -> int:
    """Derive the number that both screens show, less than `MODULUS`."""
    found = _hash("digits", transcript, commitment, dialer_nonce, accepter_nonce)[:_HASHED_FOR_DIGITS_BYTES]
    return int.from_bytes(found, "big") % MODULUS


def format_digits(number: int) -> str:
    """Write the number as people compare it: `123 456`."""
    text = f"{number:0{DIGITS}}"
    return f"{text[: DIGITS // 2]} {text[DIGITS // 2 :]}"


def _hash(use: str, *fields: bytes) -> bytes:
    hashed = b"".join(len(field).to_bytes(4) + field for field in fields)
    hasher = blake3(hashed, derive_key_context=_CONTEXT.format(use))
    return hasher.digest()
