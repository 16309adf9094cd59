"""Map: the sites of a fleet, and the cursor that goes from one to the next."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from random import Random

import pytest
from syrupy.assertion import SnapshotAssertion

from core.schema_toml import load_builtin_schema
from core.value_codec import Ref
from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tui.app_status import Options
from tui.i18n.translate import set_language
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen
from tui.screens.map import Map

SIZES = {"80x24": SMALL, "120x40": LARGE}
SITES = (
    ("kiel", "TSC Kiel", "54.3233", "10.1228", "2001:db8:1::/48"),
    ("luebeck", "TSC Lübeck", "53.8655", "10.6866", "2001:db8:2::/48"),
    ("hamburg", "TSC Hamburg", "53.5511", "9.9937", "2001:db8:3::/48"),
    ("bremen", "TSC Bremen", "53.0793", "8.8017", "2001:db8:3:1::/64"),
    ("hannover", "TSC Hannover", "52.3759", "9.7320", "2001:db8:5::/48"),
)
LINKS = {"hamburg": ("kiel", "luebeck", "bremen"), "hannover": ("bremen", "hamburg")}


@pytest.fixture
async def sites(tmp_path: Path) -> Path:
    """The home of a device: five sites, two of whose networks overlap, and a depot."""
    home = tmp_path / "K1"
    async with await Workspace.init(
        home,
        user="Maier",
        fleet_name="Nord",
        schema=load_builtin_schema("site-network"),
        device_name="K1",
        clock=lambda: NOW,
        entropy=Random(1).randbytes,
    ) as workspace:
        ids = {}
        for key, name, north, east, network in SITES:
            values = {"key": key, "code": key[:4], "location_nice": name, "latitude": north, "longitude": east}
            ids[key] = (await workspace.create("site", {**values, "ipv6_prefix": network})).entity
        await workspace.create("site", {"key": "depot", "code": "depo", "location_nice": "Depot"})
        for key, others in LINKS.items():
            shown = await workspace.record(ids[key])
            await workspace.set(shown, {"links": tuple(Ref(ids[each]) for each in others)})
    return home


def shown_site(screen: Screen) -> str:
    page = screen.app.screen
    assert isinstance(page, Map)
    assert page.map.site
    return page.map.site.title


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("size", SIZES)
async def test_a_map(sites: Path, picture: SnapshotAssertion, size: str, language: str) -> None:
    set_language(language)
    async with opened(sites, "2", "M", "tab", size=SIZES[size]) as screen:
        assert screen.screenshot() == picture


async def test_a_map_in_ascii(sites: Path, picture: SnapshotAssertion) -> None:
    async with opened(sites, "2", "M", size=LARGE, options=Options(plain=True, zone=UTC)) as screen:
        assert screen.screenshot() == picture


async def test_the_cursor_goes_from_site_to_site_and_enter_opens_it(sites: Path) -> None:
    async with opened(sites, "M") as screen:
        assert shown_site(screen) == "TSC Bremen"
        await screen.press("tab")
        assert shown_site(screen) == "TSC Hamburg"
        await screen.press("n", "shift+tab")
        assert shown_site(screen) == "TSC Hamburg"
        await screen.press("up")
        assert shown_site(screen) == "TSC Kiel"
        await screen.press("up")
        assert shown_site(screen) == "TSC Kiel"
        await screen.press("j", "l")
        assert shown_site(screen) == "TSC Lübeck"
        await screen.press("enter")
        assert isinstance(screen.app.screen, FormScreen)
        assert "TSC Lübeck" in screen.text()
        await screen.press("escape")
        assert shown_site(screen) == "TSC Lübeck"
        await screen.press("escape")
        assert isinstance(screen.app.screen, Fleet)


async def test_it_is_looked_at_from_nearer_and_moved(sites: Path) -> None:
    async with opened(sites, "M", size=LARGE) as screen:
        page = screen.app.screen
        assert isinstance(page, Map)
        assert "5 of 5 in view" in screen.text()
        await screen.press(*["plus"] * 6)
        assert "5 of 5 in view" not in screen.text()
        before = page.map.viewport
        await screen.press("shift+left", "shift+up")
        assert page.map.viewport.longitude < before.longitude
        assert page.map.viewport.latitude > before.latitude
        # Who goes to a site that is not in sight sees it.
        await screen.press("tab")
        assert shown_site(screen) in screen.text()
        await screen.press("0")
        assert "5 of 5 in view" in screen.text()


async def test_a_fleet_without_coordinates_says_so(tmp_path: Path) -> None:
    schema = load_builtin_schema("service-centre")
    async with await Workspace.init(tmp_path / "K1", user="Maier", fleet_name="Nord", schema=schema, device_name="K1"):
        pass
    async with opened(tmp_path / "K1", "4", "M") as screen:
        assert "schema has coordinates" in " ".join(screen.text().split())
        await screen.press("escape")
        assert isinstance(screen.app.screen, Fleet)
