"""Membership: the same set of facts gives the same members, and no key that was cut off comes back."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from core.chain import Side
from core.membership import (
    ACCEPTS_NOTHING,
    NAME_PROPERTY,
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    MemberFact,
    Membership,
    cut_value,
    evaluate_membership,
)

A, B, C, D = (letter * 16 for letter in (b"A", b"B", b"C", b"D"))


class World:
    """Devices that write facts about members, each on its own chain."""

    def __init__(self) -> None:
        self.facts: list[MemberFact] = []
        self.chains: dict[bytes, list[bytes]] = {}

    def write(
        self, author: bytes, member: bytes, name: str, value: str, sees: Iterable[MemberFact] = (), at: int = 5
    ) -> MemberFact:
        chain = self.chains.setdefault(author, [])
        chain.append(author[:1] * 30 + len(chain).to_bytes(2, "big"))
        fact = MemberFact(
            chain[-1] + b"\x00\x00",
            author,
            member,
            name,
            value,
            at,
            tuple(sorted(f.fact for f in sees)),
            len(chain) - 1,
        )
        self.facts.append(fact)
        return fact

    def head(self, author: bytes) -> str:
        """The value of a revocation that accepts all that was written so far."""
        return cut_value(Cut(len(self.chains[author]) - 1, self.chains[author][-1]))

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        chain = self.chains.get(device, [])
        if change == cut.change or (cut.change in chain and change in chain[: chain.index(cut.change)]):
            return Side.WITHIN
        return Side.BEYOND if position >= cut.position else Side.WAITING

    def evaluate(self, facts: Iterable[MemberFact] | None = None) -> Membership:
        return evaluate_membership(A, self.facts if facts is None else facts, self.side)


def test_the_founder_is_an_admin_and_whom_it_admits_belongs() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "technician")
    world.write(A, C, ROLE_PROPERTY, "reader")
    members = world.evaluate()
    assert members.is_admin(A) and members.may_write(B) and not members.is_admin(B)
    assert members.may_connect(C) and not members.may_write(C)
    assert members.limit(C) == ACCEPTS_NOTHING
    assert not members.may_connect(D) and members.limit(D) == ACCEPTS_NOTHING
    assert members.members[B].admitted_by == A


def test_only_admins_admit() -> None:
    world = World()
    world.write(B, C, ROLE_PROPERTY, "admin")
    world.write(B, B, ROLE_PROPERTY, "admin")
    world.write(A, B, ROLE_PROPERTY, "technician")
    members = world.evaluate()
    assert not members.may_connect(C)
    assert not members.is_admin(B)


def test_an_admin_who_was_admitted_later_admits_too_whatever_the_order_of_ids() -> None:
    world = World()
    world.write(D, C, ROLE_PROPERTY, "admin")
    world.write(C, B, ROLE_PROPERTY, "technician")
    world.write(A, D, ROLE_PROPERTY, "admin")
    assert world.evaluate().may_write(B)


def test_a_revoked_device_s_changes_count_up_to_the_one_named() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "admin")
    world.write(B, C, ROLE_PROPERTY, "technician")
    head = world.head(B)
    world.write(A, B, REVOKED_PROPERTY, head)
    world.write(B, D, ROLE_PROPERTY, "technician", at=1)
    members = world.evaluate()
    assert members.members[B].state == "revoked" and not members.may_connect(B)
    assert cut_value(cut) == head if isinstance(cut := members.limit(B), Cut) else False
    assert members.may_connect(C)
    assert not members.may_connect(D)


def test_a_revoked_device_cannot_undo_it() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "admin")
    cut = world.write(A, B, REVOKED_PROPERTY, "")
    world.write(B, B, REVOKED_PROPERTY, f"99:{'ff' * 32}", sees=[cut], at=99)
    world.write(B, A, REVOKED_PROPERTY, "")
    members = world.evaluate()
    assert members.members[B].state == "revoked" and members.is_admin(A)


def test_of_two_who_revoke_each_other_the_senior_stays() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "admin")
    world.write(A, C, ROLE_PROPERTY, "reader")
    before = world.head(A)
    world.write(B, C, NAME_PROPERTY, "c")
    seen_of_b = world.head(B)
    world.write(B, A, REVOKED_PROPERTY, before)
    world.write(A, B, REVOKED_PROPERTY, seen_of_b)
    members = world.evaluate()
    assert members.is_admin(A)
    assert members.members[B].state == "revoked"


def test_a_junior_admin_can_revoke_a_stolen_founder() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "admin")
    world.write(B, A, REVOKED_PROPERTY, world.head(A))
    world.write(A, D, ROLE_PROPERTY, "admin")
    members = world.evaluate()
    assert members.members[A].state == "revoked"
    assert members.is_admin(B)
    assert not members.may_connect(D)


def test_a_stolen_founder_cannot_take_its_revocation_back() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "admin")
    cut = world.write(B, A, REVOKED_PROPERTY, world.head(A))
    world.write(A, A, REVOKED_PROPERTY, f"99:{'ff' * 32}", sees=[cut], at=99)
    assert world.evaluate().members[A].state == "revoked"


def test_an_admin_takes_a_revocation_back() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "technician")
    cut = world.write(A, B, REVOKED_PROPERTY, "")
    back = MemberFact(b"Z" * 34, A, B, REVOKED_PROPERTY, None, 9, (cut.fact,))
    members = world.evaluate([*world.facts, back])
    assert members.may_write(B) and members.limit(B) is None


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    for _ in range(draw(st.integers(0, 10))):
        author, member = draw(st.sampled_from([A, B, C, D])), draw(st.sampled_from([A, B, C, D]))
        name = draw(st.sampled_from([ROLE_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY]))
        if name == ROLE_PROPERTY:
            value = draw(st.sampled_from(["admin", "technician", "reader", "king"]))
        else:
            heads = [cut_value(Cut(n, change)) for chain in world.chains.values() for n, change in enumerate(chain)]
            value = draw(st.sampled_from(["", "zz", *heads]))
        sees = draw(st.lists(st.sampled_from(world.facts), unique=True, max_size=2)) if world.facts else []
        same = [fact for fact in sees if (fact.member, fact.property) == (member, name)]
        world.write(author, member, name, value, same, draw(st.integers(0, 3)))
    return world


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(world: World, order: random.Random) -> None:
    shuffled = world.facts[:]
    order.shuffle(shuffled)
    assert world.evaluate(shuffled) == world.evaluate()


@given(worlds())
def test_nobody_belongs_whom_no_admin_admitted(world: World) -> None:
    members = world.evaluate()
    for device, member in members.members.items():
        if member.state == "active" and device != A:
            assert any(
                fact.member == device and fact.property == ROLE_PROPERTY and fact.device != device
                for fact in world.facts
            )


@given(worlds())
def test_what_strangers_say_changes_nothing(world: World) -> None:
    stranger = b"S" * 16
    before = world.evaluate()
    world.write(stranger, B, ROLE_PROPERTY, "admin")
    world.write(stranger, A, REVOKED_PROPERTY, "")
    assert world.evaluate() == before


def test_without_a_genesis_there_are_no_members() -> None:
    world = World()
    world.write(A, B, ROLE_PROPERTY, "admin")
    assert evaluate_membership(None, world.facts, world.side) == Membership()
