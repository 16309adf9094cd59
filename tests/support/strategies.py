"""Hypothesis strategies for what the format can hold."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from core.changes import FACT_ID_BYTES, ID_BYTES, MAX_TIMESTAMP_US, Change, Fact, Ref, Scalar, Value, device_id

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 9)]
DEVICES = [device_id(key.public_key().public_bytes_raw()) for key in KEYS]

entities: st.SearchStrategy[bytes] = st.binary(min_size=ID_BYTES, max_size=ID_BYTES)
line_text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
scalars: st.SearchStrategy[Scalar] = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.builds(Ref, entities),
)
values: st.SearchStrategy[Value] = st.one_of(st.none(), scalars, st.lists(scalars, max_size=4).map(tuple))
fact_ids = st.binary(min_size=FACT_ID_BYTES, max_size=FACT_ID_BYTES)
facts = st.builds(
    Fact, entities, line_text, values, st.lists(fact_ids, unique=True, max_size=3).map(lambda ids: tuple(sorted(ids)))
)
changes = st.builds(
    Change,
    device=st.just(DEVICES[0]),
    previous=st.none() | st.binary(min_size=32, max_size=32),
    user=line_text,
    at_us=st.integers(0, MAX_TIMESTAMP_US),
    note=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    facts=st.lists(facts, min_size=1, max_size=5).map(tuple),
)
