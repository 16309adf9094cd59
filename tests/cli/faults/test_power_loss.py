"""The power fails at any moment.

What was reported as saved is there, and nothing is half there.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Pair
from tests.cli.faults.trial import JOBS, Job, Trial
from tests.support.soak_table import soak_row
from tests.support.system_calls import cannot_trace

MANY = 150
pytestmark = pytest.mark.skipif(cannot_trace() is not None, reason=str(cannot_trace()))


def lose_power(trial: Trial, count: int, seed: int) -> None:
    rng = random.Random(seed)
    disk = trial.record()
    # Right after the answer, and anywhere before it.
    for after in [len(disk.steps), *(rng.randrange(len(disk.steps)) for _ in range(count))]:
        try:
            trial.survive_power_loss(disk, after, rng)
        except AssertionError as error:
            raise AssertionError(f"after {after} of {len(disk.steps)} steps: {error}") from error


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_power_loss_loses_nothing_that_was_reported(job: Job, pair: Pair, tmp_path: Path) -> None:
    lose_power(Trial(job, pair, tmp_path), 2, 1)


@pytest.mark.soak
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_many_power_losses(
    job: Job, pair: Pair, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    lose_power(Trial(job, pair, tmp_path), MANY, 2)
    record_property(*soak_row(f"{job.name}: the power fails", MANY + 1))
