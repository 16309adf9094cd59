"""Edits not applied survive the session, for their user, and are never a fact."""

from __future__ import annotations

import errno
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.slots import Candidate, slot_of
from core.store.connection import Database, StoreUnwritable
from core.value_codec import HASH_BYTES, Redacted, encode_value
from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import opened
from tests.support.pty_app import started
from tests.support.strategies import entities, fact_ids, values
from tui.draft import Draft
from tui.draft_store import DRAFTS_FOLDER, DraftStore, encode_drafts

EDIT = ("2", "l", "j", "enter", "j", "j", "j", "x")
"""The keys that edit the card terminal of the first place."""

LEAVES = st.builds(
    Candidate,
    fact_ids,
    values | st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES).map(Redacted),
    st.text(max_size=5),
    entities,
    st.integers(0, 2**50),
    st.none() | st.text(max_size=5),
    st.none() | st.integers(0, 2**50),
    entities,
    st.sampled_from([None, "behind", "ahead"]),
)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """A draft of up to three properties, whatever was shown of them."""
    draft = Draft(draw(entities), draw(st.none() | st.just("place")))
    for name in draw(st.lists(st.sampled_from(["name", "printer", "x y"]), unique=True, min_size=1)):
        draft.base_slots[name] = slot_of(draw(st.lists(LEAVES, max_size=3)))
        draft.wanted[name] = draw(values)
    return draft


@given(st.lists(drafts(), max_size=3, unique_by=lambda draft: draft.entity))
def test_what_is_written_is_read(made: list[Draft]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = {draft.entity: draft for draft in made}
        file = DraftStore(Path(folder), "Maier")
        file.write(encode_drafts(wanted))
        file.close()
        assert DraftStore(Path(folder), "Maier").adopt() == wanted


async def test_a_session_that_ended_leaves_its_edits_to_the_next_one(home: Path) -> None:
    async with opened(home, *EDIT) as screen:
        count = (await screen.app.workspace.store.summary()).count
        kept = dict(screen.app.drafts)
    async with opened(home, "2") as screen:
        assert "1 edit not applied" in screen.text()
        assert screen.app.drafts == kept
        assert (await screen.app.workspace.store.summary()).count == count, "a draft is not a fact"
        await screen.press("D", "enter", "ctrl+s", "enter")
        assert "Saved: 1 property." in screen.text()
    assert not list((home / DRAFTS_FOLDER).iterdir())


async def test_what_is_being_typed_when_the_session_is_cut_off_is_offered_again(home: Path) -> None:
    with started(home, "tui", "--no-mouse", "--no-discovery") as program:
        program.wait_for("TSC")
        for key in (b"2", b"l", b"j", b"\r", b"j", b"j", b"e", b"\x15", b"Quux 9"):
            program.send(key)
            program.read(0.3)
        deadline = time.monotonic() + DEADLINE_S
        while not _kept(home, "Quux 9"):
            assert time.monotonic() < deadline
            program.read(0.05)
        program.signal(signal.SIGKILL)
        program.wait_for_end()
    async with opened(home, "2") as screen:
        (draft,) = screen.app.drafts.values()
        assert draft.wanted == {"printer": "Quux 9"}


async def test_what_was_typed_and_left_is_not_kept(home: Path) -> None:
    async with opened(home, "2", "l", "j", "enter", "j", "j", "e") as screen:
        await screen.type("2")
        assert list((home / DRAFTS_FOLDER).iterdir())
        await screen.press("escape")
        assert not list((home / DRAFTS_FOLDER).iterdir())
        await screen.press("e")
        await screen.type("2")
        await screen.press("enter")
        (draft,) = screen.app.drafts.values()
    async with opened(home, "2") as screen:
        assert list(screen.app.drafts.values()) == [draft]


def _kept(home: Path, value: str) -> bool:
    """Whether a file of drafts holds this value."""
    texts = [path.read_text() for path in (home / DRAFTS_FOLDER).glob("*.json")]
    return any(encode_value(value).hex() in text for text in texts)


async def test_it_is_reported_where_the_edits_are(home: Path) -> None:
    async with opened(home, *EDIT):
        pass
    async with opened(home) as screen:
        assert "1 edit of an earlier session is not applied: D in Fleet lists it." in screen.text()


async def test_another_user_does_not_get_them(home: Path) -> None:
    async with opened(home, *EDIT):
        pass
    async with opened(home, "2", user="Jones") as screen:
        assert not screen.app.drafts
    assert list((home / DRAFTS_FOLDER).iterdir())


async def test_a_session_that_lives_keeps_its_own(home: Path) -> None:
    async with opened(home, *EDIT) as screen:
        async with opened(home, "2") as other:
            assert not other.app.drafts
            await other.press("l", "j", "j", "enter", "j", "j", "j", "x")
        assert len(screen.app.drafts) == 1
    async with opened(home, "2") as screen:
        assert "2 edits not applied" in screen.text()


async def test_of_two_sessions_that_edit_the_same_place_none_is_lost(home: Path) -> None:
    async with opened(home, *EDIT) as screen:
        (draft,) = screen.app.drafts.values()
        async with opened(home, *EDIT[:-1], "j", "x", user="Maier") as other:
            (beside,) = other.app.drafts.values()
            assert beside.entity == draft.entity
    async with opened(home, "2") as screen:
        (both,) = screen.app.drafts.values()
        assert both.wanted == {**draft.wanted, **beside.wanted}
        assert both.base_slots == {**draft.base_slots, **beside.base_slots}
        assert len(both) == 2


@pytest.mark.parametrize("damage", ["cut", "a value of no form", "another version", "no draft at all"])
async def test_a_file_that_cannot_be_read_is_passed_over_and_stays(home: Path, damage: str) -> None:
    async with opened(home, *EDIT):
        pass
    path = next((home / DRAFTS_FOLDER).iterdir())
    text = path.read_text()
    (value, _leaves) = next(iter(json.loads(text)["drafts"][0]["edits"].values()))
    damaged = {
        "cut": text[:-20],
        "a value of no form": text.replace(f'"{value}"', '"1801"'),
        "another version": text.replace('"format": 1', '"format": 2'),
        "no draft at all": '{"format": 1, "drafts": [3]}',
    }[damage]
    assert damaged != text
    path.write_text(damaged)
    async with opened(home, "2") as screen:
        assert not screen.app.drafts
        assert "TSC Bremen" in screen.text()
    assert path.read_text() == damaged, "whoever can read it may find it"


async def test_leaving_says_that_they_are_kept(home: Path) -> None:
    async with opened(home, *EDIT, "ctrl+q") as screen:
        assert "1 edit is not applied. It is kept for you." in screen.text()
        await screen.press("escape")


async def test_on_a_full_disk_nobody_learns_that_edits_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: DraftStore, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with opened(home, *EDIT) as screen:
        with monkeypatch.context() as patched:
            patched.setattr(DraftStore, "write", full)
            await screen.press("ctrl+q")
            assert "will be lost" in screen.text()
            assert "kept" not in screen.text().replace("could not be kept", "")
            await screen.press("escape")
        await screen.press("ctrl+q")
        assert "kept for you" in screen.text()


async def test_screens_show_all_of_a_store_that_cannot_be_written_and_say_what_is_not_saved(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(database: Database, *_: object, **__: object) -> None:
        raise StoreUnwritable("The disk is full: nothing was saved. Free some space and try again.")

    async with opened(home, "2") as screen:
        before = screen.text()
    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", refuse)
        patched.setattr(Database, "write_tallied", refuse)
        async with opened(home, "2") as screen:
            assert screen.text() == before
            for key in "1345":
                await screen.press(key)
            await screen.press(*EDIT, "ctrl+s", "enter")
            assert "The disk is full: nothing was saved." in screen.text()
            assert screen.app.drafts
            patched.undo()
            await screen.press("ctrl+s", "enter")
            assert "Saved: 1 property." in screen.text()
