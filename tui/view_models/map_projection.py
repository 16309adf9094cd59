"""Where sites are on a map: projection, zoom, pan, and who is next to whom. Pure.

The projection is equirectangular around the middle of what is shown: a cell of text has 2 by 4 dots, which are about
square, and a dot has the same length in both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import asin, atan2, cos, degrees, radians, sin, sqrt

DOTS_ACROSS, DOTS_DOWN = 2, 4
"""Dots of a cell, as in a braille letter."""
METRES_PER_DEGREE = 111_320.0
MIN_DOT_DEGREES, MAX_DOT_DEGREES = 1e-7, 5.0
"""How much a dot may be: a centimetre, and so much that all of the earth fits into a few cells."""
_DEFAULT_DOT_DEGREES = 0.0005
"""About 50 metres: what is around a site that is alone."""
_MARGIN = 0.86
"""How much of the room is used where all is to be seen."""
ZOOM = 1.5
_PAN = 0.25
_MAX_LATITUDE = 89.0
_MIN_SITES_FOR_CORE, _OUTSIDE = 20, 0.08
"""So many sites there have to be before some are left out at first, and how many at each side."""
_EARTH_RADIUS_KM = 6371.0

Dot = tuple[int, int]
"""Columns and rows of dots from the top left."""


@dataclass(frozen=True, slots=True)
class Site:
    """What has coordinates.

    Attributes:
        entity: its id.
        title: what it is called.
        latitude: degrees north.
        longitude: degrees east.
        items: how much is to be resolved at it and below it, by type.
        differs: whether the device that is there, this one, differs from what is configured.
        links: the entities that it is linked with.
    """

    entity: bytes
    title: str
    latitude: float
    longitude: float
    items: tuple[tuple[str, int], ...] = ()
    differs: bool = False
    links: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewport:
    """What is shown: the middle in degrees, and how many degrees of latitude a dot is."""

    latitude: float = 0.0
    longitude: float = 0.0
    dot_degrees: float = _DEFAULT_DOT_DEGREES

    @property
    def shrink(self) -> float:
        """How much shorter a degree of longitude is than one of latitude."""
        return cos(radians(self.latitude))

    def project(self, latitude: float, longitude: float, width: int, height: int) -> Dot:
        """The dot of a place in so many cells; it may be outside of them."""
        east = (longitude - self.longitude + 180) % 360 - 180
        across = width * DOTS_ACROSS / 2 + east * self.shrink / self.dot_degrees
        down = height * DOTS_DOWN / 2 - (latitude - self.latitude) / self.dot_degrees
        return int(across // 1), int(down // 1)

    def zoomed(self, factor: float, latitude: float, longitude: float) -> Viewport:
        """Nearer by a factor, the middle moved towards a place."""
        dot_degrees = min(MAX_DOT_DEGREES, max(MIN_DOT_DEGREES, self.dot_degrees / factor))
        part = dot_degrees / self.dot_degrees
        east = (longitude - self.longitude + 180) % 360 - 180
        moved = self.longitude + east * (1 - part)
        return _valid(Viewport(self.latitude + (latitude - self.latitude) * (1 - part), moved, dot_degrees))

    def panned(self, right: int, down: int, width: int, height: int) -> Viewport:
        """Moved by a quarter of what is shown."""
        east = right * _PAN * width * DOTS_ACROSS * self.dot_degrees / self.shrink
        south = down * _PAN * height * DOTS_DOWN * self.dot_degrees
        return _valid(replace(self, latitude=self.latitude - south, longitude=self.longitude + east))

    def centred(self, site: Site) -> Viewport:
        """With a site in the middle."""
        return _valid(replace(self, latitude=site.latitude, longitude=site.longitude))

    def shows(self, site: Site, width: int, height: int) -> bool:
        """Whether a site is in so many cells."""
        across, down = self.project(site.latitude, site.longitude, width, height)
        return 0 <= across < width * DOTS_ACROSS and 0 <= down < height * DOTS_DOWN


def _valid(viewport: Viewport) -> Viewport:
    latitude = max(-_MAX_LATITUDE, min(_MAX_LATITUDE, viewport.latitude))
    return replace(viewport, latitude=latitude, longitude=(viewport.longitude + 180) % 360 - 180)


def parse_degrees(value: object, limit: float) -> float | None:
    """The degrees that a property says, None if it says none or more than there are."""
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if -limit <= found <= limit else None


def fit(sites: Sequence[Site], width: int, height: int) -> Viewport:
    """What shows all of these sites in so many cells."""
    if not sites:
        return Viewport()
    # From the first one on, so that sites on both sides of the 180th degree are beside each other.
    start = sites[0].longitude
    easts = [(site.longitude - start + 180) % 360 - 180 for site in sites]
    north, south = max(site.latitude for site in sites), min(site.latitude for site in sites)
    middle = _valid(Viewport((north + south) / 2, start + (max(easts) + min(easts)) / 2))
    across = (max(easts) - min(easts)) * cos(radians(middle.latitude)) / max(1, width * DOTS_ACROSS * _MARGIN)
    down = (north - south) / max(1, height * DOTS_DOWN * _MARGIN)
    wanted = max(across, down) or _DEFAULT_DOT_DEGREES
    return replace(middle, dot_degrees=min(MAX_DOT_DEGREES, max(MIN_DOT_DEGREES, wanted)))


def core_of(sites: Sequence[Site]) -> list[Site]:
    """The sites without the few that lie far outside and make all others small."""
    if len(sites) < _MIN_SITES_FOR_CORE:
        return list(sites)
    middle = sites[0].longitude
    norths = sorted(site.latitude for site in sites)
    easts = sorted((site.longitude - middle + 180) % 360 - 180 for site in sites)
    cut = round(len(sites) * _OUTSIDE)
    return [
        site
        for site in sites
        if norths[cut] <= site.latitude <= norths[-1 - cut]
        and easts[cut] <= (site.longitude - middle + 180) % 360 - 180 <= easts[-1 - cut]
    ]


def neighbour(sites: Sequence[Site], index: int, right: int, down: int) -> int:
    """The site that is next in a direction; the same one if there is none."""
    here = sites[index]
    shrink = cos(radians(here.latitude))
    best, found = 0.0, index
    for number, site in enumerate(sites):
        east = ((site.longitude - here.longitude + 180) % 360 - 180) * shrink
        south = here.latitude - site.latitude
        along, across = (east * right + south * down), abs(east * down) + abs(south * right)
        if along <= 0 or across > 2 * along:
            continue
        cost = along + 2 * across
        if found == index or cost < best:
            best, found = cost, number
    return found


def distance_km(one: Site, other: Site) -> float:
    """How far two sites are from each other, along the earth (haversine formula)."""
    latitudes = radians(one.latitude), radians(other.latitude)
    north, east = latitudes[1] - latitudes[0], radians(other.longitude - one.longitude)
    part = sin(north / 2) ** 2 + cos(latitudes[0]) * cos(latitudes[1]) * sin(east / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * asin(min(1.0, sqrt(part)))


def direction(one: Site, other: Site) -> int:
    """In which of eight directions the other site lies: 0 north, 1 north-east, …"""
    east = ((other.longitude - one.longitude + 180) % 360 - 180) * cos(radians(one.latitude))
    return round(degrees(atan2(east, other.latitude - one.latitude)) / 45) % 8


def clip(start: Dot, end: Dot, width: int, height: int) -> tuple[Dot, Dot] | None:
    """The part of a line within so many dots, None for none (Liang and Barsky)."""
    across, down = end[0] - start[0], end[1] - start[1]
    first, last = 0.0, 1.0
    edges = (
        (-across, start[0]),
        (across, width - 1 - start[0]),
        (-down, start[1]),
        (down, height - 1 - start[1]),
    )
    for step, room in edges:
        if step == 0:
            if room < 0:
                return None
            continue
        part = room / step
        if step < 0:
            first = max(first, part)
        else:
            last = min(last, part)
    if first > last:
        return None

    def at(part: float) -> Dot:
        x, y = round(start[0] + part * across), round(start[1] + part * down)
        return max(0, min(width - 1, x)), max(0, min(height - 1, y))

    return at(first), at(last)


def line_dots(start: Dot, end: Dot) -> list[Dot]:
    """The dots of a line, both ends included."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    if steps == 0:
        return [start]
    return [
        (
            start[0] + round((end[0] - start[0]) * step / steps),
            start[1] + round((end[1] - start[1]) * step / steps),
        )
        for step in range(steps + 1)
    ]
