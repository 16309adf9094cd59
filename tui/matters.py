"""The matters of the inbox as people read them: a sentence for each in the list, and below what it is about. Pure.

Nothing here is called an error: whatever waits, a value is in use meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.changes import encode_value
from core.errors import FieldlineError
from core.inbox import Matter
from core.records import Record
from core.schema import RETIRED, Property, Schema
from core.slots import Candidate
from core.workspace.lineage import Step
from tui.formlines import letter
from tui.forms import NOBODY, Names, referred, shown
from tui.graph import draw
from tui.i18n import N_, _, language, ngettext, number, say
from tui.lines import Column, Line, columns, cut, wrapped
from tui.naming import SEPARATOR
from tui.quoting import quote
from tui.when import When

GLYPHS = {"conflict": "≠", "duplicate": "‼", "overlap": "∩", "dangling": "?", "retired-edit": "↯", "invalid": "!"}
BETWEEN = ("duplicate", "overlap")
"""What several entities claim: each candidate is that of one of them."""
_CURSOR = 8  # columns of a row that show the cursor, at most
_LEAST = 8  # columns that a name gets where there are many
_TALL = 10  # lines from which there is room for what is to be done
_SHORTEST = 4  # columns below which what something is below of says nothing
MOST = 26
"""Candidates that have a letter, and so can be chosen."""

_ADVICE = {
    "conflict": "",
    "duplicate": N_("t leaves it to the chosen one, x clears it there."),
    "overlap": N_("t leaves it to the chosen one, x clears it there."),
    "dangling": N_("e types another, x clears it."),
    "retired-edit": N_("t on A keeps it retired, t on another brings it back."),
    "invalid": N_("e types another, x clears it."),
}


@dataclass(frozen=True, slots=True)
class Details:
    """What is read of one matter when somebody looks at it: its entities now, who knew what, and names."""

    matter: Matter
    records: dict[bytes, Record] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    names: Names = NOBODY


def prop_of(matter: Matter, schema: Schema) -> Property:
    """The definition of the property that a matter is about."""
    return schema.property(matter.kind, matter.property)


def values_at_odds(matter: Matter) -> int:
    """How many different values the candidates have."""
    return len({encode_value(leaf.value) for leaf in matter.candidates})


# --- a line of the list -----------------------------------------------------------------------------------------------


def sentence(matter: Matter, schema: Schema, names: Names, width: int) -> str:
    """What it is about, in labels and titles; what entities are below of is shortened where it would not fit."""
    whole = _sentence(matter, schema, names, names.entity)
    if cell_len(whole) <= width:
        return whole
    rest = cell_len(_sentence(matter, schema, names, lambda _entity: ""))
    room = max(_LEAST, (width - rest) // (2 if matter.type in ("overlap", "dangling") else 1))
    return _sentence(matter, schema, names, lambda entity: shortened(names.entity(entity), room))


def _sentence(matter: Matter, schema: Schema, names: Names, called: Callable[[bytes], str]) -> str:
    prop = prop_of(matter, schema)
    label, name = prop.label(language()), called(matter.entity)
    fields = matter.message.params
    if matter.type == "duplicate":
        kind = schema.kind(matter.kind).plural(language())
        return _("{label} {value} claimed by {count} {kind}").format(
            label=label,
            value=_claimed(prop, matter, names),
            count=number(len(matter.entities)),
            kind=kind.lower() if language() == "en" else kind,
        )
    if matter.type == "overlap":
        within = [entity for entity in matter.entities if entity != matter.entity]
        more = f" +{number(len(within) - 1)}" if len(within) > 1 else ""
        return _("{label} {value} of {name} overlaps {other}").format(
            label=label, value=fields["value"], name=name, other=called(within[0]) + more
        )
    if matter.type == "dangling":
        text = _("{name} › {label}: {target} is retired")
        if not matter.message.template.endswith("retired"):
            text = _("{name} › {label}: {target} is not known here")
        refs = referred(matter.candidates[0].value)
        target = called(refs[0]) if len(refs) == 1 else fields["target"]
        return text.format(name=name, label=label, target=target)
    if matter.type == "retired-edit":
        return _("{name} was retired by {by}, and edited by {user}").format(
            name=name, by=fields["by"], user=fields["user"]
        )
    if matter.type == "invalid":
        value = shown(prop, matter.candidates[0].value, names)
        return _("{name} › {label}: {value} is not valid").format(name=name, label=label, value=cut(value, 30))
    return f"{name}{SEPARATOR}{label}"


def row(matter: Matter, marked: bool, width: int, schema: Schema, names: Names, when: When) -> Line:
    """A line of the list: what it is about, who is involved where a sentence does not say it, and when."""
    wide = width >= 96
    last = max((leaf.at for leaf in matter.candidates), default=None)
    many = users = ""
    if matter.type == "conflict":
        count = values_at_odds(matter)
        many = ngettext("{count} value", "{count} values", count) if wide or count > 2 else ""
        users = ", ".join(dict.fromkeys(leaf.user for leaf in matter.candidates))
    elif wide:
        users = ", ".join(dict.fromkeys(leaf.user for leaf in matter.candidates[:MOST]))
    cells = [
        Column(many, 9 if many else 0, "dim"),
        Column(users, 24 if wide else 14 if users else 0, "dim"),
        Column("" if last is None else when.dated(last) if wide else when.brief(last), 17 if wide else 9, "dim"),
    ]
    room = width - 3 - sum(cell.width + 1 for cell in cells if cell.width)
    told = sentence(matter, schema, names, room)
    first, *rest = columns(width, [Column(f"{'*' if marked else ' '}{GLYPHS[matter.type]} {told}", None), *cells])
    # Only the beginning carries the cursor: on a slow line every column that changes its look has to be sent again.
    end = first[0].rfind(" ", _CURSOR // 2, _CURSOR) + 1 or _CURSOR
    return [(first[0][:end], first[1]), (first[0][end:], first[1]), *rest]


def shortened(path: str, width: int) -> str:
    """A path in at most `width` columns: what it is below of gives way, then the rest."""
    *above, own = path.split(SEPARATOR)
    if cell_len(path) <= width or not above:
        return cut(path, width)
    room = (width - cell_len(own)) // len(above) - len(SEPARATOR)
    if room < _SHORTEST:
        return cut(own, width)
    return SEPARATOR.join([*(cut(each, room) for each in above), own])


def _claimed(prop: Property, matter: Matter, names: Names) -> str:
    """The value that several claim; of a list the item."""
    value = matter.candidates[0].value
    if isinstance(value, tuple):
        return str(matter.message.params["value"]).strip('"')
    return shown(prop, value, names)


# --- below the list ---------------------------------------------------------------------------------------------------


def title(details: Details, schema: Schema) -> tuple[Line, Line]:
    """What stands over the details, left and right."""
    matter, names = details.matter, details.names
    label = prop_of(matter, schema).label(language())
    name = names.entity(matter.entity)
    if matter.type == "conflict":
        used = _("in use meanwhile: {letter}").format(letter=letter(0))
        return [(f"{label} · {name.rsplit(SEPARATOR, 1)[-1]}", "strong")], [(used, "attention")]
    if matter.type == "retired-edit":
        return [(name.rsplit(SEPARATOR, 1)[-1], "strong")], []
    if matter.type in BETWEEN:
        return [(label, "strong")], [(_("all stay in use meanwhile"), "attention")]
    return [(f"{label} · {name.rsplit(SEPARATOR, 1)[-1]}", "strong")], []


def lines(details: Details, chosen: int, width: int, height: int, schema: Schema, when: When) -> list[Line]:
    """The candidates side by side, what it is about, who knew what, and what can be done."""
    matter = details.matter
    # A small screen may be at the end of a slow line: what candidates and keys say there is not said again.
    said = height < _TALL and len(matter.candidates) > 1
    about: list[Line] = [] if said else [[(text, "plain")] for text in wrapped(_about(details, schema), width)]
    rest: list[Line] = _graph_lines(details, width, height, schema) if details.steps else []
    rest += [] if height < _TALL else [[(text, "dim")] for text in wrapped(_(_ADVICE[matter.type]), width)]
    count = min(len(matter.candidates), MOST)
    fits = count + len(about) + len(rest) <= height
    room = max(2, height - len(about) - (len(rest) if fits else 1))
    first = max(0, min(chosen - room // 2, count - room))
    candidates = _candidates(details, chosen, width, schema, when)[first : first + room]
    return [*candidates, *_indented([*about, *rest])][:height]


def _indented(some: Sequence[Line]) -> list[Line]:
    return [[("  ", "plain"), *line] for line in some]


def _about(details: Details, schema: Schema) -> str:
    """The sentence below the candidates, where they do not speak for themselves."""
    matter, names = details.matter, details.names
    prop = prop_of(matter, schema)
    if matter.type == "dangling":
        targets = [names.entity(entity) for entity in missing_targets(details)]
        target = ", ".join(targets) or str(matter.message.params["target"])
        if retired_targets(details):
            text = _("{target} is retired: b brings it back.")
        else:
            text = _("{target} is not known here: its changes may still come.")
        return text.format(target=target)
    if matter.type == "retired-edit":
        return _("Who retired it had not seen what was said meanwhile.")
    if matter.type == "invalid":
        return say(
            FieldlineError(matter.message.template, **{**matter.message.params, "property": prop.label(language())})
        )
    return ""


def missing_targets(details: Details) -> list[bytes]:
    """What the value in use refers to and is retired or not known."""
    found = []
    for entity in referred(details.matter.candidates[0].value):
        record = details.records.get(entity)
        if record is None or record.kind is None or record.retired:
            found.append(entity)
    return found


def retired_targets(details: Details) -> list[bytes]:
    """What the value in use refers to and is retired."""
    return [e for e in missing_targets(details) if (record := details.records.get(e)) and record.retired]


def _candidates(details: Details, chosen: int, width: int, schema: Schema, when: When) -> list[Line]:
    matter, names = details.matter, details.names
    some = matter.candidates[:MOST]
    wide = width >= 96
    people, time, device = (16, 17, 12) if wide else (9, 9, 6)
    remark = 34 if wide else 19
    room = width - 2 - people - time - device - remark - 5
    found: list[Line] = []
    for index, (leaf, text) in enumerate(zip(some, apart(_texts(details, schema, room), room), strict=True)):
        on = index == chosen and matter.type not in ("dangling", "invalid")
        cells = [
            Column(letter(index), 1, "strong" if on else "plain"),
            Column(text, None, "strong" if on else "plain"),
            Column(leaf.user, people),
            Column(when.dated(leaf.at) if wide else when.brief(leaf.at), time, "dim"),
            Column(names.device(leaf.device), device, "dim"),
            Column(_remark(matter, index, wide), remark, "dim"),
        ]
        found.append([("▸ " if on else "  ", "marker"), *columns(width, cells)])
    return found


def _texts(details: Details, schema: Schema, width: int) -> list[str]:
    """What each candidate stands for: its value, or the entity that states it."""
    matter, names = details.matter, details.names
    prop = prop_of(matter, schema)
    some = matter.candidates[:MOST]
    if matter.type in BETWEEN:
        told = [f"  {shown(prop, leaf.value, names)}" if matter.type == "overlap" else "" for leaf in some]
        return [
            shortened(names.entity(entity), width - len(value)) + value
            for entity, value in zip(matter.entities, told, strict=False)
        ]
    if matter.type != "retired-edit":
        return [shown(prop, leaf.value, names) for leaf in some]
    texts = []
    record = details.records.get(matter.entity)
    said = {leaf.fact: name for name, slot in (record.slots if record else {}).items() for leaf in slot.leaves}
    for leaf in some:
        name = said.get(leaf.fact, RETIRED)
        if name == RETIRED:
            texts.append(_("retired"))
        else:
            stated = schema.property(matter.kind, name)
            texts.append(f"{stated.label(language())}: {shown(stated, leaf.value, names)}")
    return texts


def _remark(matter: Matter, index: int, wide: bool) -> str:
    """Why it was said, and of which other values its author did not know."""
    leaf = matter.candidates[index]
    note = quote(leaf.note)
    if matter.type != "conflict" or not wide:
        return note
    unknown = [letter(place) for place, other in enumerate(matter.candidates[:MOST]) if _apart(leaf, other)]
    if len(unknown) > 3:
        return note
    told = _("did not know of {letters}").format(letters=", ".join(unknown))
    return f"{note} {told}".strip() if unknown else note


def _apart(one: Candidate, other: Candidate) -> bool:
    return encode_value(one.value) != encode_value(other.value)


def _graph_lines(details: Details, width: int, height: int, schema: Schema) -> list[Line]:
    """Who knew what, drawn."""
    matter, names = details.matter, details.names
    prop = prop_of(matter, schema)
    letters = {leaf.fact: letter(index) for index, leaf in enumerate(matter.candidates)}
    head = _("who knew what") + "  " if height >= _TALL else ""

    def label(step: Step, room: int) -> str:
        if step.fact in letters:
            return cut(f"{letters[step.fact]} {step.user}", room)
        value = cut(shown(prop, step.value, names), max(_LEAST, room - len(step.user) - 1))
        return f"{value} {step.user}"

    drawing = draw(details.steps, list(letters), label, _("not configured"), width - len(head))
    return [[(head if place == 0 else " " * len(head), "dim"), (line, "plain")] for place, line in enumerate(drawing)]


def apart(texts: Sequence[str], width: int) -> list[str]:
    """Texts in at most `width` columns each; of long ones the beginning that all share is left out."""
    if len(texts) < 2 or all(len(text) <= width for text in texts):
        return [cut(text, width) for text in texts]
    least = min(texts, key=len)
    same = next((place for place, char in enumerate(least) if any(t[place] != char for t in texts)), len(least))
    start = max(0, same - max(4, width // 4))
    return [cut(("…" + text[start:]) if start else text, width) for text in texts]
