"""Tell a member from an unknown peer by nothing but the fleet's id.

The fleet's id is the beginning of the genesis change's id, so nobody can make another genesis for it. From there on
each membership change is signed by an admin that the ones before made. A peer that proves to be a member may still
hold back what came later, such as its own revocation; that comes to light with the first member that knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.authority import evaluate_membership
from core.chain import Side
from core.changes import FLEET_ENTITY, Block
from core.effective_time import Dated, effective_times
from core.errors import Refused
from core.header import device_id, fleet_id
from core.member_values import MEMBER_PROPERTIES, RECOVERY_PROPERTY, ROLE_PROPERTY, Cut, parse_recovery
from core.membership import MemberFact
from core.succession import is_succession
from core.value_codec import withdrawn_by


def check_membership_proof(fleet: bytes, peer: bytes, blocks: Sequence[Block]) -> None:
    """Check that these blocks, the genesis first, make the peer an active member.

    Raises Refused if they do not.

    The caller has checked their signatures.
    """
    if not blocks or fleet_id(blocks[0].id) != fleet:
        raise Refused("what it sends does not begin with the genesis of this fleet")
    stated = {
        block.fact_id(place): (block, fact)
        for block in blocks
        for place, fact in enumerate(block.facts)
        if fact.property in MEMBER_PROPERTIES and not withdrawn_by(fact.value)
    }
    times = effective_times(
        {
            name: Dated((fact.entity, fact.property), block.header.fields.at, fact.obsoletes)
            for name, (block, fact) in stated.items()
        }
    )
    facts = [
        MemberFact(
            name,
            block.header.fields.device,
            fact.entity,
            fact.property,
            fact.value,
            times[name],
            fact.obsoletes,
            block.header.fields.position,
            fact.property == ROLE_PROPERTY and is_succession(fact.value, block.header.fields.device, fact.entity),
        )
        for name, (block, fact) in stated.items()
    ]
    named = [f.value for f in blocks[0].facts if (f.entity, f.property) == (FLEET_ENTITY, RECOVERY_PROPERTY)]
    key = parse_recovery(named[0]) if named else None
    recovery = None if key is None else device_id(key)
    founder = blocks[0].header.fields.device
    if not evaluate_membership(founder, facts, _ClaimedChains(), recovery).may_connect(peer):
        raise Refused("no change of an admin makes it one")


class _ClaimedChains:
    """The chains as far as positions tell.

    Between membership changes there are others, so the authors' chains cannot be followed here. Nothing is lost by
    taking every change at a lower position as one from before its author's revocation: who wants to deceive just leaves
    the revocation out.
    """

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        return Side.WITHIN if change == cut.change or position < cut.position else Side.BEYOND

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        return position > cut.position
