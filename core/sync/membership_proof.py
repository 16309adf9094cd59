"""How a device that knows nothing but the fleet's id tells a member from a stranger.

The fleet's id is the beginning of the genesis change's id, so nobody can make another genesis for it. From there on
each membership change is signed by an admin that the ones before made. A peer that proves to be a member may still
hold back what came later, such as its own revocation; that comes to light with the first member that knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.changes import decode_block, fact_id, verify_block
from core.errors import Refused
from core.header import fleet_id
from core.membership import MEMBER_PROPERTIES, MemberFact, evaluate_membership


def check_membership_proof(fleet: bytes, peer: bytes, blocks: Sequence[bytes]) -> None:
    """Check that these blocks, the genesis first, make the peer an active member; raises Refused if they do not."""
    changes = [decode_block(data) for data in blocks]
    if not changes or fleet_id(changes[0].id) != fleet:
        raise Refused("what it sends does not begin with the genesis of this fleet")
    for block in changes:
        verify_block(block, fleet)
    facts = [
        MemberFact(
            fact_id(block.id, index),
            block.change.device,
            fact.entity,
            fact.property,
            fact.value,
            block.change.at_us,
            fact.obsoletes,
        )
        for block in changes
        for index, fact in enumerate(block.change.facts)
        if fact.property in MEMBER_PROPERTIES
    ]
    # Between membership changes there are others, so the authors' chains cannot be followed here. Nothing is lost by
    # taking every change as one from before its author's revocation: who wants to deceive just leaves that out.
    sent = frozenset(block.id for block in changes)
    if not evaluate_membership(changes[0].change.device, facts, lambda head: sent).may_connect(peer):
        raise Refused("no change of an admin makes it one")
