"""The items of the inbox: a line for each in the list, and its details below.

Pure.

Nothing here is called an error: whatever waits, a value is in use, provisional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.errors import FieldlineError
from core.inbox import InboxItem
from core.records import Record
from core.schema import RETIRED, Property, Schema
from core.slots import Candidate
from core.value_codec import encode_value
from core.workspace.lineage import AncestryStep
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter, mark_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, error_text, format_number, language, ngettext
from tui.layout import Column, Line, cut, fit, layout_columns, wrap_text
from tui.view_models.ancestry_graph import GraphWords, draw_ancestry
from tui.view_models.breadcrumbs import entity_part, shorten_breadcrumb
from tui.view_models.entity_life import EntityLife
from tui.view_models.form import NO_NAMES, DisplayNames, format_value, value_references
from tui.view_models.form_lines import candidate_letter

MULTI_ENTITY_TYPES = ("duplicate", "overlap")
"""Types of items about several entities: each candidate is that of one of them."""
SINGLE_VALUE_TYPES = ("dangling", "invalid")
"""Types of items about one value alone."""
_MAX_NAMED_ENTITIES = 3  # entities that a row names, where there is room
_DETAILED_COLUMNS = 70  # columns from which a line says what the problem is
_WIDE_COLUMNS = 96  # columns from which times are shown in full
_MIN_NAME_COLUMNS = 8  # columns that a name gets where there are many
_TALL_LINES = 10  # lines from which there is room for what is to be done
MAX_CANDIDATES = 26
"""Candidates that can be chosen: those that have a letter."""

HINTS = {
    "conflict": "",
    "duplicate": N_("t keeps it at the chosen one, x clears it there."),
    "overlap": N_("t keeps it at the chosen one, x clears it there."),
    "dangling": N_("e types another, x clears it."),
    "retired-edit": N_("t on A keeps it retired, t on another puts it back in use."),
    "invalid": N_("e types another, x clears it."),
}


@dataclass(frozen=True, slots=True)
class ItemDetails:
    """The details of an item: its entities now, who knew what, and names.

    `record` is the entity that it is about, and `life` its changes, where there is room for them.
    """

    item: InboxItem
    records: dict[bytes, Record] = field(default_factory=dict)
    steps: tuple[AncestryStep, ...] = ()
    names: DisplayNames = NO_NAMES
    record: Record | None = None
    life: EntityLife = field(default_factory=EntityLife)


def item_property(item: InboxItem, schema: Schema) -> Property:
    """The definition of the property that an item is about."""
    return schema.property(item.kind, item.property)


def count_values(item: InboxItem) -> int:
    """How many different values the candidates have."""
    return len({encode_value(leaf.value) for leaf in item.candidates})


# --- a line of the list -----------------------------------------------------------------------------------------------


def item_line(
    item: InboxItem, marked: bool, width: int, schema: Schema, names: DisplayNames, dates: DateFormatter
) -> Line:
    """A line of the list: subject, place, problem if there is room, and when.

    Args:
        item: the inbox item.
        marked: whether it is marked.
        width: the columns that a line may take.
        schema: the definitions of kinds and properties.
        names: what entities and devices are called.
        dates: formats times.
    """
    has_details = width >= _DETAILED_COLUMNS
    label, problem, time = (16, 13, 9) if has_details else (16, 0, 9)
    last = max((leaf.at_us for leaf in item.candidates), default=None)
    room = width - 3 - label - problem - time - (3 if has_details else 2)
    prop = item_property(item, schema)
    return [
        ("*" if marked else " ", "alert"),
        (f"{GLYPHS[item.type]} ", "attention"),
        (fit(prop.label(language()), label) + " ", "value"),
        (fit(_entities_text(item, names, room), room) + " ", "plain"),
        (fit(problem_text(item), problem) + " " if has_details else "", "dim"),
        (fit("" if last is None else dates.brief(last), time, right=True), "dim"),
    ]


def _entities_text(item: InboxItem, names: DisplayNames, width: int) -> str:
    """The path of the entity.

    Of several all that fit, else the first and how many more there are.
    """
    paths = [names.entity(entity) for entity in item.entities[:_MAX_NAMED_ENTITIES]]
    together = ", ".join(paths)
    if len(paths) == len(item.entities) and cell_len(together) <= width:
        return together
    more = f" +{format_number(len(item.entities) - 1)}" if len(item.entities) > 1 else ""
    return shorten_breadcrumb(paths[0], width - len(more)) + more


def problem_text(item: InboxItem) -> str:
    """The problem in at most 12 columns."""
    count = len(item.entities)
    if item.type == "conflict":
        odds = count_values(item)
        return ngettext("{count} value", "{count} values", odds)
    if item.type == "duplicate":
        return ngettext("claimed by {count}", "claimed by {count}", count)
    if item.type == "overlap":
        return _("overlaps")
    if item.type == "dangling":
        return _("is retired") if item.message.template.endswith("retired") else _("not known")
    return _("and edited") if item.type == "retired-edit" else _("not valid")


# --- below the list ---------------------------------------------------------------------------------------------------


def item_title(details: ItemDetails, schema: Schema) -> tuple[Line, Line]:
    """What stands over the details, left and right."""
    item, names = details.item, details.names
    label = item_property(item, schema).label(language())
    name = entity_part(names.entity(item.entity))
    if item.type == "conflict":
        used = _("in use, provisional: {letter}").format(letter=candidate_letter(0))
        return [(f"{label} · {name}", "strong")], [(used, "attention")]
    if item.type == "retired-edit":
        return [(name, "strong")], []
    if leaf := item.acceptance:
        right: Line = [(_("accepted as it is by {user}").format(user=leaf.user), "plain")]
    else:
        right = [(_("all stay in use, provisional"), "attention")] if item.type in MULTI_ENTITY_TYPES else []
    return [(label if item.type in MULTI_ENTITY_TYPES else f"{label} · {name}", "strong")], right


def item_lines(
    details: ItemDetails, chosen: int, width: int, height: int, schema: Schema, dates: DateFormatter
) -> list[Line]:
    """The candidates side by side, the subject, who knew what, and the keys.

    Args:
        details: what was read of the item.
        chosen: the index of the chosen candidate.
        width: the columns that a line may take.
        height: the lines that there are.
        schema: the definitions of kinds and properties.
        dates: formats times.
    """
    item = details.item
    # A small screen may be at the end of a slow line: what candidates and keys show is not repeated.
    is_brief = height < _TALL_LINES and len(item.candidates) > 1 and item.acceptance is None
    about: list[Line] = (
        [] if is_brief else [[(text, "plain")] for text in wrap_text(about_text(details, schema), width)]
    )
    rest: list[Line] = _graph_lines(details, width, height, schema) if details.steps else []
    rest += [] if height < _TALL_LINES else [[(text, "dim")] for text in wrap_text(_(HINTS[item.type]), width)]
    count = min(len(item.candidates), MAX_CANDIDATES)
    fits = count + len(about) + len(rest) <= height
    room = max(2, height - len(about) - (len(rest) if fits else 1))
    first = max(0, min(chosen - room // 2, count - room))
    candidates = _candidate_lines(details, chosen, width, schema, dates)[first : first + room]
    drawn = [*candidates, *_indented([*about, *rest])]
    return drawn if len(drawn) <= height and fits else [*drawn[: height - 1], *_indented([_more_line(details, room)])]


def _more_line(details: ItemDetails, room: int) -> Line:
    """How to see what there is no room for."""
    more = len(details.item.candidates) - room
    hints = [_("… and {count} more: v shows all").format(count=format_number(more))] if more > 0 else []
    hints += [_("w draws who knew what")] if details.steps else []
    return [(" · ".join(hints), "dim")]


def _indented(some: Sequence[Line]) -> list[Line]:
    return [[("  ", "plain"), *line] for line in some]


def about_text(details: ItemDetails, schema: Schema) -> str:
    """The sentence below the candidates, where they do not speak for themselves."""
    item, names = details.item, details.names
    if item.acceptance is not None and item.acceptance.note:
        return quote(item.acceptance.note)
    prop = item_property(item, schema)
    if item.type == "dangling":
        targets = [names.entity(entity) for entity in missing_targets(details)]
        target = ", ".join(targets) or str(item.message.params["target"])
        if retired_targets(details):
            text = _("{target} is retired: b puts it back in use.")
        else:
            text = _("{target} is not known here: its changes may still come.")
        return text.format(target=target)
    if item.type == "retired-edit":
        return _("Who retired it had not seen what was set meanwhile.")
    if item.type == "invalid":
        return error_text(
            FieldlineError(item.message.template, **{**item.message.params, "property": prop.label(language())})
        )
    return ""


def missing_targets(details: ItemDetails) -> list[bytes]:
    """What the value in use refers to and is retired or not known."""
    found = []
    for entity in value_references(details.item.candidates[0].value):
        record = details.records.get(entity)
        if record is None or record.kind is None or record.retired:
            found.append(entity)
    return found


def retired_targets(details: ItemDetails) -> list[bytes]:
    """What the value in use refers to and is retired."""
    return [e for e in missing_targets(details) if (record := details.records.get(e)) and record.retired]


def _candidate_lines(details: ItemDetails, chosen: int, width: int, schema: Schema, dates: DateFormatter) -> list[Line]:
    item, names = details.item, details.names
    some = item.candidates[:MAX_CANDIDATES]
    wide = width >= _WIDE_COLUMNS
    people, time, device = (14, 17, 10) if wide else (9, 9, 6)
    remark = (34 if item.type == "conflict" else 24) if wide else 19
    room = width - 2 - people - time - device - remark - 5
    if item.type in MULTI_ENTITY_TYPES and any(
        cell_len(text) > room for text in candidate_texts(details, schema, width)
    ):
        # Where it is says more than the note, which v shows, too.
        room, remark = room + remark + 1, 0
    found: list[Line] = []
    for index, (leaf, text) in enumerate(
        zip(some, strip_common_start(candidate_texts(details, schema, room), room), strict=True)
    ):
        on = index == chosen and item.type not in SINGLE_VALUE_TYPES
        time_text = dates.dated(leaf.at_us) if wide else dates.brief(leaf.at_us)
        cells = [
            Column(candidate_letter(index), 1, "key"),
            Column(text, None, "strong" if on else "value"),
            Column(leaf.user, people),
            Column(mark_clock_error(time_text, leaf.clock), time, "dim"),
            Column(names.device(leaf.device), device, "dim"),
            Column(_candidate_remark(item, index, wide), remark, "dim"),
        ]
        found.append([(f"{GLYPHS['cursor']} " if on else "  ", "marker"), *layout_columns(width, cells)])
    return found


def candidate_texts(details: ItemDetails, schema: Schema, width: int) -> list[str]:
    """A line for each candidate: its value, or the entity that claims it."""
    item, names = details.item, details.names
    prop = item_property(item, schema)
    some = item.candidates[:MAX_CANDIDATES]
    if item.type in MULTI_ENTITY_TYPES:
        values = [f"  {format_value(prop, leaf.value, names)}" if item.type == "overlap" else "" for leaf in some]
        return [
            shorten_breadcrumb(names.entity(entity), width - len(value)) + value
            for entity, value in zip(item.entities, values, strict=False)
        ]
    if item.type != "retired-edit":
        return [format_value(prop, leaf.value, names) for leaf in some]
    texts = []
    record = details.records.get(item.entity)
    properties = {leaf.fact: name for name, slot in (record.slots if record else {}).items() for leaf in slot.leaves}
    for leaf in some:
        name = properties.get(leaf.fact, RETIRED)
        if name == RETIRED:
            texts.append(_("retired"))
        else:
            stated = schema.property(item.kind, name)
            texts.append(f"{stated.label(language())}: {format_value(stated, leaf.value, names)}")
    return texts


def _candidate_remark(item: InboxItem, index: int, wide: bool) -> str:
    """The note, and the other values that its author did not know."""
    leaf = item.candidates[index]
    note = quote(leaf.note)
    if item.type != "conflict" or not wide:
        return note
    unknown = unknown_letters(item, index)
    if len(unknown) > 3:
        return note
    text = _("did not know of {letters}").format(letters=", ".join(unknown))
    return f"{note} {text}".strip() if unknown else note


def unknown_letters(item: InboxItem, index: int) -> list[str]:
    """The letters of the candidates with other values than this one.

    Its author did not know of them.
    """
    leaf = item.candidates[index]
    return [
        candidate_letter(place)
        for place, other in enumerate(item.candidates[:MAX_CANDIDATES])
        if _has_other_value(leaf, other)
    ]


def _has_other_value(one: Candidate, other: Candidate) -> bool:
    return encode_value(one.value) != encode_value(other.value)


def ancestry_lines(details: ItemDetails, width: int, schema: Schema, dates: DateFormatter) -> list[Line]:
    """The candidates, and who knew what, drawn as large as it is.

    Args:
        details: what was read of the item.
        width: the columns that a line may take.
        schema: the definitions of kinds and properties.
        dates: formats times.
    """
    drawing = draw_graph(details, width, schema, whole=True)
    return [*_candidate_lines(details, -1, width, schema, dates), [], *([(line, "plain")] for line in drawing)]


def _graph_lines(details: ItemDetails, width: int, height: int, schema: Schema) -> list[Line]:
    """Who knew what, drawn."""
    head = _("who knew what") + "  " if height >= _TALL_LINES else ""
    drawing = draw_graph(details, width - len(head), schema)
    return [[(head if place == 0 else " " * len(head), "dim"), (line, "plain")] for place, line in enumerate(drawing)]


def draw_graph(details: ItemDetails, width: int, schema: Schema, whole: bool = False) -> list[str]:
    item, names = details.item, details.names
    prop = item_property(item, schema)
    letters = {leaf.fact: candidate_letter(index) for index, leaf in enumerate(item.candidates)}

    def label(step: AncestryStep, room: int) -> str:
        if step.fact in letters:
            return cut(f"{letters[step.fact]} {step.user}", room)
        value = cut(format_value(prop, step.value, names), max(_MIN_NAME_COLUMNS, room - len(step.user) - 1))
        return f"{value} {step.user}"

    words = GraphWords(nothing=_("not configured"), earlier=_("earlier values"))
    return draw_ancestry(details.steps, list(letters), label, words, width, whole)


def strip_common_start(texts: Sequence[str], width: int) -> list[str]:
    """Texts in at most `width` columns each.

    Of long ones the beginning that all share is left out.
    """
    if len(texts) < 2 or all(len(text) <= width for text in texts):
        return [cut(text, width) for text in texts]
    least = min(texts, key=len)
    same = next((place for place, char in enumerate(least) if any(t[place] != char for t in texts)), len(least))
    start = max(0, same - max(4, width // 4))
    return [cut(("…" + text[start:]) if start else text, width) for text in texts]
