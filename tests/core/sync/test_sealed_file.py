from __future__ import annotations

import io
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from core.epoch_keys import EpochKeys, epoch_id, first_epoch_key
from core.sync.key_slots import montgomery_private_key, montgomery_public_key
from core.sync.sealed_file import (
    CHUNK_BYTES,
    TAG_BYTES,
    SealBroken,
    SealedElsewhere,
    SealedForOthers,
    SealedReader,
    SealedWriter,
    SealKeys,
)
from tests.support.store_fleet import AUTHORS, FLEET, Author

PATH = Path("stick")
RENEWED = ("ab" * 32, "cd" * 32)


def keys(
    *values: str,
    leaves: tuple[str, ...] | None = None,
    opener: Author = AUTHORS[1],
    fleet: bytes = FLEET,
    **others: tuple[bytes, ...],
) -> SealKeys:
    """The keys of a device that knows the fleet and these later epochs.

    Of which `leaves` (else all) hold.
    """
    epochs = EpochKeys.of(b"secret", values, values if leaves is None else leaves)
    return SealKeys(fleet, epochs, lambda: opener, **others)


def seal(data: bytes, by: SealKeys, pieces: int = 1 << 14) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, by)
    for at in range(0, len(data), pieces):
        writer.write(data[at : at + pieces])
    writer.finish()
    return file.getvalue()


def unseal(data: bytes, by: SealKeys) -> bytes:
    return SealedReader(io.BytesIO(data), by, PATH).read(1 << 30)


def head_bytes(data: bytes, contents: int) -> int:
    chunks = max(1, -(-contents // CHUNK_BYTES))
    return len(data) - contents - chunks * TAG_BYTES


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000])
@pytest.mark.parametrize("values", [(), RENEWED[:1], RENEWED])
def test_what_is_sealed_is_read_by_who_knows_the_epoch(size: int, values: tuple[str, ...]) -> None:
    data = bytes(number % 251 for number in range(size))
    sealed = seal(data, keys(*values))
    assert unseal(sealed, keys(*values)) == data
    reader = SealedReader(io.BytesIO(sealed), keys(*values), PATH)
    for at in (size // 2, 0, max(0, size - 7)):
        reader.seek(at)
        assert reader.read(10) == data[at : at + 10]
        assert reader.read(10) == data[at + 10 : at + 20]


def test_nothing_of_the_contents_and_of_who_may_read_them_is_in_it() -> None:
    words = b"TSC Kiel, Entrance right, Acme 5000"
    newcomer = AUTHORS[4].device
    sealed = seal(
        words * 9999, keys(newcomers=(newcomer,), public_keys=(AUTHORS[2].private_key.public_key().public_bytes_raw(),))
    )
    for piece in (words[:8], newcomer, newcomer.hex().encode(), first_epoch_key(b"secret"), AUTHORS[2].device):
        assert piece not in sealed
    again = seal(words * 9999, keys(newcomers=(newcomer,)))
    assert again[-100:] != sealed[-100:], "no two files have one key"


@settings(max_examples=75)
@given(st.data())
def test_no_damage_goes_unseen(data: st.DataObject) -> None:
    contents = bytes(2 * CHUNK_BYTES + data.draw(st.sampled_from([0, 1, 5000])))
    sealed = seal(contents, keys())
    at = data.draw(st.integers(0, 200) | st.integers(0, len(sealed) - 1))
    other = data.draw(
        st.sampled_from(
            [
                sealed[:at],
                sealed[:at] + bytes([sealed[at] ^ 1 << at % 8]) + sealed[at + 1 :],
                sealed[:at] + sealed[at + 1 :],
                sealed + sealed[: at + 1],
            ]
        )
    )
    with pytest.raises((SealBroken, SealedElsewhere, SealedForOthers)):
        unseal(other, keys())


def test_chunks_cannot_be_moved_left_out_or_taken_from_another_file() -> None:
    size = CHUNK_BYTES + TAG_BYTES
    one, other = (seal(bytes([n]) * (4 * CHUNK_BYTES), keys()) for n in (1, 2))
    start = head_bytes(one, 4 * CHUNK_BYTES)
    chunk = [one[start + n * size : start + (n + 1) * size] for n in range(4)]
    foreign = other[start + size : start + 2 * size]
    for order in (
        [chunk[1], chunk[0], *chunk[2:]],
        [chunk[0], *chunk[2:]],
        chunk[:3],
        chunk[:1],
        [],
        [*chunk, chunk[3]],
        [chunk[0], foreign, *chunk[2:]],
    ):
        with pytest.raises(SealBroken):
            unseal(one[:start] + b"".join(order), keys())
    with pytest.raises(SealBroken):
        unseal(one[:start] + other[start:], keys())


def test_a_later_epoch_is_not_for_who_knows_only_the_one_before() -> None:
    sealed = seal(b"later", keys(RENEWED[0]))
    with pytest.raises(SealedForOthers, match="does not know yet"):
        unseal(sealed, keys())
    assert unseal(sealed, keys(*RENEWED, leaves=RENEWED[1:])) == b"later", "an earlier epoch's key is kept"


def test_of_epochs_that_began_apart_both_have_to_be_known() -> None:
    sealed = seal(b"both", keys(*RENEWED))
    for value in RENEWED:
        with pytest.raises(SealedForOthers):
            unseal(sealed, keys(value))
    assert unseal(sealed, keys(*RENEWED)) == b"both"


def test_a_file_that_names_another_epoch_than_it_is_sealed_with_is_damaged() -> None:
    sealed = seal(b"x", keys(RENEWED[0]))
    one, other = (epoch_id(bytes.fromhex(value)) for value in RENEWED)
    with pytest.raises(SealBroken):
        unseal(sealed.replace(one, other), keys(*RENEWED))


def test_members_who_are_behind_open_it_with_their_own_key_and_others_do_not() -> None:
    behind, newcomer, revoked = AUTHORS[1], AUTHORS[4], AUTHORS[2]
    public = behind.private_key.public_key().public_bytes_raw()
    sealed = seal(b"news", keys(RENEWED[0], public_keys=(public, b"\1" + bytes(31)), newcomers=(newcomer.device,)))
    assert unseal(sealed, keys(opener=behind)) == b"news"
    assert unseal(sealed, keys(opener=newcomer)) == b"news"
    with pytest.raises(SealedForOthers):
        unseal(sealed, keys(opener=revoked))


def test_another_fleet_is_reported() -> None:
    with pytest.raises(SealedElsewhere):
        unseal(seal(b"x", keys(fleet=bytes(16))), keys())


@given(st.binary(min_size=32, max_size=32))
def test_the_mapped_keys_belong_together(seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = montgomery_public_key(key.public_key().public_bytes_raw())
    assert public == montgomery_private_key(key).public_key().public_bytes_raw()


@pytest.mark.parametrize("key", [bytes(31) + b"\x7f", b"\1" + bytes(31), b"\xff" * 32])
def test_what_is_no_public_key_is_mapped_to_nothing_or_agrees_on_nothing(key: bytes) -> None:
    sealed = seal(b"x", keys(public_keys=(key,)))
    assert unseal(sealed, keys()) == b"x"


def test_what_is_no_key_is_no_epoch() -> None:
    for value in (None, 5, "", "ab" * 31, "zz" * 32, "ab" * 33):
        assert EpochKeys.of(b"s", [value], [value]).current == EpochKeys.of(b"s", [], []).current
    assert EpochKeys.of(None, [], []).current == ()


def test_more_slots_than_a_fleet_can_have_are_refused_before_memory_is_spent() -> None:
    sealed = bytearray(seal(b"x", keys()))
    at = 8 + 16 + 1 + 8 + 32
    sealed[at : at + 2] = b"\xff\xff"
    with pytest.raises(SealBroken):
        unseal(bytes(sealed), keys())
