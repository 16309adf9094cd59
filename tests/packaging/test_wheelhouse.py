"""The archive of wheels pins each by its hash."""

from __future__ import annotations

from pathlib import Path

from fieldline_package.wheelhouse import Wheel, requirements


def test_a_pin_has_the_hash_of_every_wheel_of_it() -> None:
    wheels = [
        Wheel("cbor2", "6.3.0", Path("cbor2-6.3.0-cp312.whl"), "b"),
        Wheel("cbor2", "6.3.0", Path("cbor2-6.3.0-cp311.whl"), "a"),
        Wheel("aiosqlite", "0.22.1", Path("aiosqlite-0.22.1.whl"), "c"),
    ]
    assert requirements(wheels).splitlines() == [
        "aiosqlite==0.22.1 --hash=sha256:c",
        "cbor2==6.3.0 --hash=sha256:a --hash=sha256:b",
    ]
