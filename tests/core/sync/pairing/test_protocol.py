"""Pairing without I/O: the honest way, every way out, and the middle."""

from __future__ import annotations

from collections import Counter
from itertools import product
from random import Random

import pytest

from core.sync.pairing import digits
from core.sync.pairing.messages import (
    Admitted,
    Commitment,
    Nonce,
    PairAbort,
    PairDone,
    PairHello,
    PairMessage,
    Reveal,
    encode_message,
)
from core.sync.pairing.protocol import (
    MIN_LOOK_S,
    Agreed,
    Comparison,
    PairingFailed,
    PairingOutput,
    PairingProtocol,
    PeerAdmitted,
    TryCounted,
)
from core.sync.pairing.states import PairingState
from core.sync.protocol_errors import LocalProtocolError
from tests.support.linked_sessions import THIRD
from tests.support.pairing_sides import (
    ACCEPTER_KEY,
    DIALER_KEY,
    FLEET,
    carry,
    failure,
    feed,
    hello,
    shown,
    sides,
)

THIRD_KEY = THIRD.public_key


def compared(*, admin_dials: bool = True) -> tuple[PairingProtocol, PairingProtocol]:
    """Two sides that show the digits."""
    one, other = sides(admin_dials=admin_dials)
    carry(one, other)
    return one, other


@pytest.mark.parametrize("admin_dials", [True, False])
def test_both_show_the_same_digits_and_one_admits_the_other(admin_dials: bool) -> None:
    one, other = sides(admin_dials=admin_dials)
    found = carry(one, other)
    comparisons = [next(each for each in outputs if isinstance(each, Comparison)) for outputs in found]
    assert comparisons[0].digits == comparisons[1].digits
    assert [each.peer_name for each in comparisons] == (["K3", "K1"] if admin_dials else ["K1", "K3"])
    assert {(each.fleet, each.fleet_name) for each in comparisons} == {(FLEET, "Nord")}
    assert [each.is_admin for each in comparisons] == [admin_dials, not admin_dials]
    assert one.answer(True, MIN_LOOK_S) == []
    assert carry(one, other, MIN_LOOK_S) == ([], [])
    assert other.answer(True, MIN_LOOK_S) == [Agreed()]
    assert carry(one, other, MIN_LOOK_S) == ([Agreed()], [])
    admin, joiner = (one, other) if admin_dials else (other, one)
    admin.admit("reader", "Van")
    outputs = carry(admin, joiner)
    assert outputs == ([], [PeerAdmitted("reader", "Van")])
    assert admin.state is joiner.state is PairingState.DONE


def test_a_try_is_counted_by_both_before_anybody_knows_the_digits() -> None:
    one, other = sides()
    there, back = one.data_to_send(), other.data_to_send()
    assert feed(other, there) == [TryCounted()]
    assert feed(one, back) == []
    assert feed(one, other.data_to_send()) == [TryCounted()]
    assert shown(feed(other, one.data_to_send()))


def test_nobody_finds_them_the_same_before_they_could_be_read() -> None:
    one, _ = compared()
    with pytest.raises(LocalProtocolError, match="so soon"):
        one.answer(True, MIN_LOOK_S - 0.01)


@pytest.mark.parametrize("first", [0, 1])
def test_one_who_says_that_they_differ_ends_it_for_both(first: int) -> None:
    pair = compared()
    assert "differ" in failure(pair[first].answer(False, 0.0))
    found = carry(*pair)
    assert "person at the other device" in failure(found[1 - first])
    assert {side.state for side in pair} == {PairingState.FAILED}
    with pytest.raises(LocalProtocolError):
        pair[1 - first].answer(True, MIN_LOOK_S)


def test_same_on_one_side_and_different_on_the_other_is_different() -> None:
    one, other = compared()
    one.answer(True, MIN_LOOK_S)
    carry(one, other, MIN_LOOK_S)
    assert "differ" in failure(other.answer(False, MIN_LOOK_S))
    assert "person at the other device" in failure(carry(one, other)[0])


@pytest.mark.parametrize(
    ("mine", "theirs", "says"),
    [
        (hello(dialer=True, admin=False), hello(dialer=False, admin=False), "Neither"),
        (hello(dialer=True, admin=True), hello(dialer=False, admin=True), "Both"),
        (hello(dialer=True, admin=True), hello(dialer=False, admin=False, fleet=bytes(16)), "another fleet"),
    ],
)
def test_two_that_cannot_pair_learn_it_before_a_try_is_counted(mine: PairHello, theirs: PairHello, says: str) -> None:
    one = PairingProtocol(mine, DIALER_KEY, ACCEPTER_KEY, bytes(32))
    other = PairingProtocol(theirs, ACCEPTER_KEY, DIALER_KEY, bytes(32))
    found = carry(one, other)
    assert all(says in failure(outputs) for outputs in found)
    assert not [each for outputs in found for each in outputs if isinstance(each, TryCounted)]


def test_a_device_that_waits_for_this_fleet_can_pair() -> None:
    one, other = sides()
    other = PairingProtocol(hello(dialer=False, admin=False, fleet=FLEET), ACCEPTER_KEY, DIALER_KEY, bytes(32))
    found = carry(one, other)
    assert shown(found[0]) == shown(found[1]) is not None


def test_only_an_admins_side_admits() -> None:
    one, other = compared(admin_dials=False)
    for side in (one, other):
        side.answer(True, MIN_LOOK_S)
    carry(one, other)
    with pytest.raises(LocalProtocolError, match="admin"):
        one.admit("admin", "Eve")
    assert "rules" in failure(feed(other, encode_message(Admitted("admin", "Eve"))))


# --- what a peer may say when ----------------------------------------------------------------------------------------

MESSAGES: dict[str, PairMessage] = {
    "hello": hello(dialer=False, admin=False),
    "hello of this side": hello(dialer=True, admin=False),
    "commitment": Commitment(bytes(32)),
    "nonce": Nonce(bytes(32)),
    "reveal": Reveal(bytes(32)),
    "same": PairDone(True),
    "different": PairDone(False),
    "admitted": Admitted("admin", "K1"),
    "abort": PairAbort(),
}


def dialer_in(state: PairingState) -> PairingProtocol:
    """A joiner that dialed, as far as this state, with an honest peer."""
    one, other = sides(admin_dials=False)
    one.data_to_send()
    steps = {PairingState.HELLO: 0, PairingState.COMMITMENT: 1, PairingState.REVEAL: 2, PairingState.COMPARE: 3}
    needed = steps.get(state, 3)
    if needed >= 1:
        feed(one, other.data_to_send())
    if needed >= 2:
        feed(other, encode_message(hello(dialer=True, admin=False)))
        feed(one, other.data_to_send())
    if needed >= 3:
        feed(other, one.data_to_send())
        feed(one, other.data_to_send())
    if state in (PairingState.SAME_HERE, PairingState.AGREED):
        one.answer(True, MIN_LOOK_S)
    if state in (PairingState.SAME_THERE, PairingState.AGREED):
        feed(one, encode_message(PairDone(True)))
    assert one.state is state
    return one


ALLOWED = {
    PairingState.HELLO: set(),  # an admin's hello, which the honest way shows
    PairingState.COMMITMENT: {"commitment"},
    PairingState.REVEAL: set(),  # what was committed to, and nothing else
    PairingState.COMPARE: {"same"},
    PairingState.SAME_HERE: {"same"},
    PairingState.SAME_THERE: set(),
    PairingState.AGREED: {"admitted"},
}


@pytest.mark.parametrize(("state", "message"), product(ALLOWED, MESSAGES), ids=str)
def test_a_message_out_of_its_turn_ends_it(state: PairingState, message: str) -> None:
    side = dialer_in(state)
    outputs = feed(side, encode_message(MESSAGES[message]))
    assert bool(failure(outputs)) == (message not in ALLOWED[state])
    assert (side.state is PairingState.FAILED) == (message not in ALLOWED[state])


@pytest.mark.parametrize("state", ALLOWED, ids=str)
def test_a_link_that_ends_or_is_stopped_ends_it(state: PairingState) -> None:
    assert "ended" in failure(dialer_in(state).receive_eof())
    stopped = dialer_in(state)
    stopped.data_to_send()
    stopped.abort()
    assert stopped.data_to_send() == encode_message(PairAbort())
    stopped.abort()
    assert (stopped.data_to_send(), stopped.state) == (b"", PairingState.FAILED)


def test_a_peer_that_says_anything_at_all_ends_it_at_most() -> None:
    """A fuzzer over whole pairings.

    What an honest peer says, damaged, cut, repeated and out of order.
    """
    for seed in range(3000):
        random = Random(seed)
        state = random.choice(list(ALLOWED))
        side = dialer_in(state)
        data = b"".join(encode_message(random.choice(list(MESSAGES.values()))) for _ in range(random.randint(1, 4)))
        damaged = bytearray(data + random.randbytes(random.choice((0, 3, 300))))
        for _ in range(random.randint(0, 3)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        outputs = feed(side, bytes(damaged[: random.randint(1, len(damaged))]))
        assert all(not isinstance(each, PairingFailed) for each in outputs[:-1])
        assert side.wanted_bytes <= 256
        assert len(side.data_to_send()) < 1000


# --- attacks ---------------------------------------------------------------------------------------------------------


class Middle:
    """Somebody between two honest devices, with keys of their own.

    One side of a pairing with each, played by the rules as far as these let anybody win.
    """

    def __init__(self, random: Random) -> None:
        self.dialer = PairingProtocol(hello(dialer=True, admin=True), DIALER_KEY, THIRD_KEY, random.randbytes(32))
        self.accepter = PairingProtocol(hello(dialer=False, admin=False), ACCEPTER_KEY, THIRD_KEY, random.randbytes(32))
        self.random = random

    def run(self, guesses: int) -> tuple[str | None, str | None]:
        """The digits on both screens.

        The one in the middle tries out that many nonces where that can still help.
        """
        random = self.random
        as_dialer, as_accepter = hello(dialer=True, admin=True), hello(dialer=False, admin=False)
        # Towards the dialing device it commits first, towards the accepting one it answers last.
        own_nonce = random.randbytes(32)
        to_dialer = digits.hash_transcript(as_dialer.encode(), as_accepter.encode(), DIALER_KEY, THIRD_KEY)
        to_accepter = digits.hash_transcript(as_dialer.encode(), as_accepter.encode(), THIRD_KEY, ACCEPTER_KEY)
        commitment = digits.commit_to(to_dialer, own_nonce)
        feed(self.accepter, encode_message(as_dialer))
        theirs = self.accepter.data_to_send()[-32:]
        self.dialer.data_to_send()
        feed(self.dialer, encode_message(as_accepter))
        feed(self.dialer, encode_message(Commitment(commitment)))
        nonce = self.dialer.data_to_send()[-32:]
        # All that can be known now is what the dialing device will show; the other's nonce is hidden.
        wanted = digits.derive_number(to_dialer, commitment, nonce, own_nonce)
        chosen = min(
            (random.randbytes(32) for _ in range(guesses)),
            key=lambda each: digits.derive_number(to_accepter, theirs, each, bytes(32)) != wanted,
        )
        one = shown(feed(self.accepter, encode_message(Nonce(chosen))))
        return shown(feed(self.dialer, encode_message(Reveal(own_nonce)))), one


def test_who_is_in_the_middle_gets_the_same_digits_on_both_screens_by_chance_only() -> None:
    """10,000 pairings: six digits agree as often as chance lets them.

    So does each number of the last ones.
    """
    random = Random(20261130)
    agreed: Counter[int] = Counter()
    tries = 10_000
    for _ in range(tries):
        there, back = Middle(random).run(guesses=3)
        assert there is not None and back is not None
        for count in (1, 2, 3, 6):
            agreed[count] += there.replace(" ", "")[-count:] == back.replace(" ", "")[-count:]
    assert agreed[6] <= 1
    for count in (1, 2, 3):
        expected = tries / 10**count
        assert abs(agreed[count] - expected) <= 5 * expected**0.5, agreed


def test_without_a_commitment_that_is_kept_somebody_could_try_until_it_fits() -> None:
    """What the commitment is for.

    The nonce that would fit is found, in a scaled-down space, and refused.
    """
    random = Random(5)
    middle = Middle(random)
    as_dialer, as_accepter = hello(dialer=True, admin=True), hello(dialer=False, admin=False)
    middle.dialer.data_to_send()
    feed(middle.dialer, encode_message(as_accepter))
    transcript = digits.hash_transcript(as_dialer.encode(), as_accepter.encode(), DIALER_KEY, THIRD_KEY)
    commitment = digits.commit_to(transcript, random.randbytes(32))
    feed(middle.dialer, encode_message(Commitment(commitment)))
    nonce = middle.dialer.data_to_send()[-32:]
    fitting = next(
        tried
        for tried in (random.randbytes(32) for _ in range(100_000))
        if digits.derive_number(transcript, commitment, nonce, tried) % 100 == 42
    )
    outputs = feed(middle.dialer, encode_message(Reveal(fitting)))
    assert "committed" in failure(outputs)
    assert shown(outputs) is None


def digits_of(
    *,
    dialer: PairHello | None = None,
    seen_dialer: PairHello | None = None,
    accepter: PairHello | None = None,
    seen_accepter: PairHello | None = None,
    keys: tuple[bytes, bytes] = (ACCEPTER_KEY, DIALER_KEY),
) -> tuple[str | None, str | None]:
    """The digits of two sides whose hellos were changed, or whose keys differ."""
    random = Random(3)
    dialer = dialer or hello(dialer=True, admin=True)
    accepter = accepter or hello(dialer=False, admin=False)
    one = PairingProtocol(dialer, DIALER_KEY, keys[0], random.randbytes(32))
    other = PairingProtocol(accepter, ACCEPTER_KEY, keys[1], random.randbytes(32))
    one.data_to_send(), other.data_to_send()
    feed(other, encode_message(seen_dialer or dialer))
    feed(one, encode_message(seen_accepter or accepter))
    # Towards the dialing side the commitment is made anew, as only somebody in the middle could.
    transcript = digits.hash_transcript(dialer.encode(), (seen_accepter or accepter).encode(), DIALER_KEY, keys[0])
    nonce = Random(3).randbytes(64)[32:]
    other.data_to_send()
    feed(one, encode_message(Commitment(digits.commit_to(transcript, nonce))))
    there = one.data_to_send()
    return shown(feed(one, encode_message(Reveal(nonce)))), shown(feed(other, there))


def test_the_digits_bind_both_hellos_and_both_keys() -> None:
    same = digits_of()
    assert same[0] == same[1] is not None
    changed = [
        digits_of(seen_dialer=hello(dialer=True, admin=True, name="Eve")),
        digits_of(seen_dialer=hello(dialer=True, admin=True, fleet=bytes(16))),
        digits_of(seen_accepter=hello(dialer=False, admin=False, name="Eve")),
        digits_of(seen_accepter=hello(dialer=False, admin=False, fleet=FLEET)),
        digits_of(keys=(THIRD_KEY, DIALER_KEY)),
        digits_of(keys=(ACCEPTER_KEY, THIRD_KEY)),
    ]
    assert [one == other for one, other in changed] == [False] * len(changed)
    assert None not in [each for found in changed for each in found]


def test_a_side_is_not_paired_with_itself_or_its_mirror_image() -> None:
    """Reflection, and two that both think they dialed."""
    with pytest.raises(LocalProtocolError):
        PairingProtocol(hello(dialer=True, admin=True), DIALER_KEY, DIALER_KEY, bytes(32))
    one, _ = sides()
    assert "rules" in failure(feed(one, one.data_to_send()))


def test_a_nonce_is_taken_once() -> None:
    one, other = sides()
    carry(one, other)
    assert "rules" in failure(feed(other, encode_message(Nonce(bytes(32)))))


def test_what_was_recorded_of_one_pairing_is_of_no_use_in_another() -> None:
    recorded: list[bytes] = []
    one, other = sides(Random(1))
    while (there := one.data_to_send()) + (back := other.data_to_send()):
        recorded.append(back)
        feed(other, there)
        feed(one, back)
    again, _ = sides(Random(2))
    outputs: list[PairingOutput] = []
    for data in recorded:
        outputs += feed(again, data)
    # The replayed commitment is to the replayed nonce, but the dialing side's own is another one: other digits, and
    # nobody who answers.
    assert shown(outputs) not in (None, shown(carry(*sides(Random(1)))[0]))


@pytest.mark.parametrize(("number", "text"), [(0, "000 000"), (123456, "123 456"), (7, "000 007"), (999999, "999 999")])
def test_digits_are_written_in_two_groups(number: int, text: str) -> None:
    assert digits.format_digits(number) == text
