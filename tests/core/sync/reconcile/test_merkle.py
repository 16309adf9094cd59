from __future__ import annotations

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from core.sync.reconcile.merkle import (
    EMPTY_FINGERPRINT,
    MAX_LEAF_IDS,
    BranchNode,
    LeafNode,
    build_tree,
    digit_at,
    insert_ids,
    leaf_fingerprint,
    prefix_bounds,
    read_node,
)
from tests.support.memory_replica import MemoryTable


def crowded(seed: int, shared: int) -> bytes:
    """An id whose first `shared` bytes are those of many others.

    So that small sets make deep trees.
    """
    tail = blake3(seed.to_bytes(4, "big")).digest()
    return (b"\xab" * shared + tail)[:32]


ids = st.builds(crowded, st.integers(0, 400), st.sampled_from([0, 0, 0, 1, 2, 5]))
sets = st.sets(ids, max_size=150)


def digest(*parts: bytes) -> bytes:
    return blake3(b"".join(parts)).digest(length=16)


def definition(members: list[bytes], depth: int = 0) -> bytes:
    """The definition of the tree, as the wire format states it; speed is no matter."""
    if len(members) <= 16:
        return digest(b"\x00", *sorted(members))
    digits = [[m for m in members if m.hex()[depth] == digit] for digit in "0123456789abcdef"]
    return digest(b"\x01", *(definition(group, depth + 1) for group in digits))


@given(sets)
def test_the_root_is_what_the_definition_says(members: set[bytes]) -> None:
    root, branches = build_tree(members)
    assert root == definition(sorted(members))
    assert all(branch.count > MAX_LEAF_IDS for branch in branches)


@given(st.lists(ids, unique=True, max_size=150), st.lists(st.integers(1, 40), max_size=20))
def test_inserting_in_any_order_and_batches_gives_the_tree_of_the_set(members: list[bytes], sizes: list[int]) -> None:
    table, rest, root = MemoryTable(), members, EMPTY_FINGERPRINT
    for size in [*sizes, len(members)]:
        batch, rest = rest[:size], rest[size:]
        table.add(batch)
        root = insert_ids(table, batch)
    expected, branches = build_tree(members)
    assert root == expected
    assert table.branches == {branch.prefix: branch for branch in branches}


@given(sets, ids)
def test_one_more_or_one_fewer_is_another_root(members: set[bytes], other: bytes) -> None:
    assert build_tree(members ^ {other})[0] != build_tree(members)[0]


def test_the_empty_set_is_a_leaf_without_ids() -> None:
    assert build_tree(())[0] == EMPTY_FINGERPRINT == leaf_fingerprint(()) == digest(b"\x00")


@given(sets)
def test_a_table_without_branches_is_filled_from_the_ids_it_holds(members: set[bytes]) -> None:
    table = MemoryTable()
    table.add(members)
    assert insert_ids(table, ()) == build_tree(members)[0]
    assert table.branches == {branch.prefix: branch for branch in build_tree(members)[1]}


@given(sets, ids, st.integers(0, 64))
def test_reading_any_prefix_gives_the_node_of_what_is_below_it(members: set[bytes], near: bytes, depth: int) -> None:
    table, prefix = MemoryTable(), near.hex()[:depth]
    table.add(members)
    insert_ids(table, members)
    node = read_node(table, prefix)
    below = [member for member in members if member.hex().startswith(prefix)]
    assert node.count == len(below)
    assert node.fingerprint == definition(below, depth)
    assert isinstance(node, LeafNode if len(below) <= MAX_LEAF_IDS else BranchNode)


@given(ids, st.integers(0, 63))
def test_bounds_and_nibbles_follow_the_hex_digits(member: bytes, depth: int) -> None:
    low, high = prefix_bounds(member.hex()[:depth])
    assert low <= member <= high
    assert low.hex() == member.hex()[:depth] + "0" * (64 - depth)
    assert high.hex() == member.hex()[:depth] + "f" * (64 - depth)
    assert f"{digit_at(member, depth):x}" == member.hex()[depth]
