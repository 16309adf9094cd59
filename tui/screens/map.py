"""The map: all that has coordinates, what links it, and what needs a look."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container

from tui.command_host import command_bindings
from tui.i18n.translate import _, language
from tui.layout import Line, rule_line, wrap_text
from tui.screens.base import BaseScreen
from tui.view_models.map_canvas import FleetMap, map_lines, site_lines
from tui.view_models.map_projection import ZOOM, Site, core_of, fit, neighbour
from tui.view_models.map_reader import map_kinds, read_sites
from tui.widgets.lines import Lines


class Map(BaseScreen):
    """The sites of the fleet on a map, with a cursor that goes from one to the next."""

    TAB = "fleet"
    SCOPES = ("map",)
    BINDINGS = command_bindings("map")
    CSS = """
    Map #details { height: 3; }
    Map.-tall #details { height: 12; }
    Map.-panes #left, Map.-wide-panes #left { width: 1fr; }
    Map.-panes #right, Map.-wide-panes #right { width: 38; }
    Map #map { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.map = FleetMap()
        self._is_fitted = False

    def breadcrumb(self) -> str:
        kinds = map_kinds(self.state.schema)
        what = kinds[0].plural(language()) if kinds else ""
        return " › ".join(part for part in (_("Fleet"), _("Map of {what}").format(what=what)) if part)

    def content(self) -> ComposeResult:
        with Container(id="panes"):
            with Container(id="left"):
                yield Lines(self._draw_map, id="map")
            yield Lines(lambda _width, height: [[(" │", "line")]] * height, id="divider")
            with Container(id="right"):
                yield Lines(lambda width, _height: [self._caption(width)], id="details-title")
                yield Lines(self._draw_details, id="details")

    # --- what is shown -----------------------------------------------------------------------------------------------

    async def reload_content(self) -> None:
        state = self.state
        differing = state.here if state.equipment_monitor.differing_count else None
        sites = await read_sites(state.view, state.schema, state.inbox_items.keys, differing)
        wanted = self.map.site.entity if self.map.site else state.here
        index = next((number for number, site in enumerate(sites) if site.entity == wanted), 0)
        self.map.sites, self.map.index = sites, index
        self._redraw_map()

    def on_inbox_changed(self) -> None:
        self.refresh_data()

    @property
    def _map_size(self) -> tuple[int, int]:
        size = self.query_one("#map", Lines).size
        return max(1, size.width), max(1, size.height)

    def _fit_once(self) -> None:
        """Show all, the first time.

        Only who draws knows the size of the map, and sites may come before it.
        """
        site = self.map.site
        if site is None or self._is_fitted or not self.query_one("#map", Lines).size:
            return
        self._is_fitted = True
        viewport = fit(core_of(self.map.sites), *self._map_size)
        self.map.viewport = viewport if viewport.shows(site, *self._map_size) else viewport.centred(site)

    def _draw_map(self, width: int, height: int) -> list[Line]:
        self._fit_once()
        if self.map.sites:
            return map_lines(self.map, width, height)
        text = self._empty_text() if self._read_for is not None else ""
        return [[("   ", "plain"), (line, "plain")] for line in wrap_text(text, width - 6)]

    def _empty_text(self) -> str:
        if map_kinds(self.state.schema):
            return _("Nothing here has coordinates yet: Esc goes back.")
        return _("No kind of this fleet's schema has coordinates, which are the properties latitude and longitude.")

    def _caption(self, width: int) -> Line:
        site = self.map.site
        if site is None:
            return []
        return rule_line(width, [(site.title, "strong")])

    def _draw_details(self, width: int, height: int) -> list[Line]:
        self._fit_once()
        lines = site_lines(self.map, self._map_size, width - 2, height)
        return [[(" ", "plain"), *line] for line in lines]

    # --- commands ----------------------------------------------------------------------------------------------------

    def screen_disabled_reason(self, name: str) -> str | None:
        if name != "back" and not self.map.sites:
            return self._empty_text()
        if name in ("next_item", "item_before") and not any(map(_is_marked, self.map.sites)):
            return _("Nothing on the map is to be resolved.")
        return None

    def do_open(self) -> None:
        """Open the form of the site under the cursor."""
        from tui.screens.form import FormScreen

        if site := self.map.site:
            self.open_dialog(FormScreen(site.entity))

    def do_back(self) -> None:
        """Go back to Fleet."""
        self.state.action_command("fleet")

    def do_west(self) -> None:
        """Go to the next site at the left."""
        self._go(-1, 0)

    def do_east(self) -> None:
        """Go to the next site at the right."""
        self._go(1, 0)

    def do_north(self) -> None:
        """Go to the next site above."""
        self._go(0, -1)

    def do_south(self) -> None:
        """Go to the next site below."""
        self._go(0, 1)

    def do_next_item(self) -> None:
        """Go to the next site where something is to be resolved."""
        self._go_to_marked(1)

    def do_item_before(self) -> None:
        """Go to the one before, where something is to be resolved."""
        self._go_to_marked(-1)

    def do_pan_west(self) -> None:
        """Show more of what is at the left."""
        self._pan(-1, 0)

    def do_pan_east(self) -> None:
        """Show more of what is at the right."""
        self._pan(1, 0)

    def do_pan_north(self) -> None:
        """Show more of what is above."""
        self._pan(0, -1)

    def do_pan_south(self) -> None:
        """Show more of what is below."""
        self._pan(0, 1)

    def do_zoom_in(self) -> None:
        """Look from nearer."""
        self._zoom(ZOOM)

    def do_zoom_out(self) -> None:
        """Look from farther."""
        self._zoom(1 / ZOOM)

    def do_whole(self) -> None:
        """Show all sites."""
        self.map.viewport = fit(self.map.sites, *self._map_size)
        self._redraw_map()

    def _go(self, right: int, down: int) -> None:
        self._select(neighbour(self.map.sites, self.map.index, right, down))

    def _go_to_marked(self, step: int) -> None:
        count = len(self.map.sites)
        order = [(self.map.index + step * number) % count for number in range(1, count + 1)]
        self._select(next(index for index in order if _is_marked(self.map.sites[index])))

    def _select(self, index: int) -> None:
        self.map.index = index
        site = self.map.sites[index]
        if not self.map.viewport.shows(site, *self._map_size):
            self.map.viewport = self.map.viewport.centred(site)
        self._redraw_map()

    def _pan(self, right: int, down: int) -> None:
        self.map.viewport = self.map.viewport.panned(right, down, *self._map_size)
        self._redraw_map()

    def _zoom(self, factor: float) -> None:
        if site := self.map.site:
            self.map.viewport = self.map.viewport.zoomed(factor, site.latitude, site.longitude)
            self._redraw_map()

    def _redraw_map(self) -> None:
        for lines in self.query(Lines):
            lines.redraw()


def _is_marked(site: Site) -> bool:
    return bool(site.items or site.differs)
