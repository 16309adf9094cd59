"""The film in the README is small, well-formed, and shows each frame once."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.recording.film import COLUMNS, Film, Frame

RECORDING = Path(__file__).parent.parent / "docs" / "recording.svg"
SVG = "{http://www.w3.org/2000/svg}"
ROW = "\x1b[1m<b>\x1b[0m & \x1b[38;5;81mblue\x1b[48;5;24m lit\x1b[0m"


def shown_times(picture: str) -> list[tuple[float, float]]:
    """When each frame is shown, in parts of the whole."""
    root = ET.fromstring(picture)
    found = []
    for animation in root.iter(f"{SVG}animate"):
        times = [float(time) for time in animation.attrib["keyTimes"].split(";")]
        values = animation.attrib["values"].split(";")
        at = values.index("inline")
        assert values.count("inline") == 1 or values[at:] == ["inline", "inline"]
        assert times == sorted(times) and (times[0], times[-1]) == (0, 1)
        found.append((times[at], times[at + 1]))
    return found


def test_each_frame_follows_the_one_before() -> None:
    film = Film()
    for number, row in enumerate((ROW, ROW, "other", ROW)):
        film.add(Frame(2, f"caption {number // 2}", number > 1, ((row,), ("", row))))
    assert [frame.seconds for frame in film.frames] == [4, 2, 2]
    assert shown_times(film.svg()) == [(0, 0.5), (0.5, 0.75), (0.75, 1)]


def test_what_a_terminal_shows_is_text_in_the_picture() -> None:
    film = Film()
    film.add(Frame(1, "a & b", True, ((ROW,), (ROW,))))
    root = ET.fromstring(film.svg())
    assert [text.text for text in root.iter(f"{SVG}text")] == ["<b>", "&", "blue", "lit", "a & b"]
    assert len(list(root.iter(f"{SVG}use"))) == 2


def test_the_recording_is_small_and_moves() -> None:
    picture = RECORDING.read_text(encoding="utf-8")
    assert len(picture.encode()) < 1_000_000
    assert not re.search(r"<script|https?://(?!www\.w3\.org/)|/tmp/|/home/", picture)
    times = shown_times(picture)
    assert len(times) > 30
    assert all(end == begin for (_, end), (begin, _) in pairwise(times))
    captions = re.findall(r'font-weight="bold">([^<]*)</text><path', picture)
    assert len(set(captions)) >= 6 and max(map(len, captions)) <= COLUMNS
