"""Many devices, many sessions at once, cut anywhere.

Given time, all hold the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core.sync.events import Done, Failed, Reason
from core.sync.session import Session
from tests.support.memory_replica import GENESIS, PEER, MemoryReplica, Wire, block, meet, now, serve, session, some

MEMBERS = [GENESIS, block("member " + PEER.hex())]
DEVICES = st.integers(0, 3)
SPEAKS = st.sampled_from([("sketch", "merkle"), ("merkle",)])
CUTS = st.one_of(st.integers(0, 200), st.integers(0, 30_000))


@dataclass
class Meeting:
    """A session between two devices, part of the way through."""

    devices: tuple[int, int]
    ends: tuple[Session, Session]

    def over(self) -> bool:
        return all(end.outcome for end in self.ends)


class Fleet(RuleBasedStateMachine):
    """Devices that write and meet in any order.

    Several meetings go on side by side, the same two devices' as well.
    """

    @initialize(
        sizes=st.lists(st.integers(0, 200), min_size=4, max_size=4),
        joined=st.lists(st.booleans(), min_size=4, max_size=4),
    )
    def begin(self, sizes: list[int], joined: list[bool]) -> None:
        self.replicas = [MemoryReplica() for _ in sizes]
        self.written: dict[bytes, bytes] = {}
        self.committed: list[set[bytes]] = [set() for _ in sizes]
        self.meetings: list[Meeting] = []
        self.next = 0
        for device, (size, joins) in enumerate(zip(sizes, joined, strict=True)):
            if device == 0 or joins:
                self.keep(device, [*MEMBERS, *some(100_000 * device, size)])

    def keep(self, device: int, blocks: list[bytes]) -> None:
        self.replicas[device].keep(blocks)
        self.written |= MemoryReplica.of(blocks).held

    @rule(device=DEVICES, number=st.integers(1, 40))
    def write(self, device: int, number: int) -> None:
        if self.replicas[device].held:
            self.next += number
            self.keep(device, some(1_000_000 + self.next - number, number))

    @rule(one=DEVICES, other=DEVICES, batch=st.sampled_from([100, 1000]), here=SPEAKS, there=SPEAKS)
    def call(self, one: int, other: int, batch: int, here: tuple[str, ...], there: tuple[str, ...]) -> None:
        """Each side speaks both modes or one of them, in small batches or in large ones."""
        if one != other and len(self.meetings) < 6:
            calling = session(initiator=True, batch_bytes=batch, modes=here)
            self.meetings.append(Meeting((one, other), (calling, session(batch_bytes=batch, modes=there))))

    @rule(one=DEVICES, other=DEVICES, there=CUTS, back=CUTS, modes=SPEAKS)
    def meet_and_be_cut(self, one: int, other: int, there: int, back: int, modes: tuple[str, ...]) -> None:
        """A meeting of which only so many bytes get through.

        What had been committed by then stays.
        """
        if one != other:
            wires = Wire(left=there), Wire(left=back)
            ends = meet(self.replicas[one], self.replicas[other], there=wires[0], back=wires[1], modes=modes)
            for end in ends:
                outcome = end.outcome
                assert isinstance(outcome, Done) or (
                    isinstance(outcome, Failed) and outcome.reason == Reason.CONNECTION_LOST
                )

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """One side of a meeting answers requests, and sends what it has, or a part."""
        if not self.meetings:
            return
        meeting = data.draw(st.sampled_from(self.meetings))
        side = data.draw(st.integers(0, 1))
        end, replica = meeting.ends[side], self.replicas[meeting.devices[side]]
        for _ in range(data.draw(st.integers(1, 5))):
            if end.request is not None:
                end.resolve(now(end.request.perform(replica)))
        sent = end.data_to_send()
        cut = data.draw(st.integers(0, len(sent))) if sent and data.draw(st.integers(0, 20)) == 0 else len(sent)
        meeting.ends[1 - side].receive_data(sent[:cut])
        if cut < len(sent):
            self.hang_up(meeting)

    @rule(data=st.data())
    def hurry(self, data: st.DataObject) -> None:
        """A meeting goes on for a while."""
        if not self.meetings:
            return
        meeting = data.draw(st.sampled_from(self.meetings))
        for _ in range(data.draw(st.integers(1, 30))):
            for side in (0, 1):
                end = meeting.ends[side]
                serve(end, self.replicas[meeting.devices[side]])
                meeting.ends[1 - side].receive_data(end.data_to_send())

    def hang_up(self, meeting: Meeting) -> None:
        for side in (0, 1):
            meeting.ends[side].receive_eof()
            serve(meeting.ends[side], self.replicas[meeting.devices[side]])

    @invariant()
    def only_what_was_written_and_never_less(self) -> None:
        for meeting in getattr(self, "meetings", []):
            for end in meeting.ends:
                if isinstance(end.outcome, Failed):
                    assert end.outcome.reason == Reason.CONNECTION_LOST, end.outcome
            if meeting.over():
                self.meetings.remove(meeting)
                break
        for replica, before in zip(getattr(self, "replicas", []), getattr(self, "committed", []), strict=True):
            assert replica.held.items() <= self.written.items()
            assert before <= replica.held.keys()
            before.update(replica.held)

    def teardown(self) -> None:
        if not hasattr(self, "replicas"):
            return
        for meeting in self.meetings:
            self.hang_up(meeting)
        for _ in range(2):
            for other in (1, 2, 3):
                one, _ = meet(self.replicas[0], self.replicas[other])
                assert isinstance(one.outcome, Done)
        assert all(replica.held == self.written for replica in self.replicas)
        assert len({replica.root for replica in self.replicas}) == 1


def test_a_fleet_converges() -> None:
    run_state_machine_as_test(Fleet, settings=settings(deadline=None, max_examples=8, stateful_step_count=50))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_fleet_converges_many_times() -> None:
    run_state_machine_as_test(Fleet, settings=settings(deadline=None, max_examples=1000, stateful_step_count=80))
