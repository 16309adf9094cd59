"""A map as text: links in braille dots, sites as signs, names with room. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size

from tui.glyphs import GLYPHS
from tui.i18n.translate import N_, _, format_number
from tui.layout import Column, Line, clean_text, cut, layout_columns, rule_line
from tui.view_models.fleet_details import TYPE_WORDS
from tui.view_models.map_graticule import Graticule, make_graticule
from tui.view_models.map_projection import (
    DOTS_ACROSS,
    DOTS_DOWN,
    METRES_PER_DEGREE,
    Dot,
    Site,
    Viewport,
    clip,
    direction,
    distance_km,
    line_dots,
)

MAX_NAMES = 16
"""Names on a map: with more of them nobody sees the sites."""
_MAX_NAME_COLUMNS = 18
_MANY_LINKS = 5
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a braille letter, by row and column (Unicode 15, chapter 21.1)."""
_BRAILLE = 0x2800
_GRID_DOT = "⠂"
"""A dot of the lines of degrees: one braille dot, whose plain form is a dot, too."""
_SCALES_M = tuple(step * 10**power for power in range(7) for step in (1, 2, 5))
_SCALE_COLUMNS, _SCALE_TEXT_COLUMNS = 14, 10
_MIN_LABEL_LINES = 8
"""Lines of a map from which there is room for what degrees its lines are."""
_DIRECTIONS = (N_("N"), N_("NE"), N_("E"), N_("SE"), N_("S"), N_("SW"), N_("W"), N_("NW"))
_NEAR_SITES = 6

Cell = tuple[str, str]
"""A character and its role."""


@dataclass(slots=True)
class FleetMap:
    """The sites of the fleet, the one under the cursor, and what is shown of it."""

    sites: Sequence[Site] = ()
    index: int = 0
    viewport: Viewport = field(default_factory=Viewport)

    @property
    def site(self) -> Site | None:
        """The site under the cursor."""
        return self.sites[self.index] if self.sites else None

    def linked(self, site: Site) -> list[Site]:
        """The sites that one is linked with, whichever of the two names the link."""
        return [each for each in self.sites if each.entity in site.links or site.entity in each.links]


def map_lines(shown: FleetMap, width: int, height: int) -> list[Line]:
    """Draw the map in so many cells."""
    if width < 1 or height < 1:
        return []
    grid: list[list[Cell]] = [[(" ", "plain")] * width for _row in range(height)]
    cells = _cells(shown, width, height)
    graticule = make_graticule(shown.viewport, width, height)
    for column, row in graticule.dots(width, height):
        grid[row][column] = (_GRID_DOT, "line")
    _draw_links(grid, shown, width, height)
    taken = _draw_degrees(grid, graticule, width, height)
    _draw_frame(grid, shown.viewport, width, height)
    _draw_sites(grid, shown, cells)
    _draw_names(grid, shown, cells, taken)
    return [_merge(row) for row in grid]


def _cells(shown: FleetMap, width: int, height: int) -> dict[int, tuple[int, int]]:
    """Column and row of each site that is in sight, by its index."""
    found = {}
    for index, site in enumerate(shown.sites):
        if shown.viewport.shows(site, width, height):
            across, down = shown.viewport.project(site.latitude, site.longitude, width, height)
            found[index] = across // DOTS_ACROSS, down // DOTS_DOWN
    return found


def _draw_links(grid: list[list[Cell]], shown: FleetMap, width: int, height: int) -> None:
    by_entity = {site.entity: site for site in shown.sites}
    chosen = shown.site.entity if shown.site else b""
    bits: dict[tuple[int, int], int] = {}
    own: set[tuple[int, int]] = set()
    for site in shown.sites:
        for entity in site.links:
            if entity not in by_entity:
                continue
            ends = [
                shown.viewport.project(each.latitude, each.longitude, width, height)
                for each in (site, by_entity[entity])
            ]
            part = clip(ends[0], ends[1], width * DOTS_ACROSS, height * DOTS_DOWN)
            for across, down in line_dots(*part) if part else ():
                cell = across // DOTS_ACROSS, down // DOTS_DOWN
                bits[cell] = bits.get(cell, 0) | _BITS[down % DOTS_DOWN][across % DOTS_ACROSS]
                if chosen in (site.entity, entity):
                    own.add(cell)
    for (column, row), drawn in bits.items():
        grid[row][column] = (chr(_BRAILLE + drawn), "accent" if (column, row) in own else "tint")


def _dot(viewport: Viewport, site: Site, width: int, height: int) -> Dot:
    return viewport.project(site.latitude, site.longitude, width, height)


def _draw_degrees(grid: list[list[Cell]], graticule: Graticule, width: int, height: int) -> set[tuple[int, int]]:
    """Write degrees at two edges; gives the cells they take, by row and column."""
    if height < _MIN_LABEL_LINES:
        return set()
    taken: set[tuple[int, int]] = set()
    for row, label in graticule.rows:
        if row < height - 2:
            _write(grid, 0, row, f" {label} ", "dim")
            taken |= {(row, column) for column in range(cell_len(label) + 2)}
    for column, label in graticule.columns:
        start = column - cell_len(label) // 2
        if start > _SCALE_COLUMNS + _SCALE_TEXT_COLUMNS and start + cell_len(label) < width:
            _write(grid, start, height - 1, label, "dim")
            taken |= {(height - 1, start + index) for index in range(cell_len(label))}
    return taken


def _draw_frame(grid: list[list[Cell]], viewport: Viewport, width: int, height: int) -> None:
    """Draw north, and a scale."""
    _write(grid, width - 4, 0, "N▲", "dim")
    metres_per_cell = viewport.dot_degrees * DOTS_ACROSS * METRES_PER_DEGREE
    fitting = [each for each in _SCALES_M if each <= metres_per_cell * min(_SCALE_COLUMNS, width - 12)]
    if not fitting or height < 3:
        return
    metres = fitting[-1]
    length = max(2, round(metres / metres_per_cell))
    text = _("{count} m").format(count=format_number(metres))
    if metres >= 1000:
        text = _("{count} km").format(count=format_number(metres // 1000))
    _write(grid, 2, height - 1, "├" + "─" * (length - 2) + "┤", "line")
    _write(grid, 2 + length, height - 1, f" {text}", "dim")


def _draw_sites(grid: list[list[Cell]], shown: FleetMap, cells: dict[int, tuple[int, int]]) -> None:
    for index in sorted(cells, key=lambda each: _rank(shown, each), reverse=True):
        column, row = cells[index]
        grid[row][column] = _sign(shown, index)


def _rank(shown: FleetMap, index: int) -> tuple[bool, bool, int, str]:
    """Which sites come first where there is no room for all."""
    site = shown.sites[index]
    return index != shown.index, not (site.items or site.differs), -len(site.links), site.title


def _sign(shown: FleetMap, index: int) -> Cell:
    site, is_chosen = shown.sites[index], index == shown.index
    if site.items:
        return "◆", "lit-attention" if is_chosen else "alert"
    if site.differs:
        return GLYPHS["differs"], "lit-attention" if is_chosen else "alert"
    sign = "●" if len(site.links) >= _MANY_LINKS else "•"
    return sign, "lit" if is_chosen else "value"


def _draw_names(
    grid: list[list[Cell]], shown: FleetMap, cells: dict[int, tuple[int, int]], labels: set[tuple[int, int]]
) -> None:
    """Write the names that have room, the most important ones first.

    `labels` are cells that are taken, by row and column.
    """
    taken = labels | {(row, column) for column, row in cells.values()}
    count = 0
    for index in sorted(cells, key=lambda each: _rank(shown, each)):
        if count == MAX_NAMES:
            return
        site, (column, row) = shown.sites[index], cells[index]
        name = cut(clean_text(site.title), _MAX_NAME_COLUMNS)
        size = cell_len(name)
        is_chosen = index == shown.index
        role = "lit" if is_chosen else "attention" if site.items or site.differs else "plain"
        middle = column - size // 2
        places = ((column + 2, row), (column - 1 - size, row), (middle, row - 1), (middle, row + 1))
        for start, line in places:
            if not (0 <= line < len(grid) and start >= 0 and start + size <= len(grid[0])):
                continue
            wanted = {(line, at) for at in range(start - 1, start + size + 1)} - {(row, column)}
            if wanted & taken and not is_chosen:
                continue
            _write(grid, start, line, name, role)
            if is_chosen and line == row:
                grid[row][column + 1 if start > column else column - 1] = (" ", "lit")
            taken |= wanted
            count += 1
            break


def _write(grid: list[list[Cell]], column: int, row: int, text: str, role: str) -> None:
    for char in text:
        size = cell_len(char)
        if not (0 <= row < len(grid) and column >= 0 and column + size <= len(grid[row])):
            return
        grid[row][column] = (char, role)
        for extra in range(1, size):
            grid[row][column + extra] = ("", role)
        column += size


def _merge(row: list[Cell]) -> Line:
    """A row of cells as spans of one role each."""
    line: Line = []
    for char, role in row:
        if line and line[-1][1] == role:
            line[-1] = (line[-1][0] + char, role)
        else:
            line.append((char, role))
    return line


def site_lines(shown: FleetMap, map_size: tuple[int, int], width: int, height: int) -> list[Line]:
    """What there is to know of the site under the cursor, and what the signs mean.

    Args:
        shown: the map.
        map_size: columns and rows in which it is drawn.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    site = shown.site
    if site is None:
        return []
    lines: list[Line] = [
        [(f"{GLYPHS.get(kind, '!')} {_(TYPE_WORDS[kind])}" + (f"  {count}" if count > 1 else ""), "attention")]
        for kind, count in site.items
    ]
    if site.differs:
        words = _("this device differs")
        lines.append([(f"{GLYPHS['differs']} {words}", "attention")])
    others = [each for each in shown.sites if each is not site]
    others.sort(key=lambda each: distance_km(site, each))
    marked = [each for each in others if each.items or each.differs]
    linked = sorted(shown.linked(site), key=lambda each: distance_km(site, each))
    end = _legend_lines(shown, map_size, width)
    for title, sites in ((_("Links"), linked), (_("Nearby"), others[:_NEAR_SITES]), (_("To resolve"), marked)):
        room = height - len(lines) - len(end) - 2
        if not sites or room < 1:
            continue
        head = [(title, "strong"), (f"  {format_number(len(sites))}", "dim")] if sites is not others else []
        lines += [[], rule_line(width + 1, head)[1:]] if lines else [rule_line(width + 1, head)[1:]]
        lines += [_way_line(site, each, width) for each in sites[:room]]
    if len(lines) + len(end) <= height:
        lines += [[]] * (height - len(lines) - len(end)) + end
    return lines[:height]


def _way_line(site: Site, other: Site, width: int) -> Line:
    """A site, how far it is, and in which direction."""
    glyph = next((GLYPHS.get(kind, "!") for kind, _count in other.items), GLYPHS["differs"] if other.differs else " ")
    cells = [
        Column(glyph, 1, "attention"),
        Column(other.title, None, "value"),
        Column(format_distance(distance_km(site, other)), 9, "plain", right=True),
        Column(_(_DIRECTIONS[direction(site, other)]), 2, "dim"),
    ]
    return layout_columns(width, cells)


def format_distance(kilometres: float) -> str:
    """A distance for people: metres below one kilometre, tenths below a hundred."""
    if kilometres < 1:
        return _("{count} m").format(count=round(kilometres * 1000))
    if kilometres < 100:
        whole, tenth = divmod(round(kilometres * 10), 10)
        return _("{whole}.{tenth} km").format(whole=whole, tenth=tenth)
    return _("{count} km").format(count=format_number(round(kilometres)))


def _legend_lines(shown: FleetMap, map_size: tuple[int, int], width: int) -> list[Line]:
    """What the signs mean, and how many sites are in sight."""
    seen = sum(shown.viewport.shows(site, *map_size) for site in shown.sites)
    count = _("{count} of {total} in view").format(count=format_number(seen), total=format_number(len(shown.sites)))
    many = _("{count} links or more").format(count=_MANY_LINKS)
    half = width // 2
    rows = [
        (("•", "value", _("site")), ("●", "value", many)),
        (("◆", "alert", _("to resolve")), (GLYPHS["differs"], "alert", _("device differs"))),
    ]
    lines: list[Line] = [rule_line(width + 1, [(_("Signs"), "strong")])[1:]]
    for row in rows:
        line: Line = []
        for sign, role, text in row:
            line += [(sign, role), (set_cell_size(f" {cut(text, half - 3)}", half - 1), "dim")]
        lines.append(line)
    return [*lines, [(count, "plain")]]
