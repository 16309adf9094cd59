"""A fuzzer over the codec, the batches, the sketch and whole sessions.

Whatever comes, nothing but what is declared.

What goes in is what peers really said, damaged. `make test` tries a few thousand, `make soak` more than a million; each
run of `make soak` tries others, and a failure says by which number to have it again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from random import Random
from typing import Self

import pytest

from core.errors import FieldlineError
from core.sync.batch_codec import MAX_BATCH_BLOCKS, BatchDecoder
from core.sync.codec import (
    MAX_BATCH_BYTES,
    MalformedMessage,
    decode_message,
    encode_message,
    encode_varint,
)
from core.sync.events import Done, Failed
from core.sync.frames import FrameReader
from core.sync.messages import Blocks
from core.sync.reconcile.group_code import MAX_EXTENSIONS
from core.sync.reconcile.sketch_actions import (
    PeerWants,
    SketchFailed,
)
from core.sync.reconcile.sketch_protocol import SketchProtocol
from core.sync.session import Session
from core.value_codec import MAX_FACTS
from tests.support.fuzz_inputs import (
    KEY,
    MAX_REQUESTS,
    Again,
    Scene,
    all_frames,
    body,
    damaged,
    disturbed,
    everything_real,
    scenes,
)
from tests.support.memory_replica import now, some
from tests.support.session_sides import Side
from tests.support.soak_table import soak_row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SHARDS = 8
FEW = 300
CODEC, BATCHES, SKETCHES, SESSIONS = 100_000, 12_500, 12_500, 8_000
"""How many inputs each shard tries in `make soak`: 1,064,000 in all, of which a session takes longest."""


def seed(shard: int) -> int:
    """The number of a run: its shard's own one, or a new one in `make soak`."""
    reported = os.environ.get("FIELDLINE_FUZZ")
    return (
        int(reported)
        if reported
        else shard
        if os.environ.get("HYPOTHESIS_PROFILE") != "soak"
        else Random().getrandbits(48)
    )


def shards(many: int) -> pytest.MarkDecorator:
    """A few inputs in each test run, and many of them as soak."""
    soak = [
        pytest.param(shard, many, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id=f"soak {shard}")
        for shard in range(SHARDS)
    ]
    return pytest.mark.parametrize(("shard", "number"), [pytest.param(99, min(FEW, many // 20), id="some"), *soak])


class Trying:
    """Says which input it was that failed."""

    def __init__(self, shard: int) -> None:
        self.seed, self.count = seed(shard), 0
        self.chance = Random(self.seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(f"FIELDLINE_FUZZ={self.seed}, input {self.count}")


@shards(CODEC)
def test_any_bytes_are_malformed_or_the_one_encoding_of_a_message(
    shard: int, number: int, record_property: Callable[[str, object], None]
) -> None:
    messages = all_frames()
    refused = 0
    with Trying(shard) as trying:
        chance = trying.chance
        for trying.count in range(number):
            data = damaged(body(chance.choice(messages)), chance) if chance.random() < 0.9 else chance.randbytes(40)
            reader = FrameReader()
            reader.feed(encode_varint(len(data)) + data)
            try:
                found = reader.next_message()
            except MalformedMessage:
                refused += 1
                continue
            assert found is not None
            message, size = found
            assert encode_message(message) == encode_varint(len(data)) + data
            assert size == len(encode_message(message)) and len(reader) == 0
    assert 0 < refused < number
    ends = {"refused": refused, "read": number - refused}
    record_property(*soak_row("bytes of a message of a session damaged", number, ends))


@shards(BATCHES)
def test_any_batch_is_malformed_or_blocks_and_claims_within_bounds(
    shard: int, number: int, record_property: Callable[[str, object], None]
) -> None:
    with Trying(shard) as trying:
        chance = trying.chance
        for trying.count in range(number):
            unpacker = BatchDecoder()
            stream = zstd.ZstdCompressor()
            for _ in range(3):
                blocks = some(chance.randrange(1000), chance.randrange(1, 20))
                plain = b"".join(encode_varint(len(block)) + block for block in blocks)
                for claim in range(chance.randrange(4)):
                    plain += (b"\0" if not claim else b"") + bytes([claim, 2, claim, 9])
                plain = damaged(plain, chance) if chance.random() < 0.5 else plain
                packed = stream.compress(plain, zstd.ZstdCompressor.FLUSH_BLOCK)
                try:
                    batch = unpacker.decode_batch(damaged(packed, chance) if chance.random() < 0.2 else packed)
                except MalformedMessage:
                    break
                assert 0 < len(batch.blocks) <= MAX_BATCH_BLOCKS and all(batch.blocks)
                assert sum(map(len, batch.blocks)) <= MAX_BATCH_BYTES
                for index, facts in batch.obsolete_hints.items():
                    assert 0 <= index < len(batch.blocks) and list(facts) == sorted(set(facts))
                    assert 0 < len(facts) <= MAX_FACTS and facts[0] >= 0 and facts[-1] < MAX_FACTS
    record_property(*soak_row("compressed changes of a session damaged", number))


@shards(SKETCHES)
def test_any_message_of_a_sketch_leads_to_a_step(
    shard: int, number: int, record_property: Callable[[str, object], None]
) -> None:
    shared = Side(KEY, [bytes([index, *range(31)]) for index in range(200)])
    payloads = [data[1:] for data in map(body, all_frames()) if data[0] == 11 and len(data) > 1]
    with Trying(shard) as trying:
        chance = trying.chance
        for trying.count in range(number):
            count = chance.choice((0, 1, 190, 200, 201, 212, 300, 5000, 1 << 27))
            sketch = SketchProtocol(shared.cells, count, is_leader=chance.random() < 0.5)
            step, _ = shared.finish(sketch, sketch.start())
            for _ in range(MAX_EXTENSIONS * 3):
                if isinstance(step, SketchFailed | PeerWants):
                    break
                payload = chance.choice(payloads)
                if chance.random() < 0.7:
                    payload = damaged(payload, chance)
                step, found = shared.finish(sketch, sketch.receive_message(payload))
                if found is not None:
                    assert set(found.ids_to_send) <= shared.changes
                    break
            else:
                raise AssertionError("it goes on without end")
    record_property(*soak_row("messages of a reconciliation damaged", number))


def against(scene: Scene, replica: Again, messages: list[bytes], chance: Random) -> Session:
    """A session that gets this, in pieces of any size, then the peer's end."""
    victim = scene.session()
    asked = 0

    def serve() -> None:
        nonlocal asked
        while victim.request is not None:
            asked += 1
            assert asked < MAX_REQUESTS, "it goes on without end"
            try:
                victim.resolve(now(victim.request.perform(replica)))
            except FieldlineError as error:
                victim.reject(error)

    serve()
    for data in messages:
        cut = chance.randrange(len(data)) if data and chance.random() < 0.2 else 0
        for piece in (data[:cut], data[cut:]):
            victim.receive_data(piece)
            serve()
            victim.data_to_send()
    victim.receive_eof()
    serve()
    return victim


@shards(SESSIONS)
def test_any_peer_ends_a_session_with_an_event_and_leaves_only_real_blocks(
    shard: int, number: int, record_property: Callable[[str, object], None]
) -> None:
    replicas = [(scene, Again()) for scene in scenes()]
    ended = {Done: 0, Failed: 0}
    with Trying(shard) as trying:
        chance = trying.chance
        for trying.count in range(number):
            scene, replica = chance.choice(replicas)
            replica.begin_again(scene.first)
            victim = against(scene, replica, disturbed(scene.frames, chance), chance)
            if replica.root != scene.first.root:
                assert scene.first.held.items() <= replica.held.items() <= everything_real().items()
            outcome = victim.outcome
            assert isinstance(outcome, Done | Failed), "it is over when the peer is gone"
            ended[type(outcome)] += 1
            if isinstance(outcome, Done):
                assert outcome.root == replica.root
            else:
                assert str(outcome.error)
    assert ended[Failed] > number // 4
    ends = {"ended well": ended[Done], "told": ended[Failed]}
    record_property(*soak_row("sessions with frames damaged, lost, doubled, swapped", number, ends))


def test_what_is_fuzzed_goes_through_undamaged() -> None:
    """Otherwise the fuzzer would not come past the first message."""
    for scene in scenes():
        replica = Again()
        replica.begin_again(scene.first)
        victim = against(scene, replica, scene.frames, Random(1))
        assert isinstance(victim.outcome, Done), (scene.name, victim.outcome)
        assert replica.held == scene.genuine
    kinds = {frame[len(encode_varint(len(frame))) :][:1] for frame in all_frames()}
    assert len(kinds) >= 10 and any(isinstance(decode_message(body(frame)), Blocks) for frame in all_frames())
