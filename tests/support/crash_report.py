"""A failure is told in plain words where pytest cannot show it.

So that the run goes on.

CPython before 3.11.5 now and then cannot read the source of a test that failed ("AST constructor recursion depth
mismatch"), and exceptions that hold one another too deep cannot be shown: either would end a worker, and all it had.
"""

from __future__ import annotations

import traceback

import pytest

MAX_FRAMES = 30
"""Of each traceback, the innermost: enough to find the place."""


MAX_CHAIN = 50
"""Exceptions behind one another; pytest takes the square of the time for them."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """Make the report as pytest does, else one with the bare traceback."""
    error = call.excinfo.value if call.excinfo else None
    try:
        if error is None or _chained(error) <= MAX_CHAIN:
            return pytest.TestReport.from_item_and_call(item, call)
        trouble = "too many exceptions behind it"
    except Exception as problem:  # noqa: BLE001 - whatever it is, the others are still to be run
        trouble = type(problem).__name__
    assert error is not None
    bare = pytest.CallInfo(None, None, call.start, call.stop, call.duration, call.when, _ispytest=True)
    report = pytest.TestReport.from_item_and_call(item, bare)
    report.outcome = "failed"
    report.longrepr = "".join([*_plain_traceback(error), f"(pytest could not show it: {trouble})"])
    return report


def _plain_traceback(error: BaseException) -> list[str]:
    """Format the innermost frames, without source where that cannot be parsed.

    Python 3.13 does so.
    """
    try:
        return traceback.format_exception(error, limit=-MAX_FRAMES, chain=False)
    except Exception:  # noqa: BLE001 - as above
        frames = list(traceback.walk_tb(error.__traceback__))[-MAX_FRAMES:]
        places = [f"  {frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}\n" for frame, line in frames]
        return [*places, f"{type(error).__name__}: {error}\n"]


def _chained(error: BaseException) -> int:
    """How many exceptions stand behind one another, as far as it matters."""
    count, each = 0, error
    while each is not None and count <= MAX_CHAIN:
        count, each = count + 1, each.__cause__ or each.__context__
    return count
