"""An inbox item beside the list.

Candidates as cards or in a table, networks as bars, who knew what, what it would do.

Pure. The part of a value that differs is set off; what stays the same is not said twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from core.schema import Schema
from core.slots import Candidate
from core.store.indexes.inbox_cache import ItemKey
from core.workspace.device_findings import Notices
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter, mark_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, error_text, format_number, ngettext
from tui.layout import Column, Line, cut, fit, layout_columns, line_width, rule_line, wrap_text
from tui.view_models.breadcrumbs import SEPARATOR
from tui.view_models.entity_life import life_lines
from tui.view_models.fleet_details import EntityDetails, group_lines
from tui.view_models.form_lines import candidate_letter
from tui.view_models.inbox import (
    HINTS,
    MAX_CANDIDATES,
    SINGLE_VALUE_TYPES,
    ItemDetails,
    about_text,
    candidate_texts,
    draw_graph,
    item_property,
    unknown_letters,
)
from tui.view_models.network_bars import network_bars
from tui.view_models.pane_columns import arrange_parts
from tui.view_models.sparkline import bar
from tui.view_models.value_diff import diff_block, word_spans

MIN_CARD_COLUMNS, CARD_GAP_COLUMNS = 24, 2
"""Columns that a card needs, and between two."""
TYPE_LABELS = {
    "conflict": N_("two values"),
    "duplicate": N_("claimed twice"),
    "overlap": N_("networks overlap"),
    "retired-edit": N_("retired, then edited"),
    "dangling": N_("refers to nothing"),
    "invalid": N_("not valid"),
}
MAX_TABLE_COLUMNS = 80
"""Columns of candidates below each other, so that who and when stand near what they are about."""
_BAR_COLUMNS = 16
_LABEL_COLUMNS = 26


def pane_lines(
    details: ItemDetails, chosen: int, width: int, height: int, schema: Schema, dates: DateFormatter
) -> list[Line]:
    """Draw the item, as far as there is room.

    Args:
        details: what was read of the item.
        chosen: the index of the chosen candidate.
        width: the columns that a line may take.
        height: the lines that there are.
        schema: the definitions of kinds and properties.
        dates: formats times.
    """
    item = details.item

    def candidates(columns: int, room: int) -> list[Line]:
        if item.type == "conflict" and _fits_as_cards(details, columns):
            return _cards(details, chosen, columns, schema, dates)[:room]
        bars: list[Line] = []
        if item.type == "overlap":
            letters = [candidate_letter(index) for index in range(len(item.candidates))]
            bars = [*network_bars([leaf.value for leaf in item.candidates], letters, chosen, columns), []]
        return [*bars, *_table(details, chosen, columns, schema, dates, max(3, room // 2))][:room]

    def about(columns: int, _room: int) -> list[Line]:
        return [[(line, "plain")] for line in wrap_text(about_text(details, schema), columns)]

    def known(columns: int, _room: int) -> list[Line]:
        return [_head(_("Who knew what"), columns), *_graph(details, columns, schema)] if details.steps else []

    def outcome(columns: int, _room: int) -> list[Line]:
        if item.type == "conflict":
            return _outcome(details, chosen, columns, schema)
        hint = [[(" " + line, "plain")] for line in wrap_text(_(HINTS[item.type]), columns - 1)]
        return [_head(_("You can"), columns), *hint] if hint else []

    def values(columns: int, room: int) -> list[Line]:
        if details.record is None:
            return []
        return group_lines(EntityDetails(details.record, details.names), schema, columns)[:room]

    def life(columns: int, room: int) -> list[Line]:
        return life_lines(details.life, schema.kind(item.kind), details.names, dates, columns, room)

    return arrange_parts([candidates, about, known, outcome], [values, life], width, height)


def _head(text: str, width: int) -> Line:
    return rule_line(width + 1, [(text, "strong")])[1:]


def _fits_as_cards(details: ItemDetails, width: int) -> bool:
    count = len(details.item.candidates)
    return count * MIN_CARD_COLUMNS + (count - 1) * CARD_GAP_COLUMNS <= width


def _cards(details: ItemDetails, chosen: int, width: int, schema: Schema, dates: DateFormatter) -> list[Line]:
    """The candidates side by side; the head of the chosen one is lit."""
    count = len(details.item.candidates)
    size = (width - (count - 1) * CARD_GAP_COLUMNS) // count
    cards = [_card(details, index, index == chosen, size, schema, dates) for index in range(count)]
    rows = max(map(len, cards))
    lines: list[Line] = []
    for row in range(rows):
        line: Line = []
        for card in cards:
            if line:
                line.append((" " * CARD_GAP_COLUMNS, "plain"))
            line += card[row] if row < len(card) else [(" " * size, "card")]
        lines.append(line)
    return lines


def _card(
    details: ItemDetails, index: int, is_chosen: bool, width: int, schema: Schema, dates: DateFormatter
) -> list[Line]:
    leaf = details.item.candidates[index]
    title = _("in use, provisional") if index == 0 else _("another value")
    head_role = "lit" if is_chosen else "card"
    lines: list[Line] = [
        [
            (f"{GLYPHS['cursor'] if is_chosen else ' '}", "cursor" if is_chosen else "card"),
            (f" {candidate_letter(index)} ", "lit-attention" if is_chosen else "card-key"),
            (fit(title, width - 4), head_role),
        ],
        [(" " * width, "card")],
    ]
    lines += _card_value(details, index, width, schema)
    lines.append([(" " * width, "card")])
    who = _("{user} on {device}").format(user=leaf.user, device=details.names.device(leaf.device))
    rows = [
        (_("set by"), who),
        (_("when"), mark_clock_error(dates.short(leaf.at_us), leaf.clock)),
        (_("note"), quote(leaf.note) or "–"),
    ]
    if unknown := unknown_letters(details.item, index):
        rows.append((_("not known"), ", ".join(unknown)))
    label = min(10, max(len(name) for name, _text in rows))
    for name, text in rows:
        room = width - label - 4
        shown = fit(cut(text, room), room)
        lines.append([(f"  {fit(name, label)} ", "card-dim"), (shown, "card-value"), (" ", "card")])
    return lines


def _card_value(details: ItemDetails, index: int, width: int, schema: Schema) -> list[Line]:
    """The value, the part that differs from the first other one set off."""
    texts = candidate_texts(details, schema, 10_000)
    other = texts[1 if index == 0 else 0] if len(texts) > 1 else ""
    mine, _theirs = word_spans(texts[index], other)
    lines: list[Line] = []
    line: Line = [("  ", "card")]
    for text, role in mine:
        for char in text:
            if line_width(line) >= width - 2:
                lines.append([*line, (" " * (width - line_width(line)), "card")])
                line = [("  ", "card")]
            part = "lit" if role.endswith("-part") else "card-value"
            if line[-1][1] == part:
                line[-1] = (line[-1][0] + char, part)
            else:
                line.append((char, part))
    return [*lines, [*line, (" " * max(0, width - line_width(line)), "card")]][:4]


def _table(
    details: ItemDetails, chosen: int, width: int, schema: Schema, dates: DateFormatter, height: int
) -> list[Line]:
    """The candidates below each other: letter, value or place, who and when."""
    item = details.item
    width = min(width, MAX_TABLE_COLUMNS)
    texts = candidate_texts(details, schema, width)
    count = min(len(item.candidates), MAX_CANDIDATES)
    first = max(0, min(chosen - height // 2, count - height))
    lines: list[Line] = []
    for index in range(first, min(count, first + height)):
        leaf: Candidate = item.candidates[index]
        is_on = index == chosen and item.type not in SINGLE_VALUE_TYPES
        cells = [
            Column(candidate_letter(index), 2, "lit-attention" if is_on else "key"),
            Column(texts[index], None, "lit" if is_on else "value"),
            Column(leaf.user, 9, "lit" if is_on else "plain"),
            Column(mark_clock_error(dates.brief(leaf.at_us), leaf.clock), 9, "lit" if is_on else "dim"),
        ]
        bar_cell = (GLYPHS["cursor"], "cursor") if is_on else (" ", "plain")
        lines.append([bar_cell, *layout_columns(width - 1, cells)])
        if leaf.note:
            lines.append([("    ", "plain"), (cut(quote(leaf.note), width - 4), "dim")])
    if count < len(item.candidates) or count > first + height:
        more = _("… and {count} more: v shows all").format(count=format_number(len(item.candidates) - height))
        lines.append([("   " + more, "dim")])
    return lines


def _graph(details: ItemDetails, width: int, schema: Schema) -> list[Line]:
    return [[(" " + line, "plain")] for line in draw_graph(details, width - 1, schema)]


def _outcome(details: ItemDetails, chosen: int, width: int, schema: Schema) -> list[Line]:
    """What taking the chosen candidate would do to the other values."""
    item = details.item
    prop = item_property(item, schema)
    letter = candidate_letter(chosen)
    taken = item.candidates[chosen].value
    other = next((leaf.value for index, leaf in enumerate(item.candidates) if index != chosen), None)
    title = _("If you take {letter}").format(letter=letter)
    lines = [_head(title, width)]
    lines += [[(" ", "plain"), *line] for line in diff_block(prop, other, taken, details.names, True, width - 1)]
    text = _("The others are set aside and stay in History.")
    return [*lines, *[[(" " + line, "dim")] for line in wrap_text(text, width - 1)]]


def notice_hint(notices: Notices) -> str:
    """Where to look at what is told beside the items; empty if nothing is."""
    if count := len(notices.forks):
        return ngettext("{count} chain forks: 6", "{count} chains fork: 6", count)
    if count := len(notices.out_of_scope):
        return ngettext("{count} device wrote out of scope: 6", "{count} devices wrote out of scope: 6", count)
    return ""


def tail_lines(
    notices: Notices, keys: Sequence[ItemKey], names: Mapping[bytes, str], width: int, height: int
) -> list[Line]:
    """What is told of devices, in at most half of the lines, and `summary_lines`."""
    texts = [line for notice in notices.all for line in wrap_text(error_text(notice), width - 2)][: height // 2]
    head: list[Line] = [[(text, "attention")] for text in texts]
    return head + summary_lines(keys, names, width, height - len(head))


def summary_lines(keys: Sequence[ItemKey], names: Mapping[bytes, str], width: int, height: int) -> list[Line]:
    """How much there is of each kind and at each place, as bars.

    Args:
        keys: the items.
        names: the paths of those of their entities that were read.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    if not keys:
        return []
    lines: list[Line] = [rule_line(width, [(_("By kind"), "strong")])]
    kinds = Counter(key.type for key in keys)
    highest = max(kinds.values())
    for type_name, label in TYPE_LABELS.items():
        if count := kinds[type_name]:
            glyph: Line = [(f"  {GLYPHS[type_name]} ", "attention")]
            lines.append([*glyph, *_bar_cells(_(label), count, highest)])
    places = Counter(names[key.entity].split(SEPARATOR)[0] for key in keys if key.entity in names)
    if len(places) > 1:
        lines += [[], rule_line(width, [(_("By place"), "strong")])]
        highest = max(places.values())
        for place, count in places.most_common(max(0, height - len(lines))):
            lines.append([("    ", "plain"), *_bar_cells(place, count, highest)])
    return lines[:height]


def _bar_cells(label: str, count: int, highest: int) -> Line:
    return [
        (fit(label, _LABEL_COLUMNS) + " ", "plain"),
        (bar(count, highest, _BAR_COLUMNS) + " ", "tint"),
        (format_number(count), "value"),
    ]
