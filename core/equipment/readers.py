"""What this device has now.

A property's value by its rule, from a file, a command or what is built in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from core.equipment import cups, process, template_file
from core.equipment.evidence import Interface, UsbDevice
from core.equipment.location import normalise_mark, usb_model
from core.equipment.settings import CUPS_DEFAULT, DOCKING_STATION, CommandReader, FileReader, Reader, Rule
from core.errors import FieldlineError
from core.values import quote_value

MAX_VALUE_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What built-in readers look at.

    `known_docks` are the docking stations of the fleet, normalised.
    """

    interfaces: tuple[Interface, ...] = ()
    usb: tuple[UsbDevice, ...] = ()
    known_docks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """A value, None where there is none.

    `override` is what stands against it on this device, told to people.
    """

    value: str | None
    override: FieldlineError | None = None


async def read_property(rule: Rule, around: Surroundings, folder: Path) -> Reading | None:
    """What this device has of a property; None if nothing says how that is read.

    Raises FieldlineError.
    """
    if rule.builtin == CUPS_DEFAULT:
        value, override = await cups.read_default(), await asyncio.to_thread(cups.user_override)
        if override is not None and override[1] != value:
            return Reading(override[1], cups.override_problem(*override))
        return Reading(value)
    if rule.builtin == DOCKING_STATION:
        return Reading(own_docking_station(around))
    if rule.builtin is not None:
        return Reading(own_subnet(around))
    return None if rule.read is None else Reading(await read_value(rule.read, folder))


async def read_value(reader: Reader, folder: Path) -> str | None:
    """What a file holds or a command prints, None where it is nothing.

    Raises FieldlineError.
    """
    if isinstance(reader, FileReader):
        text = await asyncio.to_thread(template_file.read_text, folder / reader.path)
    else:
        text = await _command_text(reader, folder)
    if text is not None and reader.pattern is not None:
        found = reader.pattern.search(text)
        text = (found[1] if found.re.groups else found[0]) if found else None
    text = (text or "").strip()
    if len(text) > MAX_VALUE_CHARS:
        raise FieldlineError("What was read is longer than {limit} characters: narrow it down.", limit=MAX_VALUE_CHARS)
    return text or None


async def _command_text(reader: CommandReader, folder: Path) -> str:
    output = await process.run(reader.argv, timeout_s=reader.timeout_s, folder=folder)
    if problem := process.exit_problem(reader.argv, output):
        raise problem
    if output.is_truncated:
        raise FieldlineError("{command} prints too much to be a value.", command=quote_value(reader.argv[0]))
    return output.text


def own_docking_station(around: Surroundings) -> str | None:
    """The docking station that this device is in.

    One that the fleet knows, else one of a model that it knows or that calls itself a dock, else the only one with a
    serial number. Raises FieldlineError if there are several.
    """
    devices = [
        (normalise_mark("docking-station", each.mark), each) for each in around.usb if each.serial or not each.is_hub
    ]
    models = {usb_model(mark) for mark in around.known_docks}
    for chosen in (
        [each for mark, each in devices if mark in around.known_docks],
        [each for mark, each in devices if usb_model(mark) in models and each.serial],
        [each for _, each in devices if "dock" in each.title.lower()],
        [each for _, each in devices if each.serial],
    ):
        marks = sorted({each.mark for each in chosen})
        if len(chosen) == 1:
            return marks[0]
        if chosen:
            raise FieldlineError(
                "Several devices could be the docking station: {values}. Type the right one.",
                values=", ".join(map(quote_value, marks[:4])),
            )
    return None


def own_subnet(around: Surroundings) -> str | None:
    """The network of this device's only address; IPv4 first.

    Raises FieldlineError if there are several.
    """
    addresses = [address for each in around.interfaces for address in each.addresses]
    for version in (4, 6):
        networks = sorted({str(each.network) for each in addresses if each.version == version})
        if len(networks) > 1:
            raise FieldlineError(
                "This device is in several networks: {values}. Type the right one.", values=", ".join(networks[:4])
            )
        if networks:
            return networks[0]
    return None
