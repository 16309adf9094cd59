"""The same facts give the same members; doubt and cuts only take authority."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.authority import evaluate_membership
from core.chain import Side
from core.member_values import (
    MAX_SCOPE,
    NAME_PROPERTY,
    NO_ROLE,
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    UNBOUND,
    WRITING_ROLES,
    Cut,
    mark_text,
    parse_readmission,
    parse_revocation,
    parse_role,
    readmission_value,
    revocation_value,
    role_value,
)
from core.membership import Grant, MemberFact, Membership

A, B, C, D, E = (letter * 16 for letter in (b"A", b"B", b"C", b"D", b"E"))
DEVICES = (A, B, C, D, E)
LOCALITIES = (b"K" * 16, b"L" * 16, b"M" * 16)
SCOPES = [frozenset(LOCALITIES[:1]), frozenset(LOCALITIES[:2]), frozenset(LOCALITIES[1:])]
R = b"R" * 16
"""The recovery key."""


class World:
    """Devices that write facts about members, each on its own chain."""

    def __init__(self) -> None:
        self.facts: list[MemberFact] = []
        self.chains: dict[bytes, list[bytes]] = {}
        self.branches: set[bytes] = set()
        """Changes that nothing follows: what was written after each goes on from the one before it."""

    def write(
        self, author: bytes, member: bytes, name: str, value: str | None, sees: Iterable[MemberFact] = (), at: int = 5
    ) -> MemberFact:
        """The next change of a device, which says this."""
        chain = self.chains.setdefault(author, [])
        chain.append(author[:1] * 30 + len(chain).to_bytes(2, "big"))
        seen = tuple(sorted(f.fact for f in sees))
        fact = MemberFact(chain[-1] + b"\x00\x00", author, member, name, value, at, seen, len(chain) - 1)
        self.facts.append(fact)
        return fact

    def work(self, author: bytes) -> Cut:
        """A change that says nothing of members."""
        return self.head(self.write(author, author, "x", None))

    def role(self, author: bytes, member: bytes, role: str, *sees: MemberFact, since: Cut | None = None) -> MemberFact:
        start = None if since is None else (since,)
        return self.write(author, member, ROLE_PROPERTY, role_value(role, start), sees)

    def bind(
        self, author: bytes, member: bytes, scope: frozenset[bytes], *sees: MemberFact, since: Cut | None = None
    ) -> MemberFact:
        start = None if since is None else (since,)
        return self.write(author, member, ROLE_PROPERTY, role_value("technician", start, scope), sees)

    def revoke(self, author: bytes, member: bytes, *last: Cut) -> MemberFact:
        return self.write(author, member, REVOKED_PROPERTY, revocation_value(last))

    def readmit(self, author: bytes, member: bytes, revoked: MemberFact, since: Cut) -> MemberFact:
        return self.write(author, member, REVOKED_PROPERTY, readmission_value((since,)), [revoked])

    def succeed(self, author: bytes, member: bytes) -> MemberFact:
        """The next change of a device, by which another's key goes on for its own."""
        fact = replace(self.write(author, member, ROLE_PROPERTY, "successor of test"), is_succession=True)
        self.facts[-1] = fact
        return fact

    def fork(self, author: bytes) -> None:
        """Let what a device writes next stand on a branch of its own.

        It begins with its last change but this one.
        """
        self.branches.add(self.chains[author][-1])

    def head(self, fact: MemberFact) -> Cut:
        return Cut(fact.position, fact.fact[:32])

    def last(self, author: bytes) -> Cut:
        """The latest change of a device."""
        return Cut(len(self.chains[author]) - 1, self.chains[author][-1])

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        chain = self.chains.get(device, [])
        if change == cut.change:
            return Side.WITHIN
        if cut.change not in chain or chain.index(cut.change) != cut.position:
            return Side.BEYOND if position >= cut.position else Side.WAITING
        is_below = change in chain[: cut.position] and change not in self.branches
        return Side.WITHIN if is_below else Side.BEYOND

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        chain = self.chains.get(device, [])
        if cut.change not in chain or change not in chain or cut.change in self.branches:
            return False
        return chain.index(change) > chain.index(cut.change)

    def evaluate(self, facts: Iterable[MemberFact] | None = None) -> Membership:
        return evaluate_membership(A, self.facts if facts is None else facts, self, R)

    def roles(self, membership: Membership, device: bytes) -> list[str]:
        """The role in which each change of a device counts, NO_ROLE where it does not."""
        return [grant.role for grant in self.grants(membership, device)]

    def grants(self, membership: Membership, device: bytes) -> list[Grant]:
        """What each change of a device was granted."""
        authority = membership.authority(device)
        return [authority.grant_at(self, device, n, change) for n, change in enumerate(self.chains.get(device, ()))]


# --- who belongs -----------------------------------------------------------------------------------------------------


def test_the_founder_is_an_admin_and_whom_it_admits_belongs() -> None:
    world = World()
    world.role(A, B, "technician")
    world.role(A, C, "reader")
    members = world.evaluate()
    assert members.is_admin(A) and members.may_write(B) and not members.is_admin(B)
    assert members.may_connect(C) and not members.may_write(C)
    assert not members.may_connect(D) and members.authority(D).uniform_role == NO_ROLE
    assert members.members[B].admitted_by == A and members.members[A].admitted_by is None


def test_only_admins_admit() -> None:
    world = World()
    world.role(B, C, "admin")
    world.role(B, B, "admin")
    world.role(A, B, "technician")
    members = world.evaluate()
    assert not members.may_connect(C)
    assert not members.is_admin(B)


def test_an_admin_who_was_admitted_later_admits_too_whatever_the_order_of_ids() -> None:
    world = World()
    world.role(D, C, "admin")
    world.role(C, B, "technician")
    world.role(A, D, "admin")
    assert world.evaluate().may_write(B)


def test_without_a_genesis_there_are_no_members() -> None:
    world = World()
    world.role(A, B, "admin")
    assert evaluate_membership(None, world.facts, world) == Membership()


# --- roles -----------------------------------------------------------------------------------------------------------


def test_a_demoted_admin_admits_nobody_and_keeps_whom_it_admitted() -> None:
    world = World()
    made = world.role(A, B, "admin")
    world.role(B, C, "technician")
    world.role(A, B, "technician", made, since=world.last(B))
    world.role(B, D, "admin")
    world.role(B, B, "admin", made)
    members = world.evaluate()
    assert members.may_connect(C) and not members.may_connect(D)
    assert members.members[B].role == "technician"
    assert world.roles(members, B) == ["admin", "technician", "technician"]


def test_a_demoted_technician_writes_nothing_and_keeps_what_it_wrote() -> None:
    world = World()
    made = world.role(A, B, "technician")
    before = world.work(B)
    world.role(A, B, "reader", made, since=before)
    world.work(B)
    members = world.evaluate()
    assert not members.may_write(B) and members.may_connect(B)
    assert world.roles(members, B) == ["technician", "reader"]


def test_who_is_made_an_admin_is_one_from_there_on() -> None:
    world = World()
    made = world.role(A, B, "technician")
    world.role(B, C, "technician")
    world.role(A, B, "admin", made, since=world.last(B))
    world.role(B, D, "technician")
    members = world.evaluate()
    assert members.is_admin(B) and not members.may_connect(C) and members.may_connect(D)


def test_a_raised_role_is_not_for_another_branch_of_the_chain() -> None:
    world = World()
    made = world.role(A, B, "technician")
    world.work(B)
    elsewhere = Cut(0, b"other branch".ljust(32))
    world.role(A, B, "admin", made, since=elsewhere)
    world.role(B, C, "admin")
    members = world.evaluate()
    assert not members.may_connect(C)
    assert world.roles(members, B) == ["technician", "technician"]


@pytest.mark.parametrize("first", ["admin", "reader"])
def test_of_concurrent_roles_the_lesser_holds_whatever_the_clocks_say(first: str) -> None:
    world = World()
    world.role(A, B, "admin")
    second = "reader" if first == "admin" else "admin"
    world.write(A, C, ROLE_PROPERTY, first, at=2**53)
    world.write(B, C, ROLE_PROPERTY, second, at=1)
    members = world.evaluate()
    assert members.members[C].role == "reader" and members.may_connect(C)
    assert len(members.leaves[C, ROLE_PROPERTY]) == 2, "an admin resolves it in knowledge of both"


def test_a_role_that_is_not_understood_is_none() -> None:
    world = World()
    made = world.role(A, B, "admin")
    world.write(A, B, ROLE_PROPERTY, "king", [made])
    members = world.evaluate()
    assert members.members[B].state == "pending" and not members.may_connect(B)


# --- scopes ----------------------------------------------------------------------------------------------------------


def test_of_concurrent_scopes_all_hold() -> None:
    world = World()
    world.role(A, D, "admin")
    world.bind(A, B, SCOPES[1])
    world.bind(D, B, SCOPES[2])
    assert world.evaluate().members[B].scopes == {SCOPES[1], SCOPES[2]}


def test_a_scope_holds_from_a_place_on_and_a_later_word_widens_it_from_its_own_place_on() -> None:
    world = World()
    first = world.role(A, B, "technician")
    places = [world.work(B) for _ in range(3)]
    bound = world.bind(A, B, SCOPES[0], first, since=places[0])
    world.bind(A, B, SCOPES[1], bound, since=places[1])
    members = world.evaluate()
    assert [grant.scopes for grant in world.grants(members, B)] == [UNBOUND, {SCOPES[0]}, {SCOPES[1]}]
    assert members.members[B].bound_to == SCOPES[1]


def test_a_new_key_is_bound_as_the_old_one_was() -> None:
    world = World()
    world.bind(A, B, SCOPES[0])
    world.succeed(B, C)
    world.work(C)
    assert [grant.scopes for grant in world.grants(world.evaluate(), C)] == [{SCOPES[0]}]


@pytest.mark.parametrize(
    "value", ["admin in {}", "reader in {}", "technician in", "technician in {} ", "technician in x"]
)
def test_only_technicians_are_bound_and_by_what_is_understood(value: str) -> None:
    assert parse_role(value.format(LOCALITIES[0].hex())) == (NO_ROLE, None, UNBOUND)


def test_no_more_localities_are_read_than_a_scope_may_have() -> None:
    many = frozenset(n.to_bytes(16, "big") for n in range(MAX_SCOPE))
    assert parse_role(role_value("technician", None, many)) == ("technician", None, {many})
    assert parse_role(role_value("technician", None, many | {b"x" * 16}))[0] == NO_ROLE


# --- revocations -----------------------------------------------------------------------------------------------------


def test_a_revoked_device_s_changes_count_up_to_the_one_named() -> None:
    world = World()
    world.role(A, B, "admin")
    world.role(B, C, "technician")
    world.revoke(A, B, world.last(B))
    world.write(B, D, ROLE_PROPERTY, "technician", at=1)
    members = world.evaluate()
    assert members.members[B].state == "revoked" and not members.may_connect(B)
    assert members.may_connect(C)
    assert not members.may_connect(D)
    assert world.roles(members, B) == ["admin", NO_ROLE]


@pytest.mark.parametrize("later_first", [True, False])
def test_the_cut_is_the_intersection_of_all_revocations_whatever_the_clocks_say(later_first: bool) -> None:
    world = World()
    world.role(A, B, "admin")
    made = world.role(A, C, "technician")
    cuts = [world.work(C) for _ in range(4)]
    world.write(A, C, REVOKED_PROPERTY, revocation_value((cuts[0],)), at=9 if later_first else 1)
    world.write(B, C, REVOKED_PROPERTY, revocation_value((cuts[2],)), at=1 if later_first else 9)
    assert world.roles(world.evaluate(), C) == ["technician", NO_ROLE, NO_ROLE, NO_ROLE]
    # One in knowledge of the other widens nothing either.
    world.write(A, C, REVOKED_PROPERTY, revocation_value((cuts[3],)), world.facts[-2:])
    assert world.roles(world.evaluate(), C) == ["technician", NO_ROLE, NO_ROLE, NO_ROLE]
    assert made.fact in world.evaluate().counted


def test_a_cut_of_several_branches_keeps_them_all() -> None:
    world = World()
    world.role(A, B, "technician")
    cuts = [world.work(B) for _ in range(2)]
    world.revoke(A, B, Cut(7, b"other branch".ljust(32)), cuts[0])
    assert world.roles(world.evaluate(), B) == ["technician", NO_ROLE]


def test_what_is_not_known_to_lie_before_a_cut_waits_without_effect() -> None:
    world = World()
    world.role(A, B, "technician")
    world.work(B)
    world.revoke(A, B, Cut(5, b"not here yet".ljust(32)))
    assert world.roles(world.evaluate(), B) == [NO_ROLE]


def test_a_readmission_is_a_new_interval_and_revives_nothing() -> None:
    world = World()
    world.role(A, B, "technician")
    kept = world.work(B)
    revoked = world.revoke(A, B, kept)
    stolen = world.work(B)
    world.readmit(A, B, revoked, stolen)
    world.work(B)
    members = world.evaluate()
    assert members.may_write(B)
    assert world.roles(members, B) == ["technician", NO_ROLE, "technician"]
    # And can be revoked again, after which neither interval grows.
    again = world.last(B)
    world.revoke(A, B, again)
    world.work(B)
    assert world.roles(world.evaluate(), B) == ["technician", NO_ROLE, "technician", NO_ROLE]


def test_a_revocation_that_the_readmission_did_not_know_of_holds() -> None:
    world = World()
    world.role(A, B, "admin")
    world.role(A, C, "technician")
    kept = world.work(C)
    revoked = world.revoke(A, C, kept)
    world.revoke(B, C, kept)
    world.readmit(A, C, revoked, kept)
    assert world.evaluate().members[C].state == "revoked"


@pytest.mark.parametrize("value", [None, "from nowhere", "from"])
def test_nothing_else_takes_a_revocation_back(value: str | None) -> None:
    world = World()
    world.role(A, B, "technician")
    revoked = world.revoke(A, B)
    world.write(A, B, REVOKED_PROPERTY, value, [revoked])
    assert world.evaluate().members[B].state == "revoked"


def test_a_revoked_device_cannot_undo_it() -> None:
    world = World()
    world.role(A, B, "admin")
    revoked = world.revoke(A, B, world.work(B))
    world.readmit(B, B, revoked, Cut(0, world.chains[B][0]))
    world.write(B, B, REVOKED_PROPERTY, f"99:{'ff' * 32}", [revoked], at=99)
    world.revoke(B, A)
    members = world.evaluate()
    assert members.members[B].state == "revoked" and members.is_admin(A)


def test_what_who_is_no_admin_says_of_a_member_stands_in_nobody_s_way() -> None:
    world = World()
    made = world.role(A, B, "technician")
    world.role(A, C, "technician")
    cut = world.work(B)
    world.revoke(C, B, cut)
    world.role(C, B, "reader", made)
    members = world.evaluate()
    assert members.may_write(B)
    assert members.leaves[B, ROLE_PROPERTY] == (made.fact,) and (B, REVOKED_PROPERTY) not in members.leaves


# --- new keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "technician", "reader"])
def test_a_new_key_has_the_role_of_the_old_one_which_has_none_any_more(role: str) -> None:
    world = World()
    world.role(A, B, role)
    world.work(B)
    world.succeed(B, C)
    world.work(B)
    world.work(C)
    members = world.evaluate()
    assert members.members[C].role == role and members.may_connect(C) and members.members[C].replaces == B
    assert not members.may_connect(B) and members.members[B].replaced_by == C
    assert world.roles(members, B) == [role, role, NO_ROLE] and world.roles(members, C) == [role]


def test_who_has_no_role_passes_none_on() -> None:
    world = World()
    world.succeed(B, C)
    assert not world.evaluate().may_connect(C)
    made = world.role(A, D, "technician")
    world.revoke(A, D, *[])
    world.succeed(D, E)
    assert not world.evaluate().may_connect(E) and made.fact in world.evaluate().counted


def test_a_key_changed_often_stays_the_same_member() -> None:
    world = World()
    world.role(A, B, "admin")
    world.succeed(B, C)
    world.succeed(C, D)
    world.role(D, E, "technician")
    members = world.evaluate()
    assert members.is_admin(D) and not members.may_connect(B) and not members.may_connect(C)
    assert members.may_write(E)


def test_the_founder_s_new_key_is_as_senior_as_the_old_one() -> None:
    world = World()
    world.role(A, B, "admin")
    before = world.last(A)
    world.succeed(A, C)
    world.revoke(B, A, before)
    assert not world.evaluate().may_connect(C), "B was an admin, and cut off what passed the role on"
    world.write(C, B, REVOKED_PROPERTY, "nothing")
    members = world.evaluate()
    assert members.is_admin(C) and members.members[B].state == "revoked", "the founder prevails, by whatever key"


def test_two_new_keys_for_one_are_none() -> None:
    world = World()
    world.role(A, B, "admin")
    kept = world.work(B)
    world.succeed(B, C)
    world.fork(B)
    world.succeed(B, D)
    members = world.evaluate()
    assert not any(members.may_connect(each) for each in (B, C, D))
    assert world.roles(members, B) == ["admin", NO_ROLE, NO_ROLE] and kept
    # An admin lets one of them in again, in knowledge of what it names; no more of the old key's can take that back.
    seen = [fact for fact in world.facts if fact.member == C]
    world.role(A, C, "technician", *seen)
    assert world.evaluate().may_write(C)
    world.fork(B)
    world.succeed(B, E)
    assert world.evaluate().may_write(C) and not world.evaluate().may_connect(E)


def test_of_two_new_keys_one_behind_the_other_the_first_holds() -> None:
    world = World()
    world.role(A, B, "technician")
    world.succeed(B, C)
    world.succeed(B, D)
    members = world.evaluate()
    assert members.may_write(C) and not members.may_connect(D)


def test_a_new_key_is_given_another_role_in_knowledge_of_that_only() -> None:
    world = World()
    world.role(A, B, "technician")
    named = world.succeed(B, C)
    world.role(A, C, "admin")
    assert world.evaluate().members[C].role == "technician", "who wrote that did not know whose key it is"
    work = world.work(C)
    world.role(A, C, "admin", named, since=work)
    world.work(C)
    members = world.evaluate()
    assert members.is_admin(C) and world.roles(members, C) == ["technician", "admin"]


def test_who_revokes_the_old_key_before_it_named_the_new_one_revokes_both() -> None:
    world = World()
    world.role(A, B, "technician")
    kept = world.work(B)
    world.succeed(B, C)
    world.revoke(A, B, kept)
    members = world.evaluate()
    assert not members.may_connect(C) and world.roles(members, B) == ["technician", NO_ROLE]


def test_a_name_goes_along_with_the_new_key_and_no_other() -> None:
    world = World()
    world.role(A, B, "technician")
    named = world.succeed(B, C)
    alike = replace(world.facts[-1], fact=named.fact[:32] + b"\x00\x01", property=NAME_PROPERTY, value="Lane 1")
    world.facts.append(replace(alike, is_succession=False))
    world.write(B, C, NAME_PROPERTY, "mine")
    world.write(B, A, NAME_PROPERTY, "mine")
    members = world.evaluate()
    assert members.members[C].name == "Lane 1" and members.members[A].name != "mine"


# --- seniority -------------------------------------------------------------------------------------------------------


def test_of_two_who_revoke_each_other_the_senior_stays() -> None:
    world = World()
    world.role(A, B, "admin")
    world.role(A, C, "reader")
    before = world.last(A)
    seen_of_b = world.head(world.write(B, C, NAME_PROPERTY, "c"))
    world.revoke(B, A, before)
    world.revoke(A, B, seen_of_b)
    members = world.evaluate()
    assert members.is_admin(A)
    assert members.members[B].state == "revoked"


@pytest.mark.parametrize(("first", "second"), [(B, C), (C, B)])
def test_among_equals_who_was_admitted_first_prevails_and_not_the_smaller_id(first: bytes, second: bytes) -> None:
    world = World()
    world.role(A, first, "admin")
    world.role(A, second, "admin")
    world.revoke(second, first)
    world.revoke(first, second)
    members = world.evaluate()
    assert members.is_admin(first) and members.members[second].state == "revoked"


def test_a_junior_admin_can_revoke_a_stolen_founder() -> None:
    world = World()
    world.role(A, B, "admin")
    world.revoke(B, A, world.last(A))
    world.role(A, D, "admin")
    members = world.evaluate()
    assert members.members[A].state == "revoked"
    assert members.is_admin(B)
    assert not members.may_connect(D)


def test_what_voids_itself_is_void() -> None:
    world = World()
    world.role(A, B, "admin")
    world.revoke(B, A)
    members = world.evaluate()
    assert members.is_admin(A) and members.is_admin(B)


def test_a_circle_of_admins_who_revoke_each_other_ends_the_same_way_for_all() -> None:
    world = World()
    for member in (B, C, D):
        world.role(A, member, "admin")
    for author, member in ((B, C), (C, D), (D, B)):
        world.revoke(author, member)
    members = world.evaluate()
    assert {d for d in (B, C, D) if members.is_admin(d)} == {B, D}, "the eldest decided, and its victim decides nothing"


def test_a_revocation_that_was_void_by_one_that_is_void_itself_holds() -> None:
    world = World()
    world.role(A, B, "admin")
    world.role(A, C, "admin")
    world.role(A, D, "technician")
    cut = world.work(C)
    world.revoke(C, D)
    # B voids what C said, and is revoked for everything by A.
    world.revoke(B, C, cut)
    assert world.evaluate().may_write(D)
    world.revoke(A, B)
    members = world.evaluate()
    assert members.is_admin(C) and members.members[D].state == "revoked"


# --- the recovery key, and two who outvote ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_first", [True, False])
def test_the_recovery_key_prevails_over_a_stolen_founder(is_first: bool) -> None:
    world = World()
    world.role(A, B, "admin")
    before = world.last(A)
    steps = [lambda: world.revoke(A, R), lambda: world.write(A, R, ROLE_PROPERTY, "reader"), lambda: world.revoke(A, B)]
    if is_first:
        world.revoke(R, A, before)
    for step in steps:
        step()
    if not is_first:
        world.revoke(R, A, before)
    world.role(R, C, "admin")
    world.revoke(A, C)
    members = world.evaluate()
    assert members.members[A].state == "revoked" and members.is_admin(B) and members.is_admin(C)
    assert members.is_admin(R) and R not in members.members and not members.may_connect(R)


def test_whom_the_recovery_key_admits_is_senior_to_the_founder() -> None:
    world = World()
    world.role(R, C, "admin")
    world.revoke(A, C)
    world.revoke(C, A)
    members = world.evaluate()
    assert members.is_admin(C) and members.members[A].state == "revoked"


def test_no_key_goes_on_for_the_recovery_key_and_it_for_none() -> None:
    world = World()
    world.succeed(R, C)
    world.succeed(A, R)
    world.role(R, D, "reader")
    members = world.evaluate()
    assert not members.may_connect(C) and members.is_admin(A) and members.may_connect(D)


def test_who_goes_on_for_two_goes_on_for_none() -> None:
    world = World()
    for device in (B, C):
        world.role(A, device, "technician")
    world.succeed(B, D)
    world.succeed(C, D)
    members = world.evaluate()
    assert not any(members.may_connect(each) for each in (B, C, D)), "its own key has agreed to both"


def test_the_founder_goes_on_for_nobody() -> None:
    world = World()
    world.succeed(B, A)
    world.role(A, B, "technician")
    members = world.evaluate()
    assert members.is_admin(A) and members.may_write(B), "not even if it has agreed to"


def test_without_one_in_the_genesis_nobody_is_it() -> None:
    world = World()
    world.role(R, C, "admin")
    assert not evaluate_membership(A, world.facts, world).may_connect(C)
    assert not evaluate_membership(A, world.facts, world).is_admin(R)


def struck_back(*voters: bytes) -> World:
    """A, who admitted B and C, is stolen.

    Some revoke it, and the thief revokes all others for good.
    """
    world = World()
    for device in (B, C):
        world.role(A, device, "admin")
    before = world.last(A)
    for voter in voters:
        world.revoke(voter, A, before)
    for device in (B, C, D, E):
        world.revoke(A, device)
    return world


def test_one_does_not_outvote_its_senior_and_two_do() -> None:
    assert struck_back(B).evaluate().is_admin(A) and not struck_back(B).evaluate().may_connect(B)
    members = struck_back(B, C).evaluate()
    assert members.members[A].state == "revoked" and members.is_admin(B) and members.is_admin(C)


def test_whom_a_junior_admitted_has_no_vote() -> None:
    world = World()
    world.role(A, B, "admin")
    world.role(B, C, "admin")
    before = world.last(A)
    world.revoke(B, A, before)
    world.revoke(C, A, before)
    world.revoke(A, B, world.head(world.facts[1]))
    world.revoke(A, C)
    members = world.evaluate()
    assert members.is_admin(A) and members.members[B].state == "revoked"


def test_two_keys_of_one_admin_have_one_vote() -> None:
    world = World()
    world.role(A, B, "admin")
    before = world.last(A)
    world.revoke(B, A, before)
    world.succeed(B, C)
    world.revoke(C, A, before)
    world.revoke(A, B)
    members = world.evaluate()
    assert members.is_admin(A) and not members.may_connect(C)


def test_a_senior_of_both_sides_still_decides() -> None:
    world = World()
    for device in (B, C, D):
        world.role(A, device, "admin")
    before = world.last(B) if B in world.chains else Cut(0, b"?" * 32)
    world.revoke(C, B, before)
    world.revoke(D, B, before)
    world.revoke(A, C)
    members = world.evaluate()
    assert members.members[C].state == "revoked", "so there is one vote left, of a junior"
    world.revoke(B, D)
    assert world.evaluate().is_admin(B) and not world.evaluate().may_connect(D)


# --- properties ------------------------------------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world = World()
    for _ in range(draw(st.integers(0, 14))):
        author, member = draw(st.sampled_from((*DEVICES, R))), draw(st.sampled_from((*DEVICES, R)))
        if author != member and draw(st.integers(0, 5)) == 0:
            world.succeed(author, member)
            if draw(st.booleans()):
                world.fork(author)
            continue
        chain = world.chains.get(member, [])
        cuts = [Cut(n, change) for n, change in enumerate(chain)] + [Cut(3, b"?" * 32)]
        name = draw(st.sampled_from([ROLE_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY]))
        mark = tuple(draw(st.lists(st.sampled_from(cuts), max_size=2, unique=True)))
        if name == ROLE_PROPERTY:
            role = draw(st.sampled_from(["admin", "admin", "technician", "technician", "reader", "king"]))
            scope = draw(st.sampled_from([frozenset(), *SCOPES])) if role == "technician" else frozenset()
            value = role_value(role, None if draw(st.booleans()) else mark, scope)
        else:
            value = draw(st.sampled_from(["", "zz", revocation_value(mark), readmission_value(mark)]))
        same = [fact for fact in world.facts if (fact.member, fact.property) == (member, name)]
        sees = draw(st.lists(st.sampled_from(same), unique=True, max_size=3)) if same else []
        world.write(author, member, name, value, sees, draw(st.integers(0, 3)))
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
                fact.member == device
                and fact.property == ROLE_PROPERTY
                and fact.device != device
                and fact.fact in members.counted
                for fact in world.facts
            )


@given(worlds())
def test_what_unknown_devices_say_changes_nothing(world: World) -> None:
    unknown = b"S" * 16
    before = world.evaluate()
    world.role(unknown, B, "admin")
    world.role(unknown, A, "reader")
    world.revoke(unknown, A)
    assert world.evaluate() == before


@given(worlds())
def test_what_counts_was_said_by_an_admin_at_that_place(world: World) -> None:
    members = world.evaluate()
    for fact in world.facts:
        if fact.fact in members.counted:
            role = members.authority(fact.device).role_at(world, fact.device, fact.position, fact.fact[:32])
            assert role if fact.is_succession else role == "admin"


def authority(world: World, members: Membership) -> set[tuple[bytes, int, str, bytes]]:
    """Which changes say something, which of them as an admin, and of which localities."""
    return {
        (device, place, what, locality)
        for device in world.chains
        for place, grant in enumerate(world.grants(members, device))
        for what in (WRITING_ROLES if grant.role == "admin" else (grant.role,) if grant.role in WRITING_ROLES else ())
        for locality in LOCALITIES
        if all(locality in scope for scope in grant.scopes)
    }


def in_force(world: World, members: Membership) -> set[bytes]:
    """The facts that take authority away and count."""
    return {fact.fact for fact in world.facts if fact.fact in members.counted and _takes_away(fact)}


def _takes_away(fact: MemberFact) -> bool:
    if fact.is_succession:
        return False
    if fact.property == REVOKED_PROPERTY:
        return parse_revocation(fact.value) is not None
    return fact.property == ROLE_PROPERTY and parse_role(fact.value)[0] != "admin"


@given(worlds(), st.sampled_from(DEVICES), st.sampled_from(DEVICES), st.data())
def test_what_takes_authority_away_gives_none_unless_it_voids_another_that_did(
    world: World, author: bytes, member: bytes, data: st.DataObject
) -> None:
    cuts = [Cut(n, change) for n, change in enumerate(world.chains.get(member, []))]
    mark = tuple(data.draw(st.lists(st.sampled_from(cuts), max_size=2, unique=True))) if cuts else ()
    known = world.facts[:]
    # A change more is made first, so that both evaluations speak of the same chains.
    late: Sequence[MemberFact] = [
        world.revoke(author, member, *mark)
        if data.draw(st.booleans())
        else world.write(
            author,
            member,
            ROLE_PROPERTY,
            data.draw(
                st.sampled_from(
                    [role_value("reader", mark), *(role_value("technician", mark, scope) for scope in SCOPES)]
                )
            ),
        )
    ]
    before, after = world.evaluate(known), world.evaluate([*known, *late])
    if in_force(world, before) <= in_force(world, after):
        assert authority(world, after) <= authority(world, before)


@given(worlds(), st.sampled_from(DEVICES), st.booleans())
def test_a_key_that_named_another_says_nothing_any_more(world: World, author: bytes, is_forked: bool) -> None:
    new = b"N" * 16
    if is_forked and author in world.chains:
        world.fork(author)
    named = world.succeed(author, new)
    world.work(author)
    members = world.evaluate()
    assert not members.may_connect(author) and world.roles(members, author)[named.position + 1] == NO_ROLE
    # And what a thief of the old key says elsewhere can only take the new one's role away.
    before = members.may_connect(new)
    world.fork(author)
    world.succeed(author, b"T" * 16)
    after = world.evaluate()
    assert not after.may_connect(b"T" * 16) and not after.may_connect(author)
    assert before >= after.may_connect(new)


# --- values ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.builds(Cut, st.integers(0, 2**31), st.binary(min_size=32, max_size=32)), max_size=3))
def test_values_say_what_they_were_made_of(cuts: list[Cut]) -> None:
    mark = tuple(cuts)
    assert parse_revocation(revocation_value(mark)) == mark
    assert parse_readmission(readmission_value(mark)) == mark
    assert parse_revocation(readmission_value(mark)) is None
    assert parse_readmission(revocation_value(mark)) is None
    assert parse_role(role_value("reader", mark)) == ("reader", mark, UNBOUND)
    assert parse_role(role_value("reader")) == ("reader", None, UNBOUND)
    assert mark_text(mark) in readmission_value(mark)


@pytest.mark.parametrize("value", [None, 1, "king", "admin from", "admin from x", "Admin", "admin "])
def test_no_role_is_made_of_what_is_not_understood(value: str | int | None) -> None:
    assert parse_role(value) == (NO_ROLE, None, UNBOUND)
