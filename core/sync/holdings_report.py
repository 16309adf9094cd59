"""Report how far third devices hold whose changes, as the end of a session."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from core.errors import FieldlineError
from core.sync.effects import Effects, receive_message
from core.sync.holdings import Holding
from core.sync.messages import Holdings
from core.sync.replica import NoteEqualSets, NoteReportedHoldings


def report_holdings(root: bytes, is_spoken: bool) -> Effects[None]:
    """Note that the peer holds the set with this root; report on third devices.

    The latter only if both speak it.

    A store that cannot note it, as on a full disk, is no reason to fail: the next session shows it again.
    """
    entries: Sequence[Holding] = ()
    with suppress(FieldlineError):
        entries = yield NoteEqualSets(root)
    if not is_spoken:
        return
    yield Holdings(tuple(entries))
    reported = yield from receive_message(Holdings)
    with suppress(FieldlineError):
        yield NoteReportedHoldings(reported.entries)
