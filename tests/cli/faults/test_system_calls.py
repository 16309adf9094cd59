"""The real program killed or failed at a system call.

What was saved is there, and what was not is told.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Pair
from tests.cli.faults.trial import JOBS, KILLED, LINK_JOBS, Job, Trial
from tests.support.soak_table import soak_row
from tests.support.system_calls import READING, WRITING, Fault, cannot_trace

pytestmark = pytest.mark.skipif(cannot_trace() is not None, reason=str(cannot_trace()))
ERRORS = ("EIO", "ENOSPC")


def tried(trial: Trial, chosen: Sequence[tuple[Sequence[str], Sequence[str], int]], seed: int) -> Counter[str]:
    """Put faults on calls chosen by a seed; count how the program ended.

    `chosen` says of which calls to take how many, and which faults may happen there.
    """
    rng = random.Random(seed)
    calls = trial.calls([name for names, _, _ in chosen for name in names])
    ends: Counter[str] = Counter()
    for names, faults, count in chosen:
        among = [call for call in calls if call.name in names]
        assert among
        for _ in range(count):
            fault = Fault(rng.choice(among), rng.choice(faults))
            try:
                code = trial.survive(fault).code
            except AssertionError as error:
                raise AssertionError(f"{fault}: {error}") from error
            ends["killed" if code == KILLED else "told" if code else "not noticed"] += 1
    return ends


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_fault_loses_nothing_and_is_reported(job: Job, pair: Pair, tmp_path: Path) -> None:
    chosen = [(WRITING, ("SIGKILL",), 2), (WRITING + READING, ("EIO",), 1)]
    assert tried(Trial(job, pair, tmp_path), chosen, 1)["killed"]


@pytest.mark.parametrize("job", LINK_JOBS, ids=lambda job: job.name)
def test_a_kill_during_a_sync_loses_nothing(job: Job, pair: Pair, tmp_path: Path) -> None:
    # Which call is the n-th depends on the other device a little, too: in most runs it is killed.
    tried(Trial(job, pair, tmp_path), [(WRITING, ("SIGKILL",), 1)], 1)


@pytest.mark.soak
@pytest.mark.parametrize("job", [*JOBS, *LINK_JOBS], ids=lambda job: job.name)
def test_many_faults_lose_nothing(
    job: Job, pair: Pair, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    faults = [(WRITING + READING, ("SIGKILL",), 50), (WRITING + READING, ERRORS, 15)]
    ends = tried(Trial(job, pair, tmp_path), faults, 3)
    record_property(*soak_row(f"{job.name}: killed or failed at a call of the system", ends.total(), ends))
