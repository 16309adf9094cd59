from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.body import Fact
from core.changes import Change, change_id, decode_block, sign_block, verify_block
from core.errors import Refused
from core.sync.membership_proof import check_membership_proof
from tests.support.memory_replica import forged
from tests.support.store_fleet import ADMISSION, FLEET, FOUNDING, GENESIS, Pen
from tests.support.strategies import DEVICES, KEYS, SEED

PEN = Pen(0, FOUNDING)
LATE = PEN.write(Fact(DEVICES[4], "member.role", "admin"), at=50)
LATE_PEN = Pen(4)
BY_LATE = LATE_PEN.write(Fact(DEVICES[5], "member.role", "reader"), at=60)
LATER_BY_LATE = LATE_PEN.write(Fact(DEVICES[6], "member.role", "reader"), at=61)
REVOKED = PEN.write(Fact(DEVICES[1], "member.revoked", f"0:{change_id(GENESIS).hex()}"), at=70)
CUT = PEN.write(Fact(DEVICES[4], "member.revoked", f"0:{change_id(BY_LATE).hex()}"), at=80)


def check(peer: int, blocks: Sequence[bytes]) -> None:
    """Check as a session does, which restores blocks and checks signatures first."""
    decoded = [decode_block(data) for data in blocks]
    for block in decoded:
        verify_block(block, FLEET)
    check_membership_proof(FLEET, DEVICES[peer], decoded)


@pytest.mark.parametrize(
    ("peer", "blocks"),
    [
        pytest.param(0, [GENESIS], id="the first admin"),
        pytest.param(1, FOUNDING, id="admitted"),
        pytest.param(5, [GENESIS, LATE, BY_LATE], id="admitted by one who was admitted"),
        pytest.param(5, [GENESIS, BY_LATE, LATE], id="in any order after the genesis"),
        pytest.param(5, [GENESIS, LATE, BY_LATE, LATER_BY_LATE, CUT], id="admitted by the last change before the cut"),
    ],
)
def test_members_are_vouched_for(peer: int, blocks: Sequence[bytes]) -> None:
    check(peer, blocks)


BY_NOBODY = Pen(5).write(Fact(DEVICES[6], "member.role", "admin"), at=50)
BY_TECHNICIAN = Pen(1).write(Fact(DEVICES[6], "member.role", "admin"), at=50)
FORGED = forged(LATE)
OTHER_GENESIS = sign_block(
    Change(b"A" * 16, 1, None, (Fact(DEVICES[6], "member.role", "admin"),)), KEYS[6], None, SEED
).data


@pytest.mark.parametrize(
    ("peer", "blocks"),
    [
        pytest.param(0, [], id="nothing"),
        pytest.param(1, [ADMISSION, GENESIS], id="the genesis not first"),
        pytest.param(6, [OTHER_GENESIS], id="a genesis of its own"),
        pytest.param(6, [OTHER_GENESIS, *FOUNDING], id="a genesis of its own before the fleet's"),
        pytest.param(6, FOUNDING, id="not a member"),
        pytest.param(5, [GENESIS, BY_LATE], id="a link missing"),
        pytest.param(6, [*FOUNDING, BY_NOBODY], id="admitted by nobody"),
        pytest.param(6, [*FOUNDING, BY_TECHNICIAN], id="admitted by one who may not"),
        pytest.param(4, [GENESIS, FORGED], id="a forged link"),
        pytest.param(1, [*FOUNDING, REVOKED], id="revoked"),
        pytest.param(6, [GENESIS, LATE, BY_LATE, LATER_BY_LATE, CUT], id="admitted after the cut"),
        pytest.param(0, [b"nonsense"], id="nonsense"),
    ],
)
def test_strangers_are_not(peer: int, blocks: Sequence[bytes]) -> None:
    with pytest.raises(Refused):
        check(peer, blocks)
