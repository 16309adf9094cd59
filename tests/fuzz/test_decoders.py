"""Whatever comes, a decoder reads it or refuses it as it says.

`corpus/<decoder>/*.hex` holds what once was read wrongly. `python -m tests.fuzz` looks for more, led by the code that
is reached.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.decoders import DECODERS, NO_DECODERS, ROOT, named_like_decoders
from tests.support.soak_table import soak_row

CORPUS = Path(__file__).parent / "corpus"
FEW, MANY = 15, 2000
MAX_EDITS = 4
PIECES = st.sampled_from(
    (b"\0", b"\xff", b"\x80" * 5, b"\xff" * 6, b"\0" * 9, b"9" * 5000, b"[" * 5000, b'"', b"\\", b"\xc3", b"\x1b")
) | st.binary(max_size=8)


def corpus(name: str) -> list[bytes]:
    return [bytes.fromhex(path.read_text()) for path in sorted((CORPUS / name).glob("*.hex"))]


def reads(name: str, data: bytes) -> bool:
    """Whether it was read; anything but what the decoder declares goes through."""
    decoder = DECODERS[name]
    try:
        decoder.read(data)
    except decoder.refusals:
        return False
    return True


@st.composite
def damaged(draw: st.DrawFn, real: list[bytes]) -> bytes:
    """Real input with a few pieces of it taken out, put in, repeated or cut off."""
    data = draw(st.sampled_from(real))
    for _ in range(draw(st.integers(1, MAX_EDITS))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.sampled_from((start, start + 1, start + 4, len(data))))
        piece = draw(PIECES)
        data = data[:start] + (piece or data[start : start + 20]) + data[end:]
    return data


@pytest.mark.parametrize("name", DECODERS)
def test_what_is_real_is_read_and_what_was_found_before_too_or_refused(name: str) -> None:
    for data in DECODERS[name].real:
        DECODERS[name].read(data)
    for data in corpus(name):
        reads(name, data)


@pytest.mark.parametrize(
    "number",
    [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
)
@pytest.mark.parametrize("name", DECODERS)
def test_what_is_damaged_is_refused_or_read(
    name: str, number: int, record_property: Callable[[str, object], None]
) -> None:
    tried = 0

    @settings(max_examples=number, suppress_health_check=list(HealthCheck), database=None)
    @given(damaged([*DECODERS[name].real, *corpus(name)]) | st.binary(max_size=60))
    @example(b"")
    def check(data: bytes) -> None:
        nonlocal tried
        tried += 1
        reads(name, data)

    check()
    record_property(*soak_row("other inputs damaged: files, tables, answers of the system", tried))


def test_every_decoder_is_in_the_table() -> None:
    called: set[CodeType] = set()

    def on_call(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(on_call)
    try:
        for decoder in DECODERS.values():
            for data in decoder.real:
                decoder.read(data)
    finally:
        sys.setprofile(before)
    names = {
        f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_name}"
        for code in called
        if code.co_filename.startswith(str(ROOT))
    }
    named = set(named_like_decoders())
    assert len(named) > 60
    assert named - names == set(NO_DECODERS), "what is new goes into the table of decoders"


def test_every_folder_of_the_corpus_is_of_a_decoder() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(DECODERS)
