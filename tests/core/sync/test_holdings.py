"""What a device reports of third devices, and how few bytes that takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.sync.codec import encode_message
from core.sync.holdings import Holding, choose_holdings, with_tags, without_tags
from core.sync.messages import Holdings

MAX_FRAME_BYTES = 64
PEER = b"P" * 16


def device(number: int) -> bytes:
    return bytes([number]) * 16


def known(count: int, chain: bytes) -> list[Holding]:
    return [Holding(chain, device(number), 100 + number) for number in range(count)]


def encoded(holdings: list[Holding], devices: list[bytes]) -> bytes:
    return encode_message(Holdings(tuple(with_tags(holdings, devices))))


devices = st.integers(0, 40).map(device)
holdings = st.dictionaries(st.tuples(devices, devices), st.integers(0, 1 << 30), max_size=60).map(
    lambda found: [Holding(*pair, position) for pair, position in found.items()]
)


@given(holdings, devices, st.integers(0, 1 << 32))
def test_it_takes_at_most_64_bytes_and_says_nothing_that_the_peer_knows(
    all_known: list[Holding], peer: bytes, turn: int
) -> None:
    chosen = choose_holdings(all_known, peer, turn)
    everybody = [device(number) for number in range(41)]
    assert len(encoded(chosen, everybody)) <= MAX_FRAME_BYTES
    assert set(chosen) <= set(all_known)
    assert not [each for each in chosen if each.holder in (peer, each.chain)]
    assert sorted(without_tags(with_tags(chosen, everybody), everybody)) == chosen


def test_what_became_of_the_changes_of_the_peer_comes_first() -> None:
    chosen = choose_holdings([*known(9, PEER), *known(9, device(77))], PEER, 0)
    assert {each for each in chosen if each.chain == PEER} == set(known(9, PEER))


def test_one_session_after_the_other_tells_everything() -> None:
    every = [*known(30, PEER), *known(30, device(77))]
    shown = {each for turn in range(60) for each in choose_holdings(every, PEER, turn)}
    assert {each for each in every if each.chain == PEER} <= shown


def test_devices_whose_ids_begin_alike_are_not_reported_nor_understood() -> None:
    alike = [b"abc" + bytes([number]) * 13 for number in (1, 2)]
    holding = Holding(PEER, alike[0], 7)
    assert with_tags([holding], [PEER, alike[0]]) == [Holding(PEER[:3], b"abc", 7)]
    assert with_tags([holding], [PEER, *alike]) == []
    assert without_tags([Holding(PEER[:3], b"abc", 7)], [PEER, *alike]) == []
    assert without_tags([Holding(PEER[:3], b"abc", 7)], [PEER]) == []
