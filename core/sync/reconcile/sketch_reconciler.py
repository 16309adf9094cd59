"""Mode `sketch` as a part of a session.

Its messages, and what it needs of the store.

All messages of a run are `SketchPart`. A side that cannot go on sends an empty one, skips what the peer sent before it
knew, and waits for the peer's empty one; then both go on with the next method. The rules are in `sketch_protocol`.

With a `salt` the short ids are other ones than those that are kept, and the cells are made for this run: slow, but two
changes whose short ids were the same before have different ones now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from core.sync.effects import Effects, receive_message
from core.sync.events import Reason
from core.sync.messages import SketchPart
from core.sync.protocol_errors import RemoteProtocolError
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_sketch import SetSketch, short_id
from core.sync.reconcile.sketch_actions import (
    AwaitMessage,
    DifferenceFound,
    PeerWants,
    ScanShortIds,
    SendMessages,
    SketchAction,
    SketchFailed,
)
from core.sync.reconcile.sketch_messages import MORE_FOLLOWS_FLAG, SketchKind, encode_wants
from core.sync.reconcile.sketch_protocol import SketchProtocol
from core.sync.replica import GetAllShortIds, GetShortIds, GetSketch, RunInThread, SetSummary, SketchedSet

MAX_INLINE_BYTES = 2048
"""Messages above this size are read on a thread: they may hold thousands of differences, 0.13 ms each."""
MAX_SKIPPED_MESSAGES = 64
"""The pieces of the longest message that the peer may have under way."""


class SketchReconciler:
    """One side of a run; see `core.sync.effects.Reconciler`.

    `is_leader` on the initiator's side. `sketched_set` is what is kept, of no use with a `salt`.
    """

    mode = "sketch"

    def __init__(
        self,
        mine: SetSummary,
        theirs: SetSummary,
        sketched_set: SketchedSet,
        is_leader: bool,
        salt: bytes = b"",
        *,
        has_coarse_lists: bool = True,
    ) -> None:
        self.round_trips = 0
        self._mine = mine
        self._theirs = theirs
        self._sketched_set = sketched_set if sketched_set.sketch and not salt else None
        self._is_leader = is_leader
        self._has_coarse_lists = has_coarse_lists
        self._salt = salt
        self._key = b""
        self._wanted_prefixes: list[list[ShortIdPrefix]] | None = None
        self._admitted: set[bytes] = set()

    def run(self) -> Effects[list[bytes] | None]:
        kept: SketchedSet = self._sketched_set or (yield GetSketch(self._salt))
        if kept.sketch is None or kept.sketch.count != self._mine.count:
            yield from self._give_up()
            return None
        self._key = kept.key
        return (yield from self._run_protocol(kept.sketch))

    def admit_change(self, change: bytes) -> bool:
        wanted = self._wanted_prefixes
        if change in self._admitted or not (
            wanted is None or any(self._is_wanted(change, prefixes) for prefixes in wanted)
        ):
            return False
        self._admitted.add(change)
        return True

    def _is_wanted(self, change: bytes, wanted: Sequence[ShortIdPrefix]) -> bool:
        short = short_id(self._key, change)
        index = bisect_right(wanted, short, key=lambda prefix: prefix.first_short_id) - 1
        return index >= 0 and short <= wanted[index].last_short_id

    def _run_protocol(self, kept: SetSketch) -> Effects[list[bytes] | None]:
        """Do what the protocol asks for.

        Give the ids that the peer lacks, None if not found.
        """
        sketch = SketchProtocol(
            kept, self._theirs.count, is_leader=self._is_leader, has_coarse_lists=self._has_coarse_lists
        )
        step: SketchAction | None = sketch.start()
        while step is not None:
            if isinstance(step, SendMessages):
                for message in step.messages:
                    yield SketchPart(message)
                self.round_trips += self._is_leader
                step = AwaitMessage()
            elif isinstance(step, AwaitMessage):
                step = yield from self._receive_action(sketch)
            elif isinstance(step, ScanShortIds):
                step = yield from self._scan_short_ids(sketch)
            elif isinstance(step, DifferenceFound):
                held = yield GetShortIds(step.difference.lookup_prefixes(), self._salt)
                plan = step.difference.plan_transfer(held)
                if plan is not None:
                    for message in encode_wants(plan.encoded_wants):
                        yield SketchPart(message)
                    self._wanted_prefixes = [
                        sorted(prefixes, key=lambda prefix: prefix.first_short_id)
                        for prefixes in (step.wanted_before, plan.wanted_prefixes)
                    ]
                    return list(plan.ids_to_send)
                step = SketchFailed("what was found is not held here")
            elif isinstance(step, PeerWants):
                found = yield GetShortIds(step.prefixes, self._salt)
                return list(dict.fromkeys(change for held in found for _, change in held))
            elif step.is_peer_fault:
                raise RemoteProtocolError(Reason.MALFORMED)
            else:
                yield from self._give_up()
                return None
        yield SketchPart(b"")
        return None

    def _scan_short_ids(self, sketch: SketchProtocol) -> Effects[SketchAction]:
        shorts: Sequence[int] = yield GetAllShortIds(self._salt)
        if len(shorts) != self._mine.count:
            return SketchFailed("the set has grown meanwhile")
        step: SketchAction = yield RunInThread(lambda: sketch.resume_scan(shorts))
        return step

    def _receive_action(self, sketch: SketchProtocol) -> Effects[SketchAction | None]:
        """Give the action for the peer's next message; None if the peer cannot go on."""
        message = yield from receive_message(SketchPart)
        payload = message.payload
        if not payload:
            return None
        self.round_trips += (
            not self._is_leader and payload[0] != SketchKind.WANTS and not payload[0] & MORE_FOLLOWS_FLAG
        )
        if sketch.buffered_bytes + len(payload) <= MAX_INLINE_BYTES:
            return sketch.receive_message(payload)
        step: SketchAction = yield RunInThread(lambda: sketch.receive_message(payload))
        return step

    def _give_up(self) -> Effects[None]:
        """Send an empty part, and skip what the peer sent before it knew."""
        yield SketchPart(b"")
        for _ in range(MAX_SKIPPED_MESSAGES):
            message = yield from receive_message(SketchPart)
            if not message.payload:
                return
        raise RemoteProtocolError(Reason.OUT_OF_TURN)


def run_salt(mine: bytes, theirs: bytes) -> bytes:
    """Make the salt for a run between two roots.

    The same on both sides, new for a grown set.
    """
    first, second = sorted((mine, theirs))
    return bytes(a ^ b for a, b in zip(first[:8], second[8:], strict=True))
