"""The map: projection, zoom and pan, who is next, and what is drawn where."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.glyphs import ASCII_GLYPHS
from tui.layout import Line
from tui.view_models.map_canvas import MAX_NAMES, FleetMap, format_distance, map_lines, site_lines
from tui.view_models.map_graticule import make_graticule
from tui.view_models.map_projection import (
    DOTS_ACROSS,
    DOTS_DOWN,
    Site,
    Viewport,
    clip,
    core_of,
    direction,
    distance_km,
    fit,
    line_dots,
    neighbour,
    parse_degrees,
)

KIEL = Site(b"k" * 16, "Kiel", 54.3233, 10.1228)
HAMBURG = Site(b"h" * 16, "Hamburg", 53.5511, 9.9937, (("overlap", 2),), links=frozenset({b"k" * 16}))
BREMEN = Site(b"b" * 16, "Bremen", 53.0793, 8.8017)
NORD = [KIEL, HAMBURG, BREMEN]

degrees_north = st.floats(-89, 89)
degrees_east = st.floats(-180, 180)
sizes = st.tuples(st.integers(1, 200), st.integers(1, 60))
titles = st.text(min_size=1, max_size=30)


@st.composite
def sites(draw: st.DrawFn, most: int = 12) -> list[Site]:
    count = draw(st.integers(1, most))
    ids = [bytes([number]) * 16 for number in range(count)]
    return [
        Site(
            entity,
            draw(titles),
            draw(degrees_north),
            draw(degrees_east),
            draw(st.sampled_from([(), (("conflict", 1),), (("overlap", 3),)])),
            draw(st.booleans()),
            draw(st.frozensets(st.sampled_from(ids), max_size=3)) - {entity},
        )
        for entity in ids
    ]


def text_of(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _role in line) for line in lines]


@given(degrees_north, degrees_east, st.floats(1e-6, 1.0), sizes)
def test_the_middle_is_in_the_middle_and_north_is_above(
    north: float, east: float, dot: float, size: tuple[int, int]
) -> None:
    viewport = Viewport(north, east, dot)
    across, down = viewport.project(north, east, *size)
    assert abs(across - size[0] * DOTS_ACROSS / 2) <= 1
    assert abs(down - size[1] * DOTS_DOWN / 2) <= 1
    assert viewport.project(north + 3 * dot, east, *size)[1] < down
    assert viewport.project(north, east + 3 * dot / cos(radians(north)), *size)[0] > across


@given(sites(), degrees_east, st.integers(40, 200), st.integers(12, 60))
def test_what_is_fitted_is_in_view(anywhere: list[Site], start: float, width: int, height: int) -> None:
    # Of what is all around the earth there is no middle.
    found = [replace(site, longitude=(start + site.longitude / 3 + 180) % 360 - 180) for site in anywhere]
    viewport = fit(found, width, height)
    assert all(viewport.shows(site, width, height) for site in found)


@given(degrees_north, degrees_east, sites(most=1), st.floats(1.01, 8))
def test_looking_from_nearer_and_farther_again_shows_the_same(
    north: float, east: float, found: list[Site], factor: float
) -> None:
    before = Viewport(north, east, 0.001)
    site = replace(found[0], longitude=(east + found[0].longitude / 3 + 180) % 360 - 180)
    near = before.zoomed(factor, site.latitude, site.longitude)
    assert near.dot_degrees < before.dot_degrees
    after = near.zoomed(1 / factor, site.latitude, site.longitude)
    assert after.dot_degrees == pytest.approx(before.dot_degrees)
    assert after.latitude == pytest.approx(before.latitude, abs=1e-6)


def test_panning_there_and_back_shows_the_same() -> None:
    viewport = Viewport(53.0, 179.99, 0.01)
    after = viewport.panned(1, -1, 80, 20).panned(-1, 1, 80, 20)
    assert after.latitude == pytest.approx(53.0)
    assert after.longitude == pytest.approx(179.99, abs=0.2)
    assert Viewport(80.0, 0, 5.0).panned(0, -9, 80, 20).latitude <= 89


@given(st.lists(st.tuples(st.integers(-400, 400), st.integers(-400, 400)), min_size=2, max_size=2), sizes)
def test_what_is_clipped_is_within(ends: list[tuple[int, int]], size: tuple[int, int]) -> None:
    part = clip(ends[0], ends[1], *size)
    if all(0 <= x < size[0] and 0 <= y < size[1] for x, y in ends):
        assert part == (ends[0], ends[1])
    if part:
        for x, y in line_dots(*part):
            assert 0 <= x < size[0]
            assert 0 <= y < size[1]


@given(sites(), sizes, st.data())
def test_any_map_fits_its_room_and_names_few(found: list[Site], size: tuple[int, int], data: st.DataObject) -> None:
    width, height = size
    shown = FleetMap(found, data.draw(st.integers(0, len(found) - 1)), fit(found, width, height))
    lines = map_lines(shown, width, height)
    assert [sum(cell_len(text) for text, _role in line) for line in lines] == [width] * height
    below = site_lines(shown, size, 36, height)
    assert len(below) <= height
    assert all(sum(cell_len(text) for text, _role in line) <= 37 for line in below)
    plain = "".join(text_of(lines)).translate(ASCII_GLYPHS)
    assert not any(0x2800 <= ord(char) < 0x2900 for char in plain)


def test_links_are_drawn_in_dots_and_sites_over_them() -> None:
    shown = FleetMap(NORD, 0, fit(NORD, 60, 20))
    lines = map_lines(shown, 60, 20)
    roles = {role for line in lines for _text, role in line}
    text = "\n".join(text_of(lines))
    assert {"Kiel", "Hamburg", "Bremen"} <= set(text.split())
    assert text.count("◆") == 1
    assert "accent" in roles  # the link is that of the chosen one
    assert any(0x2800 < ord(char) < 0x2900 for char in text)
    assert "N▲" in text
    rows = {name: next(i for i, line in enumerate(text.splitlines()) if name in line) for name in ("Kiel", "Bremen")}
    assert rows["Kiel"] < rows["Bremen"]
    elsewhere = map_lines(FleetMap(NORD, 2, shown.viewport), 60, 20)
    assert "accent" not in {role for line in elsewhere for _text, role in line}


def test_at_most_so_many_names_stand_on_a_map() -> None:
    many = [Site(bytes([n]) * 16, f"name{n:03}", 50 + n / 10, 10 + (n * 7 % 60) / 5) for n in range(60)]
    text = "\n".join(text_of(map_lines(FleetMap(many, 0, fit(many, 200, 80)), 200, 80)))
    assert 5 < text.count("name") <= MAX_NAMES


def test_the_next_site_in_a_direction_is_the_near_one_there() -> None:
    assert neighbour(NORD, 0, 0, 1) == 1
    assert neighbour(NORD, 1, 0, -1) == 0
    assert neighbour(NORD, 1, -1, 0) == 2
    assert neighbour(NORD, 0, 0, -1) == 0
    alike = [KIEL, Site(b"2" * 16, "twin", KIEL.latitude, KIEL.longitude)]
    assert neighbour(alike, 0, 1, 0) == 0


def test_few_that_are_far_away_do_not_make_all_others_small() -> None:
    near = [Site(bytes([n]) * 16, str(n), 52 + n / 1000, 13 + n / 1000) for n in range(40)]
    far = Site(b"far" * 5 + b"!", "far", 10.0, 100.0)
    assert far not in core_of([*near, far])
    assert core_of(NORD) == NORD


def test_distances_and_directions_are_those_of_the_earth() -> None:
    assert distance_km(KIEL, HAMBURG) == pytest.approx(86.3, abs=1)
    assert direction(KIEL, HAMBURG) == 4
    assert direction(HAMBURG, KIEL) == 0
    assert direction(HAMBURG, BREMEN) == 5
    assert direction(Site(b"", "", 0, 179.9), Site(b"", "", 0, -179.9)) == 2
    assert [format_distance(each) for each in (0.2044, 3.44, 123.4, 20015)] == [
        "204 m",
        "3.4 km",
        "123 km",
        "20,015 km",
    ]


def test_what_is_no_degree_is_nowhere() -> None:
    assert parse_degrees("53.5", 90) == 53.5
    assert [parse_degrees(each, 90) for each in (None, "", "x", "91", "nan")] == [None] * 5


@given(degrees_north, degrees_east, st.floats(1e-7, 5), sizes)
def test_lines_of_degrees_stand_where_their_degrees_are(
    north: float, east: float, dot_degrees: float, size: tuple[int, int]
) -> None:
    viewport = Viewport(north, east, dot_degrees)
    graticule = make_graticule(viewport, *size)
    assert len({row for row, _label in graticule.rows}) == len(graticule.rows)
    assert all(0 <= column < size[0] and 0 <= row < size[1] for column, row in graticule.dots(*size))
    for row, label in graticule.rows:
        found = viewport.project(float(label), east, *size)[1] // DOTS_DOWN
        assert abs(found - row) <= 1


def test_lines_of_degrees_are_closer_the_nearer_one_looks() -> None:
    far, near = Viewport(53, 10, 0.02), Viewport(53, 10, 0.0005)
    assert [label for _row, label in make_graticule(far, 80, 24).rows] == ["53.5", "53.0", "52.5"][::-1]
    assert {len(label.partition(".")[2]) for _row, label in make_graticule(near, 80, 24).columns} == {2}


def test_degrees_are_written_at_the_edges_in_plain_glyphs_too() -> None:
    lines = text_of(map_lines(FleetMap(NORD, 0, fit(NORD, 80, 24)), 80, 24))
    assert sum(line.startswith((" 53.", " 54.")) for line in lines) >= 2, lines
    assert "10" in lines[-1], lines
    plain = "\n".join(lines).translate(ASCII_GLYPHS)
    assert all(ord(char) < 128 or char.isalpha() for char in plain if char != "\n")
