"""What `serve` tells of the place where it is.

Arrived, left, applied, differs, as objects for its event lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.equipment.inspection import Inspector
from core.equipment.location import Location
from core.equipment.watch import Applied, Arrived, EquipmentEvent, Failed, Inspected, Left, Surrounding, watch
from core.workspace import Workspace
from tui.cli.formatting import Formatter
from tui.cli.place import inspection_formatter, location_json, state_json, steps_json
from tui.i18n.translate import error_text

DIFFERING = ("differs", "error")


async def watch_equipment(
    workspace: Workspace, surrounding: Surrounding, print_event: Callable[[dict[str, Any]], None]
) -> None:
    """Follow where this device is until cancelled, and set it up on arrival.

    Where its settings say so.
    """
    differing: list[dict[str, Any]] = []
    with surrounding:
        async for event in watch(Inspector(workspace), surrounding):
            if isinstance(event, Inspected):
                found = await _differing(workspace, event)
                if found != differing:
                    where = await _location(workspace, event.inspection.location)
                    print_event({"event": "differs", "place": where["place"], "properties": found})
                differing = found
            else:
                print_event(await _event_json(workspace, event))


async def _differing(workspace: Workspace, event: Inspected) -> list[dict[str, Any]]:
    states = [state for state in event.inspection.states if state.verdict in DIFFERING]
    if not states:
        return []
    formatter = await inspection_formatter(workspace, event.inspection)
    return [state_json(state, formatter) for state in states]


async def _event_json(workspace: Workspace, event: EquipmentEvent) -> dict[str, Any]:
    if isinstance(event, Arrived):
        return {"event": "arrived", **await _location(workspace, event.location)}
    if isinstance(event, Left):
        return {"event": "left", "place": (await _location(workspace, Location(place=event.place)))["place"]}
    if isinstance(event, Applied):
        where = await _location(workspace, event.location)
        return {"event": "applied", "place": where["place"], "steps": steps_json(event.steps)}
    assert isinstance(event, Failed)  # noqa: S101 - for the types: what is inspected is told above
    return {"event": "failed", "message": error_text(event.problem), "link": "equipment", "peer": None}


async def _location(workspace: Workspace, found: Location) -> dict[str, Any]:
    formatter = await Formatter.create(workspace)
    await formatter.load_names([entity for entity in (found.place, found.locality) if entity is not None])
    return location_json(found, formatter)
