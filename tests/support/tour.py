"""The stops of a tour through every screen and dialog, for the pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from textual.screen import Screen

from tui.dialogs.base import ChoiceDialog, ConfirmDialog, PromptDialog, SaveDialog
from tui.dialogs.help import HelpDialog
from tui.dialogs.list_editor import ListEditor
from tui.dialogs.palette import PaletteDialog
from tui.dialogs.reference_picker import ChoicePicker, ReferencePicker
from tui.dialogs.save_to_file import SaveProgressDialog
from tui.dialogs.search import SearchDialog
from tui.dialogs.text_viewer import TextViewer
from tui.screens.diff import ChangeDiffScreen, TimeDiffScreen
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen
from tui.screens.here import Here
from tui.screens.history import History
from tui.screens.inbox import Inbox
from tui.screens.map import Map
from tui.screens.members import Members
from tui.screens.sync import Sync


@dataclass(frozen=True, slots=True)
class Stop:
    """One picture: the keys that lead there from the one before, and what is shown.

    `"text"` in quotes is typed.

    In the inbox the cursor is put on the first item of a type, if `item` names one.
    """

    name: str
    keys: str
    shows: type[Screen[object]]
    item: str | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """Stops behind each other in one session.

    `plain` ones are kept with ASCII glyphs, too.
    """

    stops: tuple[Stop, ...]
    plain: frozenset[str] = field(default_factory=frozenset)


CHAPTERS = {
    "fleet": Chapter(
        (
            Stop("nowhere", "1", Here),
            Stop("fleet", "2 g", Fleet),
            Stop("unfolded", "down right down", Fleet),
            Stop("letters", "f", Fleet),
            Stop("help", "f question_mark", HelpDialog),
            Stop("palette", "escape colon", PaletteDialog),
            Stop("search", 'escape slash "acme 50"', SearchDialog),
            Stop("found", "enter", Fleet),
            Stop("new", "a", ChoiceDialog),
            Stop("new-form", "enter", FormScreen),
            Stop("retire", "escape X", SaveDialog),
            Stop("many-property", "escape space space e", ChoiceDialog),
            Stop("many-value", "down down enter", PromptDialog),
            Stop("save-to-file", "escape escape Y", PromptDialog),
            Stop("here", "escape c 1", Here),
        ),
        frozenset({"fleet", "unfolded", "here"}),
    ),
    "form": Chapter(
        (
            Stop("form", "2 g down down down down right down down enter", FormScreen),
            Stop("settle", "down down s", ChoiceDialog),
            Stop("picker", "escape up e", ReferencePicker),
            Stop("typing", "escape down down e", FormScreen),
            Stop("refused", 'ctrl+u "12" enter', FormScreen),
            Stop("edited", 'ctrl+u "87654321" enter down x', FormScreen),
            Stop("apply", "ctrl+s", SaveDialog),
            Stop("drafts", "escape escape D", ChoiceDialog),
            Stop("undo", "escape u", SaveDialog),
        ),
        frozenset({"form", "edited", "apply"}),
    ),
    "inbox": Chapter(
        (
            Stop("conflict", "3 g", Inbox),
            Stop("who-knew", "w", TextViewer),
            Stop("in-full", "escape v", TextViewer),
            Stop("type-another", "escape e", PromptDialog),
            Stop("rule", "escape R", ChoiceDialog),
            Stop("rule-shown", "enter", SaveDialog),
            Stop("duplicate", "escape", Inbox, "duplicate"),
            Stop("overlap", "", Inbox, "overlap"),
            Stop("retired-edit", "", Inbox, "retired-edit"),
            Stop("filter", "slash", PromptDialog),
            Stop("filtered", '"hannover" enter', Inbox),
        ),
        frozenset({"conflict", "overlap"}),
    ),
    "history": Chapter(
        (
            Stop("history", "4 g down", History),
            Stop("filter", "slash", PromptDialog),
            Stop("filtered", '"by:maier printer" enter', History),
            Stop("change", "escape v", ChangeDiffScreen),
            Stop("value", "enter", TextViewer),
            Stop("became-so", "escape escape less_than_sign", History),
            Stop("compare", "escape d", ChoiceDialog),
            Stop("differences", "enter", TimeDiffScreen),
            Stop("bring-back", "escape r", ChoiceDialog),
            Stop("bring-back-shown", "enter", SaveDialog),
            Stop("moment", "escape escape m", PromptDialog),
            Stop("past-history", "escape escape g down down down enter", History),
            Stop("past-fleet", "2", Fleet),
            Stop("past-form", "g right down enter", FormScreen),
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
            Stop("admit", "a", PromptDialog),
            Stop("admit-refused", '"12" enter', PromptDialog),
            Stop("admit-role", 'ctrl+u "0123456789abcdef0123456789abcdef" enter', ChoiceDialog),
            Stop("admit-name", "enter", PromptDialog),
            Stop("role", "escape down r", ChoiceDialog),
            Stop("rename", "escape n", PromptDialog),
            Stop("revoke", "escape x", ChoiceDialog),
            Stop("revoke-shown", "enter", SaveDialog),
            Stop("sync", "escape 5", Sync),
            Stop("sync-address", "m", PromptDialog),
            Stop("sync-stick", "escape b", PromptDialog),
        ),
        frozenset({"members", "sync"}),
    ),
}

ELSEWHERE = (Map, ConfirmDialog, ListEditor, ChoicePicker, SaveProgressDialog)
"""Screens with pictures or tests of their own; that of saving is gone in a moment."""
