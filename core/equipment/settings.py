"""What `settings.toml` says of this device's place and equipment.

`[place]` and `[equipment.PROPERTY]`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import FieldlineError, Refused

DEFAULT_TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 300.0
"""Nobody waits longer for a device to set itself up; work that takes longer belongs to a service of the device."""
DEFAULT_INTERVAL_S = 30.0
MIN_INTERVAL_S = 1.0

CUPS_DEFAULT, DOCKING_STATION, SUBNET, MAC, DMI = "cups-default", "docking-station", "subnet", "mac", "dmi"
BUILT_IN_READERS = (CUPS_DEFAULT, DOCKING_STATION, SUBNET)
BUILT_IN_EVIDENCE = (DOCKING_STATION, MAC, DMI)

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileReader:
    """A value in a file: the first group of the pattern, else the whole text."""

    path: str
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class CommandReader:
    """A value that a command prints."""

    argv: Argv
    timeout_s: float = DEFAULT_TIMEOUT_S
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class CommandWriter:
    """A command that sets a value, which is one element of its argv."""

    argv: Argv
    then: tuple[Argv, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S
    allowed: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class TemplateWriter:
    """A file that is made from a template."""

    template: str
    target: str
    then: tuple[Argv, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S
    allowed: re.Pattern[str] | None = None


Reader = FileReader | CommandReader
Writer = CommandWriter | TemplateWriter


@dataclass(frozen=True, slots=True)
class Rule:
    """How one property of this device is read and set.

    `problem` says why its settings cannot be used.
    """

    property: str
    builtin: str | None = None
    read: Reader | None = None
    write: Writer | None = None
    problem: FieldlineError | None = None


@dataclass(frozen=True, slots=True)
class EquipmentSettings:
    """All that the settings say.

    `evidence` says by property how a place is known: a built-in name or a reader.
    """

    apply_on_arrival: bool = False
    interval_s: float = DEFAULT_INTERVAL_S
    interfaces: tuple[str, ...] = ()
    evidence: Mapping[str, str | Reader] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)


def parse_settings(settings: Mapping[str, Any]) -> EquipmentSettings:
    """The settings of place and equipment.

    Raises Refused for what `[place]` cannot be.

    What is wrong with one property is told with that property, and the others go on working.
    """
    place = parse_table(settings.get("place", {}), "place", ("apply_on_arrival", "interval", "interfaces", "evidence"))
    arrival = place.get("apply_on_arrival", False)
    if not isinstance(arrival, bool):
        raise Refused("settings.toml: {path} must be true or false.", path="place.apply_on_arrival")
    evidence = {
        name: _evidence(value, f"place.evidence.{name}")
        for name, value in parse_table(place.get("evidence", {}), "place.evidence").items()
    }
    equipment = parse_table(settings.get("equipment", {}), "equipment")
    return EquipmentSettings(
        arrival,
        parse_seconds(place, "interval", "place.interval", DEFAULT_INTERVAL_S, MIN_INTERVAL_S, 86_400.0),
        parse_texts(place.get("interfaces", []), "place.interfaces", may_be_empty=True),
        evidence,
        {name: _rule(name, value) for name, value in equipment.items()},
    )


def _evidence(value: Any, path: str) -> str | Reader:
    if value in BUILT_IN_EVIDENCE:
        return str(value)
    if not isinstance(value, dict):
        raise Refused(
            "settings.toml: {path} must be one of {names}, or a table with file or command.",
            path=path,
            names=", ".join(BUILT_IN_EVIDENCE),
        )
    return _reader(value, path)


def _rule(name: str, value: Any) -> Rule:
    path = f"equipment.{name}"
    try:
        table = parse_table(value, path, ("with", "read", "apply"))
        builtin = table.get("with")
        if builtin is not None:
            if builtin not in BUILT_IN_READERS:
                raise Refused(
                    "settings.toml: {path} must be one of {names}.",
                    path=f"{path}.with",
                    names=", ".join(BUILT_IN_READERS),
                )
            if len(table) > 1:
                raise Refused("settings.toml: {path} has with, so it takes neither read nor apply.", path=path)
            return Rule(name, builtin)
        if not table:
            raise Refused("settings.toml: {path} needs with, read or apply.", path=path)
        read = _reader(table["read"], f"{path}.read") if "read" in table else None
        return Rule(name, None, read, _writer(table["apply"], f"{path}.apply") if "apply" in table else None)
    except Refused as problem:
        return Rule(name, problem=problem)


def _reader(value: Any, path: str) -> Reader:
    table = parse_table(value, path, ("file", "command", "pattern", "timeout"))
    pattern = _pattern(table.get("pattern"), f"{path}.pattern")
    if ("file" in table) == ("command" in table):
        raise Refused("settings.toml: {path} needs either file or command.", path=path)
    if "file" in table:
        return FileReader(_text(table["file"], f"{path}.file"), pattern)
    timeout = parse_seconds(table, "timeout", f"{path}.timeout")
    return CommandReader(parse_argv(table["command"], f"{path}.command"), timeout, pattern)


def _writer(value: Any, path: str) -> Writer:
    table = parse_table(value, path, ("command", "template", "to", "then", "timeout", "allowed"))
    then = _followups(table.get("then", []), f"{path}.then")
    timeout = parse_seconds(table, "timeout", f"{path}.timeout")
    allowed = _pattern(table.get("allowed"), f"{path}.allowed")
    if "command" in table and "template" not in table and "to" not in table:
        argv = parse_argv(table["command"], f"{path}.command")
        if "{value}" not in argv[1:]:
            raise Refused('settings.toml: {path} needs "{{value}}" as one of its arguments.', path=f"{path}.command")
        return CommandWriter(argv, then, timeout, allowed)
    if "template" in table and "to" in table and "command" not in table:
        template, target = _text(table["template"], f"{path}.template"), _text(table["to"], f"{path}.to")
        return TemplateWriter(template, target, then, timeout, allowed)
    raise Refused("settings.toml: {path} needs either command, or template and to.", path=path)


def _followups(value: Any, path: str) -> tuple[Argv, ...]:
    if isinstance(value, list) and value and all(isinstance(each, list) for each in value):
        return tuple(parse_argv(each, path) for each in value)
    return (parse_argv(value, path),) if value != [] else ()


def parse_argv(value: Any, path: str) -> Argv:
    """Read a command; raises Refused, as all of these do."""
    argv = parse_texts(value, path)
    if not argv[0]:
        raise Refused("settings.toml: {path} must be a list of texts, the program first.", path=path)
    return argv


def parse_texts(value: Any, path: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
    """Read a list of texts."""
    is_list = isinstance(value, list) and all(isinstance(each, str) and "\0" not in each for each in value)
    if not is_list or not (value or may_be_empty):
        raise Refused("settings.toml: {path} must be a list of texts, the program first.", path=path)
    return tuple(value)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise Refused("settings.toml: {path} must be a text.", path=path)
    return value


def _pattern(value: Any, path: str) -> re.Pattern[str] | None:
    if value is None:
        return None
    try:
        return re.compile(_text(value, path), re.MULTILINE)
    except (re.error, OverflowError, RecursionError):
        raise Refused("settings.toml: {path} is not a regular expression.", path=path) from None


def parse_seconds(
    table: Mapping[str, Any],
    name: str,
    path: str,
    default: float = DEFAULT_TIMEOUT_S,
    least: float = 0.1,
    most: float = MAX_TIMEOUT_S,
) -> float:
    """Read a number of seconds under a name, `default` if there is none."""
    value = table.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Refused(
            "settings.toml: {path} must be a number of seconds from {least} to {most}.",
            path=path,
            least=f"{least:g}",
            most=f"{most:g}",
        )
    return float(value)


def parse_table(value: Any, path: str, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Read a table, all of whose names are known ones."""
    if not isinstance(value, dict):
        raise Refused("settings.toml: {path} must be a table.", path=path)
    for name in value:
        if known is not None and name not in known:
            raise Refused(
                "settings.toml: {path} is not known; there are {names}.", path=f"{path}.{name}", names=", ".join(known)
            )
    return value
