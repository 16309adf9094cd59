"""The commands of the terminal UI.

The one table that key bindings, the last line, `?` and the palette are made from.

A command says which keys it has, where it can be used and what it does; how it is done is a method `do_<name>` of the
screen that offers it, and whether it can be done now is what its `disabled_reason` returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tui.i18n.translate import N_, _


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    `keys` are Textual's names of keys, the first is the one shown; `label` is the word in the last line (empty: not
    shown there); `help` is a sentence for `?` and the palette; `writes` marks what makes facts, in the present only;
    """

    name: str
    keys: tuple[str, ...]
    label: str
    help: str
    writes: bool = False


_EVERYWHERE = (
    Command("help", ("question_mark", "f1"), N_("help"), N_("Show the keys of this screen.")),
    Command("here", ("1",), "", N_("Go to Here: the place where this device is.")),
    Command("fleet", ("2",), "", N_("Go to Fleet: everything there is, and what is configured.")),
    Command("inbox", ("3",), "", N_("Go to Inbox: what needs a decision, whenever you like.")),
    Command("history", ("4",), "", N_("Go to History: who changed what, and how everything was.")),
    Command("sync", ("5",), "", N_("Go to Sync: other devices, and what differs.")),
    Command("members", ("6",), "", N_("Go to Devices: those of this fleet, and their roles.")),
    Command("map", ("M",), "", N_("Show the map of all that has coordinates.")),
    Command("palette", ("colon", "ctrl+p"), "", N_("Find a command by its name.")),
    Command("readonly", (), "", N_("Turn read only on or off.")),
    Command("theme", (), "", N_("Show it in other colours: the next theme.")),
    Command("redraw", ("ctrl+l",), "", N_("Redraw the screen.")),
    Command("suspend", ("ctrl+z",), "", N_("Go to the shell for a while: `fg` there comes back.")),
    Command("quit", ("ctrl+q",), "", N_("Leave Fieldline.")),
)

_LIST = (
    Command("down", ("down", "j"), "", N_("One line down.")),
    Command("up", ("up", "k"), "", N_("One line up.")),
    Command("page_down", ("pagedown", "ctrl+d"), "", N_("One page down.")),
    Command("page_up", ("pageup", "ctrl+u"), "", N_("One page up.")),
    Command("first", ("home", "g"), "", N_("To the first line.")),
    Command("last", ("end", "G"), "", N_("To the last line.")),
    Command("jump", ("f",), "", N_("Letters appear before the lines: press one to go there.")),
)

_SCOPES: dict[str, tuple[Command, ...]] = {
    "everywhere": _EVERYWHERE,
    "list": _LIST,
    "listing": (
        Command("copy", ("y",), N_("copy"), N_("Copy the current line's value or name, through the terminal.")),
        Command("save", ("Y",), N_("to a file"), N_("Save the list and the current line's details to a file.")),
    ),
    "here": (
        Command("choose", ("c",), "", N_("Choose the place where this device is, in Fleet.")),
        Command(
            "adopt",
            ("a",),
            N_("adopt"),
            N_("Take over what this device has as edits: this one, or all."),
            writes=True,
        ),
        Command("configure", ("A",), N_("set up"), N_("Set this device up with what stands here: plan first.")),
        Command("journal", ("J",), "", N_("Show what was applied on this device.")),
        Command("find_place", ("C",), "", N_("Find the place by what this device sees again.")),
        Command("history_of_place", ("H",), "", N_("Show all changes of this place.")),
    ),
    "fleet": (
        Command("open", ("enter",), N_("open"), N_("Open the form of the current line.")),
        Command("unfold", ("right", "l"), N_("unfold"), N_("Show what is below the current line.")),
        Command("fold", ("left",), N_("fold"), N_("Hide what is below, or go to the line above it.")),
        Command("find", ("slash",), N_("search"), N_("Search every name, property and value.")),
        Command("find_next", ("n",), "", N_("Go to the next one found.")),
        Command("find_previous", ("N",), "", N_("Go to the one found before.")),
        Command("filter", ("F",), "", N_("Show only what changes touched: by, on, of, since, words.")),
        Command("view", ("v",), N_("view"), N_("Show a view that was saved under a name, or save this one.")),
        Command("sort", ("o",), N_("sort"), N_("Sort by a column; once more: the other way round.")),
        Command("new", ("a",), N_("new"), N_("Add a new item, below or beside the current line."), writes=True),
        Command("mark", ("space",), N_("mark"), N_("Mark the current line, to edit several at once.")),
        Command("unmark", ("escape",), "", N_("Take all marks away, or show everything again.")),
        Command(
            "edit_marked",
            ("e",),
            N_("edit"),
            N_("Edit all marked lines at once, or open the form."),
            writes=True,
        ),
        Command("confirm", ("equals_sign",), "", N_("Confirm what you see on the spot: all is still so."), writes=True),
        Command("retire", ("X",), "", N_("Retire it, or put it back in use."), writes=True),
        Command("retired", ("R",), "", N_("Show what is retired, too, or hide it again.")),
        Command("drafts", ("D",), "", N_("List what is edited and not applied yet.")),
        Command("undo", ("u",), "", N_("Undo what you saved last."), writes=True),
        Command("redo", ("U",), "", N_("Redo what you undid."), writes=True),
        Command("here_now", ("c",), N_("I am here"), N_("Choose the current line as the place where this device is.")),
        Command("history_of", ("h",), N_("history"), N_("Show only the changes of the current line.")),
    ),
    "map": (
        Command("open", ("enter",), N_("open"), N_("Open the form of the current site.")),
        Command("next_item", ("tab", "n"), N_("next item"), N_("Go to the next site with something to resolve.")),
        Command("item_before", ("shift+tab", "N"), "", N_("Go to the one before with something to resolve.")),
        Command("zoom_in", ("plus",), N_("nearer"), N_("Look from nearer, at what is around the current site.")),
        Command("zoom_out", ("minus",), N_("farther"), N_("Look from farther.")),
        Command("whole", ("0",), N_("all"), N_("Show all sites.")),
        Command("west", ("left", "h"), "", N_("Go to the next site at the left.")),
        Command("south", ("down", "j"), "", N_("Go to the next site below.")),
        Command("north", ("up", "k"), "", N_("Go to the next site above.")),
        Command("east", ("right", "l"), "", N_("Go to the next site at the right.")),
        Command("pan_west", ("shift+left", "H"), "", N_("Show more of what is at the left.")),
        Command("pan_south", ("shift+down", "J"), "", N_("Show more of what is below.")),
        Command("pan_north", ("shift+up", "K"), "", N_("Show more of what is above.")),
        Command("pan_east", ("shift+right", "L"), "", N_("Show more of what is at the right.")),
        Command("back", ("escape",), N_("back"), N_("Go back to Fleet.")),
    ),
    "form": (
        Command("edit", ("enter", "e"), N_("edit"), N_("Type another value for the current property."), writes=True),
        Command("clear", ("x",), N_("unset"), N_("Unset the property."), writes=True),
        Command("revert", ("z",), N_("discard"), N_("Discard your edit of the current property."), writes=True),
        Command("settle", ("s",), N_("resolve"), N_("Choose among the values of a conflict."), writes=True),
        Command("history_of", ("h",), N_("history"), N_("Show only the changes of this property.")),
        Command("apply", ("ctrl+s",), N_("apply"), N_("Look at your edits and save them as one change."), writes=True),
        Command("whole", ("v",), "", N_("Show every value in full.")),
        Command("back", ("escape",), N_("back"), N_("Go back; edits stay here until you apply or discard them.")),
        Command(
            "confirm",
            ("equals_sign",),
            N_("confirm"),
            N_("Confirm what you see on the spot: all is still so."),
            writes=True,
        ),
        Command("find", ("slash",), "", N_("Search every name, property and value.")),
        Command("revert_all", ("Z",), "", N_("Discard all your edits that are not applied."), writes=True),
        Command("undo", ("u",), "", N_("Undo what you saved last."), writes=True),
        Command("redo", ("U",), "", N_("Redo what you undid."), writes=True),
        Command("retire", ("X",), "", N_("Retire it, or put it back in use."), writes=True),
    ),
    "typing": (
        Command("keep", ("enter",), N_("keep"), N_("Keep what you typed; nothing is saved before you apply it.")),
        Command("leave", ("escape",), N_("leave as it was"), N_("Forget what you typed.")),
    ),
    "inbox": (
        Command("open", ("enter",), N_("open"), N_("Open the form that it is about.")),
        Command("right", ("right", "l"), N_("choose"), N_("Choose the next of the values or places.")),
        Command("left", ("left",), "", N_("Choose the one before.")),
        Command("take", ("t",), N_("take it"), N_("Resolve it with the chosen one."), writes=True),
        Command("another", ("e",), N_("type another"), N_("Resolve it with a value that you type."), writes=True),
        Command("mark", ("space",), N_("mark"), N_("Mark this item, to resolve several at once.")),
        Command("rule", ("R",), N_("rule"), N_("Resolve all that are marked, or all, by a rule."), writes=True),
        Command("accept_as_is", ("a",), N_("accept"), N_("Accept a clash as it is, or put it back."), writes=True),
        Command("accepted", ("A",), "", N_("Show what is accepted as it is, or what is open again.")),
        Command("undo", ("u",), N_("undo"), N_("Undo what you saved last."), writes=True),
        Command("find", ("slash",), N_("filter"), N_("Show only items that mention something.")),
        Command("find_next", ("n",), "", N_("Go to the next one found.")),
        Command("find_previous", ("N",), "", N_("Go to the one found before.")),
        Command("history_of", ("h",), N_("history"), N_("Show only the changes of this property.")),
        Command("clear", ("x",), "", N_("Unset the property there."), writes=True),
        Command("bring_back", ("b",), "", N_("Put back in use what is retired."), writes=True),
        Command("retire", ("X",), "", N_("Retire what the chosen line is about."), writes=True),
        Command("whole", ("v",), "", N_("Show every value in full.")),
        Command("who_knew", ("w",), "", N_("Draw who knew what, as large as it is.")),
        Command("redo", ("U",), "", N_("Redo what you undid."), writes=True),
        Command("stop", ("escape",), "", N_("Stop saving, show all items again, or take all marks away.")),
    ),
    "history": (
        Command("as_of", ("enter",), N_("as of here"), N_("See everything as it was right after this change.")),
        Command("known", ("K",), N_("as known then"), N_("See everything as this device knew it at that time.")),
        Command("filter", ("slash",), N_("filter"), N_("Show only changes by, on, of, since or with words.")),
        Command("find_next", ("n",), "", N_("Go to the next one found.")),
        Command("find_previous", ("N",), "", N_("Go to the one found before.")),
        Command("only", ("o",), N_("only"), N_("Show only changes like this one: pick in what.")),
        Command("older", ("less_than_sign",), N_("find change"), N_("Find the change that made it what it is here.")),
        Command("newer", ("greater_than_sign",), "", N_("The next change that made the value another one.")),
        Command("day_before", ("left_square_bracket",), N_("day"), N_("Go to the day before, with changes.")),
        Command("day_after", ("right_square_bracket",), "", N_("Go to the next day with changes.")),
        Command("compare", ("d",), N_("compare"), N_("What differs between this time and another one.")),
        Command("mark", ("space",), "", N_("Mark this change, to compare another one with it.")),
        Command("restore", ("r",), N_("restore"), N_("Restore something to how it was then."), writes=True),
        Command("undo", ("u",), N_("undo"), N_("Undo what you saved last."), writes=True),
        Command("redo", ("U",), "", N_("Redo what you undid."), writes=True),
        Command("whole", ("v",), "", N_("All that this change did.")),
        Command("reached", ("w",), "", N_("Show or hide which devices each change has reached.")),
        Command("moment", ("m",), "", N_("See everything as it was at a time that you type.")),
        Command("everything", ("escape",), N_("back"), N_("Show all changes again, or go back where you came from.")),
    ),
    "differences": (
        Command("whole", ("enter", "v"), N_("in full"), N_("Show both values in full.")),
        Command("history_of", ("h",), N_("history"), N_("Show only the changes of this property.")),
        Command("find", ("slash",), N_("filter"), N_("Show only differences that mention something.")),
        Command("back", ("escape",), N_("back"), N_("Show all differences again, then go back to the changes.")),
    ),
    "sifting": (
        Command("find", ("slash",), N_("filter"), N_("Show only devices that mention something.")),
        Command("all", ("escape",), "", N_("Show all devices again.")),
        Command("pair", ("p",), N_("pair"), N_("Let a device in by six digits that both screens show.")),
    ),
    "sync": (
        Command("meet", ("enter",), N_("sync now"), N_("Sync with this line: both sides get what they lack.")),
        Command("meet_at", ("m",), N_("sync with address"), N_("Type the address of a device and sync with it.")),
        Command("stick", ("b",), N_("stick or file"), N_("Sync with a folder on a stick, or a file.")),
        Command("stop", ("x",), N_("stop"), N_("Stop the sync; what was received stays.")),
    ),
    "members": (
        Command("admit", ("a",), N_("admit"), N_("Let a device into the fleet, by its id."), writes=True),
        Command("role", ("r",), N_("role"), N_("Give the device another role."), writes=True),
        Command("rename", ("n",), N_("rename"), N_("Give the device another name."), writes=True),
        Command("revoke", ("x",), N_("revoke"), N_("Shut the device out from one of its changes on."), writes=True),
        Command("changes_of", ("h",), N_("history"), N_("Show only the changes that the device made.")),
    ),
    "dialog": (
        Command("accept", ("enter",), N_("choose"), N_("Do it.")),
        Command("cancel", ("escape",), N_("cancel"), N_("Go back and change nothing.")),
    ),
    "picking": (Command("toggle", ("tab",), N_("mark"), N_("Mark the current line or not; Enter takes all marked.")),),
    "several": (
        Command("done", ("ctrl+s",), N_("done"), N_("Take the list as it stands.")),
        Command("remove", ("ctrl+x",), N_("remove"), N_("Take the current line out of the list.")),
    ),
    "past": (Command("now", ("escape",), N_("back to now"), N_("Look at everything as it is now again.")),),
}

ALWAYS_AVAILABLE = ("help", "redraw", "suspend")
"""Of the commands that work everywhere, those that do in a dialog and where something is typed, too."""

_KEY_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "escape": N_("Esc"),
    "enter": N_("Enter"),
    "space": N_("Space"),
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "pageup": N_("PgUp"),
    "pagedown": N_("PgDn"),
    "home": N_("Home"),
    "end": N_("End"),
    "tab": N_("Tab"),
    "backspace": N_("Backspace"),
    "insert": N_("Ins"),
    "delete": N_("Del"),
    "plus": "+",
    "minus": "-",
    "at": "@",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "underscore": "_",
    "backslash": "\\",
}


def commands_of(*scopes: str) -> Iterator[Command]:
    """The commands of these scopes, in the order in which they are shown."""
    for scope in scopes:
        yield from _SCOPES[scope]


def find_command(scopes: tuple[str, ...], name: str) -> Command:
    """The command of that name in the first of the scopes that has it.

    KeyError if none has.
    """
    for command in commands_of(*scopes):
        if command.name == name:
            return command
    raise KeyError(name)


def scope_names() -> tuple[str, ...]:
    """The names of all scopes."""
    return tuple(_SCOPES)


def rebind_keys(keys: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
    """Give commands other keys, by scope and name, from now on.

    To be called before the screens are imported.
    """
    for scope, wanted in keys.items():
        _SCOPES[scope] = tuple(replace(c, keys=wanted.get(c.name, c.keys)) for c in _SCOPES[scope])


def format_key(key: str) -> str:
    """How a key is written for people.

    `ctrl+s` is `^s`, and `exclamation_mark` is `!`.
    """
    for modifier, sign in (("ctrl+", "^"), ("alt+", "Alt+"), ("shift+", _("Shift") + "+")):
        if key.startswith(modifier):
            return sign + format_key(key.removeprefix(modifier))
    if key in _KEY_NAMES:
        return _(_KEY_NAMES[key])
    if len(key) == 1:
        return key
    import unicodedata  # for keys of somebody's own

    try:
        return unicodedata.lookup(key.replace("_", " "))
    except KeyError:
        return key.upper()
