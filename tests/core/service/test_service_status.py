"""What the process that serves tells the others of this device."""

from __future__ import annotations

import fcntl
from pathlib import Path

from core.service.service_status import LOCK_FILE, PeerStatus, StatusPublisher, read_status


def test_who_reads_just_now_keeps_nobody_from_telling_for_long(tmp_path: Path) -> None:
    report, doing = StatusPublisher(tmp_path), [PeerStatus("serial:///dev/ttyUSB0", state="serving")]
    with (tmp_path / LOCK_FILE).open("w") as reading:
        fcntl.flock(reading, fcntl.LOCK_SH)
        assert not report.publish(doing)
    assert report.publish(doing)
    assert read_status(tmp_path) == doing
    report.close()
    assert read_status(tmp_path) is None
