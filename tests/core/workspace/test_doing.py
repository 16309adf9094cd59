"""What the process that serves tells the others of this device."""

from __future__ import annotations

import fcntl
from pathlib import Path

from core.workspace.doing import LOCK, Doing, Report, told


def test_who_reads_just_now_keeps_nobody_from_telling_for_long(tmp_path: Path) -> None:
    report, doing = Report(tmp_path), [Doing("serial:///dev/ttyUSB0", state="serving")]
    with (tmp_path / LOCK).open("w") as reading:
        fcntl.flock(reading, fcntl.LOCK_SH)
        assert not report.tell(doing)
    assert report.tell(doing)
    assert told(tmp_path) == doing
    report.close()
    assert told(tmp_path) is None
