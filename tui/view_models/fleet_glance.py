"""Who holds what, at a glance: words, bars and a table for Sync and Devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len

from core.service.cable_log import CableSession, read_cable_sessions
from core.store.queries.activity import Arrival, read_arrivals, read_daily_counts
from core.workspace.holdings import FleetHoldings, read_fleet_holdings
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, format_number, ngettext
from tui.layout import Column, Line, cut, fit, fit_line, layout_columns, rule_line, wrap_text
from tui.view_models.cable_quality import quality_lines, quality_text
from tui.view_models.pane_columns import Part
from tui.view_models.sparkline import bar, sparkline

if TYPE_CHECKING:
    from core.workspace import Workspace

SHOWN_DAYS = 14
"""Days of the picture of how busy a device was: two weeks, a column a day."""
LINK_LABELS = {"tcp": N_("network"), "serial": N_("cable"), "bundle": N_("file")}
MAX_BAR_COLUMNS = 40
"""How long a bar gets: a longer one says nothing more."""
_QUARTER_US = 900_000_000
MAX_ARRIVALS = 30
"""Arrivals that are read: more have no room on any screen."""
_COUNT_COLUMNS = 5
_MIN_TABLE_DEVICES, _MIN_TABLE_LINES = 2, 6


@dataclass(frozen=True, slots=True)
class FleetGlance:
    """What is known of the devices of the fleet.

    Attributes:
        me: this device.
        devices: the active ones: this one, then those of which something is known, then the others.
        names: device to name.
        holdings: who holds what.
        daily: device to its changes in each of the last days; devices without any are left out.
        cables: device to the last sessions with it over a cable, the latest first.
        arrivals: what came from elsewhere lately, the latest first.
    """

    me: bytes = b""
    devices: Sequence[bytes] = ()
    names: Mapping[bytes, str] = field(default_factory=dict)
    holdings: FleetHoldings = field(default_factory=FleetHoldings)
    daily: Mapping[bytes, Sequence[int]] = field(default_factory=dict)
    arrivals: Sequence[Arrival] = ()
    cables: Mapping[bytes, Sequence[CableSession]] = field(default_factory=dict)

    @property
    def busiest(self) -> int:
        """The most changes that a device made on one of the days."""
        return max((count for counts in self.daily.values() for count in counts), default=0)

    def name(self, device: bytes) -> str:
        """What a device is called."""
        return self.names.get(device) or device.hex()[:8]

    def missing(self, device: bytes) -> int | None:
        """How many changes a device is not known to hold; None if nothing is known."""
        if device == self.me:
            return 0
        return self.holdings.count_missing(device) if self.holdings.is_known(device) else None

    def sparkline(self, device: bytes) -> str:
        """How busy a device was, on the same scale as the others."""
        return sparkline(self.daily.get(device, [0] * SHOWN_DAYS), self.busiest)


async def read_glance(workspace: Workspace, names: Mapping[bytes, str], now_us: int) -> FleetGlance:
    """Read what is known of the devices of the fleet."""
    holdings = await read_fleet_holdings(workspace)
    daily = await workspace.store.run(lambda connection: read_daily_counts(connection, now_us, SHOWN_DAYS))
    me = workspace.identity.device
    members = [each for each in (await workspace.membership()).members.values() if each.state == "active"]

    def rank(device: bytes) -> tuple[bool, bool, str]:
        return device != me, not holdings.is_known(device), (names.get(device) or device.hex()).casefold()

    devices = sorted((each.device for each in members), key=rank)
    arrivals = await workspace.store.run(lambda connection: read_arrivals(connection, MAX_ARRIVALS))
    cables: dict[bytes, list[CableSession]] = {}
    for each in await read_cable_sessions(workspace.store):
        cables.setdefault(each.peer, []).append(each)
    return FleetGlance(me, devices, names, holdings, daily, arrivals, cables)


def holds_text(missing: int | None) -> tuple[str, str]:
    """How much a device holds of what is here, in two words, and their role."""
    if missing is None:
        return _("not known"), "dim"
    if missing == 0:
        return _("everything"), "plain"
    return ngettext("behind by {count}", "behind by {count}", missing), "attention"


def holds_sentences(glance: FleetGlance, device: bytes, dates: DateFormatter) -> list[tuple[str, str]]:
    """What a device holds of what is here, in sentences with their roles."""
    missing, contact = glance.missing(device), glance.holdings.contacts.get(device)
    if device == glance.me or missing is None:
        return []
    when = dates.dated(contact.at_us) if contact else ""
    if missing == 0:
        text = _("It has everything up to {when}.") if when else _("It has everything, as others report.")
        return [(text.format(when=when), "plain")]
    text = ngettext(
        "It is behind by {count} change, as far as is known here.",
        "It is behind by {count} changes, as far as is known here.",
        missing,
    )
    more = [(_("It had everything up to {when}.").format(when=when), "plain")] if when else []
    return [(text, "attention"), *more]


def held_bar(held: int, total: int, width: int) -> Line:
    """A bar of what is held, with the rest, however little it is, in amber."""
    part = width if held >= total else min(width - 1, width * held // max(1, total))
    return [("━" * part, "tint"), ("━" * (width - part), "attention")]


def glance_bar(glance: FleetGlance, device: bytes, width: int) -> Line:
    """A bar of what a device holds of all that is here; empty if that is not known."""
    missing, total = glance.missing(device), sum(glance.holdings.counts.values())
    return [(" " * width, "plain")] if missing is None else held_bar(total - missing, total, width)


def reached_lines(glance: FleetGlance, chain: bytes, width: int, height: int) -> list[Line]:
    """A line for each other device: how many of one's changes have reached it."""
    total = glance.holdings.counts.get(chain, 0)
    others = [each for each in glance.devices if each not in (chain, glance.me)]
    if not total or not others or height < 1:
        return []
    name = min(12, max(cell_len(glance.name(each)) for each in others))
    lines: list[Line] = []
    for each in others[:height]:
        if not glance.holdings.is_known(each):
            lines.append([(f" {fit(glance.name(each), name)}  ", "value"), (_("not known"), "dim")])
            continue
        held = min(total, glance.holdings.held.get((each, chain), 0))
        template = _("{count} of {total}")
        text = template.format(count=format_number(held), total=format_number(total))
        drawn = held_bar(held, total, max(4, min(MAX_BAR_COLUMNS, width - name - 17)))
        role = "plain" if held == total else "attention"
        title = (f" {fit(glance.name(each), name)}  ", "value")
        lines.append(fit_line([title, *drawn, (fit(text, 13, right=True), role)], width))
    return lines


def table_lines(glance: FleetGlance, width: int, height: int) -> list[Line]:
    """A table of who holds whose changes, with a row a maker, a column a holder."""
    devices = glance.devices
    name = min(10, max((cell_len(glance.name(each)) for each in devices), default=0))
    fitting = (width - name - 9) // (_COUNT_COLUMNS + 1)
    holders, makers = devices[:fitting], devices[: max(0, height - 4)]
    if min(len(devices), len(holders), len(makers)) < _MIN_TABLE_DEVICES:
        return []
    lines: list[Line] = [rule_line(width, [(_("Who holds whose changes"), "strong")])]
    heads = [Column(cut(glance.name(each), _COUNT_COLUMNS), _COUNT_COLUMNS, "dim", right=True) for each in holders]
    lines.append([("  ", "plain"), *layout_columns(width - 2, [Column(_("made by"), name + 6, "dim"), *heads])])
    for maker in makers:
        count = glance.holdings.counts.get(maker)
        made = Column(format_number(count) if count is not None else "", 5, "plain", right=True)
        cells = [_table_cell(glance, maker, holder) for holder in holders]
        lines.append(
            [("  ", "plain"), *layout_columns(width - 2, [Column(glance.name(maker), name, "value"), made, *cells])]
        )
    missing = [glance.missing(holder) for holder in holders]
    if any(missing):
        sums = [
            Column(format_number(each) if each else "", _COUNT_COLUMNS, "attention", right=True) for each in missing
        ]
        lines.append([("  ", "plain"), *layout_columns(width - 2, [Column(_("missing"), name + 6, "dim"), *sums])])
    lines.append([("  ", "plain"), (_("· has them all   ? not known"), "dim")])
    return lines


def busy_line(quarters: Sequence[tuple[int, int]], now_us: int, width: int) -> str:
    """Draw how busy a device was from its first change to now.

    `quarters` are the numbers of quarters of an hour since 1970 UTC, and the changes in each.
    """
    if not quarters or width < 1:
        return ""
    first = min(number for number, _count in quarters)
    span = max(1, now_us // _QUARTER_US - first + 1)
    counts = [0] * width
    for number, count in quarters:
        counts[min(width - 1, max(0, (number - first) * width // span))] += count
    return sparkline(counts)


def people_lines(people: Sequence[tuple[str, int]], width: int, height: int) -> list[Line]:
    """A head, and a bar for each person: how many changes they made."""
    if not people or height < 3:
        return []
    total = sum(count for _name, count in people)
    left: Line = [(_("Changes by person"), "strong"), (f"  {format_number(total)}", "dim")]
    lines: list[Line] = [rule_line(width, left)]
    room = height - 1 - (len(people) > height - 1)
    name = min(16, max(cell_len(each) for each, _count in people[:room]))
    for each, count in people[:room]:
        columns = max(4, min(MAX_BAR_COLUMNS, width - name - 14))
        cells = layout_columns(name + 3, [Column("", 1), Column(each, name + 1, "value")])
        drawn = (bar(count, people[0][1], columns), "tint")
        lines.append(fit_line([*cells, (" ", "plain"), drawn, (f" {format_number(count)}", "value")], width))
    if len(people) > room:
        lines.append([("  ", "plain"), (_("and {count} more").format(count=format_number(len(people) - room)), "dim")])
    return lines


def people_summary_lines(glance: FleetGlance, people: Sequence[tuple[str, int]], width: int, height: int) -> list[Line]:
    """Draw who wrote how much and, where there is room, who holds whose changes."""
    lines: list[Line] = [[], *people_lines(people, width, min(12, height - 1))]
    room = height - len(lines) - 1
    return [*lines, [], *table_lines(glance, width, room)] if room >= _MIN_TABLE_LINES else lines


def arrival_lines(glance: FleetGlance, dates: DateFormatter, width: int, height: int) -> list[Line]:
    """A head, and a line for what came at about the same time.

    When, from whom, over what and how much.
    """
    if not glance.arrivals or height < 3:
        return []
    lines: list[Line] = [rule_line(width, [(_("Received lately"), "strong")])]
    for each in glance.arrivals[: height - 1]:
        cells = [
            Column(dates.short(each.at_us), 11, "dim"),
            Column(glance.name(each.device) if each.device else _("files"), 12, "value"),
            Column(_(LINK_LABELS.get(each.link, each.link)), 10, "dim"),
            Column(ngettext("{count} change", "{count} changes", each.count), None, "plain"),
        ]
        lines.append([("  ", "plain"), *layout_columns(width - 3, cells)])
    return lines


def cable_sentences(glance: FleetGlance, device: bytes | None) -> list[tuple[str, str]]:
    """How good the cable to a device was, in a sentence with its role."""
    text = quality_text(glance.cables.get(device or b"", ()))
    return [(text, "plain")] if text else []


def device_parts(glance: FleetGlance, device: bytes | None, dates: DateFormatter) -> list[Part]:
    """The parts of a pane about the cable to a device, and whom changes reached.

    Those of the device, and of this one.
    """

    def draw(chain: bytes, title: str, limit: int) -> Part:
        def draw_part(width: int, height: int) -> list[Line]:
            lines = reached_lines(glance, chain, width, min(limit, height - 1))
            return [rule_line(width + 1, [(title, "strong")])[1:], *lines] if lines else []

        return draw_part

    parts = [draw(glance.me, _("Changes of this device have reached"), 12)]
    if device is not None and device in glance.devices:
        parts.insert(0, draw(device, _("Its changes have reached"), 8))
    sessions = glance.cables.get(device or b"", ())
    return [lambda width, height: quality_lines(sessions, dates, width, height), *parts]


def summary_lines(
    glance: FleetGlance, outcomes: Sequence[tuple[str, str]], dates: DateFormatter, width: int, height: int
) -> list[Line]:
    """Draw who holds whose changes, what came of syncs, and what was received lately.

    Args:
        glance: what is known of the devices.
        outcomes: time and sentence of each sync, the latest last.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    lines: list[Line] = [[], *table_lines(glance, width, height - 1)]
    if outcomes and height - len(lines) > 3:
        lines += [[], rule_line(width, [(_("Sessions"), "strong")])]
        for time, outcome in reversed(outcomes):
            for index, text in enumerate(wrap_text(outcome, width - 15)):
                cells = [Column("" if index else time, 11, "dim"), Column(text, None, "plain")]
                lines.append([("  ", "plain"), *layout_columns(width - 3, cells)])
    lines += [[], *arrival_lines(glance, dates, width, height - len(lines) - 1)]
    return lines[:height]


def _table_cell(glance: FleetGlance, maker: bytes, holder: bytes) -> Column:
    text, role = "·", "dim"
    if maker == holder:
        text = "–"
    elif holder != glance.me and not glance.holdings.is_known(holder):
        text = "?"
    elif holder != glance.me and (missing := glance.holdings.count_missing(holder, [maker])):
        text, role = format_number(missing), "attention"
    return Column(text, _COUNT_COLUMNS, role, right=True)
