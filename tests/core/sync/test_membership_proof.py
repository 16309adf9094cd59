from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.body import Fact
from core.changes import Change, change_id, sign_change
from core.errors import Refused
from core.sync.membership_proof import check_membership_proof
from tests.support.store_fleet import ADMISSION, FLEET, FOUNDING, GENESIS, Pen
from tests.support.strategies import DEVICES, KEYS

PEN = Pen(0, change_id(ADMISSION))
LATE = PEN.write(Fact(DEVICES[4], "member.role", "admin"), at=50)
BY_LATE = Pen(4).write(Fact(DEVICES[5], "member.role", "reader"), at=60)
REVOKED = PEN.write(Fact(DEVICES[1], "member.revoked", change_id(GENESIS).hex()), at=70)


@pytest.mark.parametrize(
    ("peer", "blocks"),
    [
        pytest.param(0, [GENESIS], id="the first admin"),
        pytest.param(1, FOUNDING, id="admitted"),
        pytest.param(5, [GENESIS, LATE, BY_LATE], id="admitted by one who was admitted"),
        pytest.param(5, [GENESIS, BY_LATE, LATE], id="in any order after the genesis"),
    ],
)
def test_members_are_vouched_for(peer: int, blocks: Sequence[bytes]) -> None:
    check_membership_proof(FLEET, DEVICES[peer], blocks)


BY_NOBODY = Pen(5).write(Fact(DEVICES[6], "member.role", "admin"), at=50)
BY_TECHNICIAN = Pen(1).write(Fact(DEVICES[6], "member.role", "admin"), at=50)
FORGED = LATE[:-1] + bytes([LATE[-1] ^ 1])
OTHER_GENESIS = sign_change(
    Change(DEVICES[6], None, "x", 1, None, (Fact(DEVICES[6], "member.role", "admin"),)), KEYS[6], None
)


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
        pytest.param(0, [b"nonsense"], id="nonsense"),
    ],
)
def test_strangers_are_not(peer: int, blocks: Sequence[bytes]) -> None:
    with pytest.raises(Refused):
        check_membership_proof(FLEET, DEVICES[peer], blocks)
