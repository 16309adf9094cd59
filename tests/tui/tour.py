"""The stops of a tour through every screen and dialog, for the pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from textual.screen import Screen

from tui.screens.dialogs import Ask, Choose, Confirm, Save
from tui.screens.differences import Change, Moments
from tui.screens.fleet import Fleet
from tui.screens.form import Form
from tui.screens.help import Help
from tui.screens.here import Here
from tui.screens.history import History
from tui.screens.inbox import Inbox
from tui.screens.members import Members
from tui.screens.palette import Palette
from tui.screens.picking import Pick, PickChoice
from tui.screens.reading import Reading
from tui.screens.saving import Saving
from tui.screens.search import Search
from tui.screens.several import EditList
from tui.screens.sync import Sync


@dataclass(frozen=True, slots=True)
class Stop:
    """One picture: the keys that lead there from the stop before (`"text"` in quotes is typed), and what is shown."""

    name: str
    keys: str
    shows: type[Screen[object]]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Stops behind each other in one session; `plain` ones are kept with ASCII glyphs, too."""

    stops: tuple[Stop, ...]
    plain: frozenset[str] = field(default_factory=frozenset)


CHAPTERS = {
    "fleet": Chapter(
        (
            Stop("nowhere", "1", Here),
            Stop("fleet", "2 g", Fleet),
            Stop("unfolded", "down right down", Fleet),
            Stop("letters", "f", Fleet),
            Stop("help", "f question_mark", Help),
            Stop("palette", "escape colon", Palette),
            Stop("search", 'escape slash "acme 50"', Search),
            Stop("found", "enter", Fleet),
            Stop("new", "a", Choose),
            Stop("new-form", "enter", Form),
            Stop("retire", "escape X", Save),
            Stop("many-property", "escape space space e", Choose),
            Stop("many-value", "down down enter", Ask),
            Stop("save-to-file", "escape escape Y", Ask),
            Stop("here", "escape c 1", Here),
        ),
        frozenset({"fleet", "unfolded", "here"}),
    ),
    "form": Chapter(
        (
            Stop("form", "2 g down down down down right down down enter", Form),
            Stop("settle", "down down s", Choose),
            Stop("picker", "escape up e", Pick),
            Stop("typing", "escape down down e", Form),
            Stop("refused", 'ctrl+u "12" enter', Form),
            Stop("edited", 'ctrl+u "87654321" enter down x', Form),
            Stop("apply", "ctrl+s", Save),
            Stop("drafts", "escape escape D", Choose),
            Stop("undo", "escape u", Save),
        ),
        frozenset({"form", "edited", "apply"}),
    ),
    "inbox": Chapter(
        (
            Stop("conflict", "3 g", Inbox),
            Stop("who-knew", "w", Reading),
            Stop("in-full", "escape v", Reading),
            Stop("type-another", "escape e", Ask),
            Stop("rule", "escape R", Choose),
            Stop("rule-shown", "enter", Save),
            Stop("duplicate", "escape down down down down", Inbox),
            Stop("overlap", "down", Inbox),
            Stop("retired-edit", "down", Inbox),
            Stop("filter", "slash", Ask),
            Stop("filtered", '"hannover" enter', Inbox),
        ),
        frozenset({"conflict", "overlap"}),
    ),
    "history": Chapter(
        (
            Stop("history", "4 g down", History),
            Stop("filter", "slash", Ask),
            Stop("filtered", '"by:maier printer" enter', History),
            Stop("change", "escape v", Change),
            Stop("value", "enter", Reading),
            Stop("became-so", "escape escape less_than_sign", History),
            Stop("compare", "escape d", Choose),
            Stop("differences", "enter", Moments),
            Stop("bring-back", "escape r", Choose),
            Stop("bring-back-shown", "enter", Save),
            Stop("moment", "escape escape m", Ask),
            Stop("past-history", "escape escape g down down down enter", History),
            Stop("past-fleet", "2", Fleet),
            Stop("past-form", "g right down enter", Form),
            Stop("past-inbox", "3", Inbox),
            Stop("past-here", "1", Here),
            Stop("past-sync", "5", Sync),
            Stop("past-members", "6", Members),
            Stop("known-then", "4 escape 4 g down K", History),
        ),
        frozenset({"history", "change", "past-fleet"}),
    ),
    "members": Chapter(
        (
            Stop("members", "6 g", Members),
            Stop("admit", "a", Ask),
            Stop("admit-refused", '"12" enter', Ask),
            Stop("admit-role", 'ctrl+u "0123456789abcdef0123456789abcdef" enter', Choose),
            Stop("admit-name", "enter", Ask),
            Stop("role", "escape down r", Choose),
            Stop("rename", "escape n", Ask),
            Stop("revoke", "escape x", Choose),
            Stop("revoke-shown", "enter", Save),
            Stop("sync", "escape 5", Sync),
            Stop("sync-address", "m", Ask),
            Stop("sync-stick", "escape b", Ask),
        ),
        frozenset({"members", "sync"}),
    ),
}

ELSEWHERE = (Confirm, EditList, PickChoice, Saving)
"""Screens with pictures or tests of their own; that of saving is gone in a moment."""
