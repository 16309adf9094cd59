"""No visible word is outside the catalogues.

In a language whose texts are all in other letters, what is left in Latin letters on any screen is data, a command or a
name.
"""

from __future__ import annotations

import gettext
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.body import Fact
from core.changes import decode_block
from core.schema import Schema
from core.value_codec import Ref
from core.workspace import Workspace
from tests.support.opened_app import LARGE, opened
from tests.support.tour import CHAPTERS
from tests.tui.test_kiosk import PIN, Clock, kiosk
from tests.tui.test_setup_wizard import begun, pressed, text
from tests.tui.test_tour import go
from tui.i18n import translate
from tui.pin import KioskPin

LATIN = "abcdefghijklmnopqrstuvwxyz"
OTHER = str.maketrans(LATIN + LATIN.upper(), "абвгдежзиклмнопрстуфхцчшщэ" + "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭ")
AS_IT_IS = re.compile(r"(\{[^{}]*\}|`[^`]*`|\b(?:tcp|bundle|serial)://\S+)")
NAMES = {"fieldline", "txt", "yes", "no"}
"""The program's own, and words that a schema has for each language itself (`core.schema`)."""


class Strange(gettext.NullTranslations):
    """Write every text in other letters, but for fields and what is typed exactly."""

    def gettext(self, message: str) -> str:
        parts = AS_IT_IS.split(message)
        return "".join(part if place % 2 else part.translate(OTHER) for place, part in enumerate(parts))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.fixture(autouse=True)
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate._Catalogue, "texts", Strange())


def words(text: str) -> set[str]:
    """The words of a text that are written in Latin letters.

    Of a single letter it may be a key.
    """
    return {word.casefold() for word in re.findall(r"[A-Za-zÄÖÜäöüß]{2,}", text)}


def labels(schema: Schema) -> Iterator[str]:
    """All that a schema calls things."""
    for kind in schema.kinds.values():
        yield from (kind.name, *kind.labels.values(), *kind.plurals.values())
        for group in kind.groups.values():
            yield from group.values()
        for prop in kind.properties.values():
            yield from (prop.name, prop.type, prop.example or "", *prop.choices)
            yield from (*prop.labels.values(), *prop.help.values())


def texts(fact: Fact) -> Iterator[str]:
    """What a fact says, as far as it is text."""
    yield fact.property
    values = fact.value if isinstance(fact.value, tuple) else (fact.value,)
    yield from (value.entity.hex() if isinstance(value, Ref) else str(value) for value in values)


async def data(home: Path) -> set[str]:
    """Every word that is in the store, the schema or the name of a file."""
    async with await Workspace.open(home, user="Maier") as workspace:
        schema = await workspace.schema()
        found = [str(home.absolute()), workspace.user, workspace.identity.device.hex(), *labels(schema)]
        store = workspace.store
        for block in map(decode_block, await store.blocks(await store.hashes())):
            found += [block.note or "", block.id.hex(), block.header.fields.author.hex()]
            for fact in block.facts:
                found += [fact.entity.hex(), *texts(fact)]
        found.append((await store.summary()).root.hex())
    return {word for each in found for word in words(each)} | NAMES


def foreign(screen: str, known: set[str]) -> set[str]:
    """The words that nobody translates.

    Of one that is cut off, or that a dialog covers, a part is enough.
    """
    screen = re.sub(r"`[^`]*`|--[a-z-]+|\b(?:tcp|bundle|serial)://\S*", " ", screen)
    cut = words(" ".join(re.findall(r"\w+(?=[…│┌└])|(?<=[…│┐┘])\w+", screen)))
    return {
        word
        for word in words(screen) - known
        if not (word in cut and any(word in each for each in known)) and not re.fullmatch("[0-9a-f]+", word)
    }


@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_every_word_of_the_tour_is_translated(home: Path, chapter: str) -> None:
    known = await data(home)
    async with opened(home, size=LARGE) as screen:
        for stop in CHAPTERS[chapter].stops:
            known |= words(stop.keys)
            await go(screen, stop)
            assert foreign(screen.text(), known) == set(), f"{stop.name}\n{screen.text()}"


async def test_every_word_of_the_kiosk_is_translated(home: Path) -> None:
    KioskPin(home, Clock()).set(PIN)
    known = await data(home)
    async with kiosk(home, "6", "down", "r") as (screen, _clock):
        for keys in ((), ("0", "0", "0", "0", "enter"), (*PIN, "enter"), ("escape", "colon"), ("ctrl+q",)):
            await screen.press(*keys)
            assert foreign(screen.text(), known) == set(), screen.text()


async def test_every_word_of_the_first_run_is_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "K7")
    known = NAMES | words("home K7 service-centre site-network")
    begin, back, join = ("enter", "N", "enter", "enter"), ("escape",) * 3, ("down", "down", "enter", "1", "enter")
    async with begun(Path("home")) as pilot:
        assert foreign(text(pilot), known) == set(), text(pilot)
        for key in (*begin, *back, *join):
            await pressed(pilot, key)
            assert foreign(text(pilot), known) == set(), text(pilot)
