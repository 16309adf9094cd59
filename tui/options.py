"""The options of the terminal UI.

One TOML file of the person in front of it, checked before anything is shown.

language = "de"          # en or de; else what the system says
theme = "colour-blind"   # auto, dark, light, contrast, colour-blind, terminal (its own 16 colours) or mono
ascii = false            # draw with ASCII characters only
plain = false            # say in lines what is there, for a screen reader
mouse = true             # a slow line is better off without
slow = true              # write as little as possible, as on a slow serial line
readonly = false
discovery = true         # look for devices in the network while Sync is shown

[keys.everywhere]        # everywhere, list, here, fleet, form, inbox, history, sync, members, ...
quit = "ctrl+x"          # one key
[keys.form]
edit = ["enter", "f2"]   # or several
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import Refused
from core.parsers import parse_toml
from core.values import quote_value
from tui import commands
from tui.i18n.translate import LANGUAGES
from tui.keymap import find_key_conflicts, parse_key
from tui.looks import THEME_NAMES

_FLAGS = ("ascii", "plain", "mouse", "slow", "readonly", "discovery", "here_only")
_CHOICES = {"language": LANGUAGES, "theme": THEME_NAMES}
_IDLE_RANGE_S = (10, 86_400)
"""Less would throw people out while they read, more than a day is never."""
_MAX_FILE_BYTES = 100_000
"""Many times what all options take."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """What the file says; None where it says nothing. `keys` are by scope and command."""

    language: str | None = None
    theme: str | None = None
    ascii: bool | None = None
    plain: bool | None = None
    mouse: bool | None = None
    slow: bool | None = None
    readonly: bool | None = None
    discovery: bool | None = None
    here_only: bool | None = None
    idle: int | None = None
    keys: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


def merge_options(chosen: FileOptions, **wanted: bool | str | None) -> FileOptions:
    """The options with those in place that are wanted; None leaves one as it is."""
    return replace(chosen, **{name: value for name, value in wanted.items() if value is not None})  # type: ignore[arg-type]


def default_options_path(environ: Mapping[str, str]) -> Path:
    """Where the file is: FIELDLINE_OPTIONS, or the platform's place for settings."""
    if environ.get("FIELDLINE_OPTIONS"):
        return Path(environ["FIELDLINE_OPTIONS"])
    from platformdirs import user_config_path

    try:
        return user_config_path("fieldline").expanduser() / "tui.toml"
    except RuntimeError:  # no HOME and no passwd entry: a path that no file is at
        return Path("/nonexistent/fieldline/tui.toml")


def read_options(path: Path, *, required: bool = False) -> FileOptions:
    """The options in a file; without one there are none, unless it is `needed`.

    Raises Refused with the file, the key and its line for what cannot be used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        if required:
            raise Refused("{path} does not exist: write it, or leave the option out.", path=str(path)) from None
        return FileOptions()
    except OSError as error:
        raise Refused("{path} cannot be read: {why}.", path=str(path), why=error.strerror or "") from None
    if len(data) > _MAX_FILE_BYTES:
        raise Refused("{path} is too long for options.", path=str(path))
    try:
        text = data.decode("utf-8")
        return _parse_options(_OptionsText(path, text), parse_toml(text))
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=str(path)) from None
    except ValueError as error:
        raise Refused("{path} is not valid TOML: {why}.", path=str(path), why=str(error)) from None


@dataclass(frozen=True, slots=True)
class _OptionsText:
    """Where things are in the file, for whoever has to mend it."""

    path: Path
    text: str

    def line(self, key: str, section: str = "") -> int:
        """The line of a key in a section, or of the section.

        1 if it is written in another way.
        """
        current, found = "", 1
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
                current = re.sub(r"\s*\.\s*|[\"']", lambda match: "." if "." in match[0] else "", header[1])
                if section and current == f"{section}.{key}":
                    return number
                found = number if current == section else found
            elif current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return number
        return found

    def refuse(self, template: str, key: str, section: str = "", **params: Any) -> Refused:
        named = f"{section}.{key}" if section else key
        return Refused(template, path=str(self.path), line=self.line(key, section), key=named, **params)


def _parse_options(file: _OptionsText, data: Mapping[str, Any]) -> FileOptions:
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key == "keys":
            values["keys"] = _parse_keys(file, value)
        elif key in _CHOICES:
            if value not in _CHOICES[key]:
                choices = ", ".join(_CHOICES[key])
                raise file.refuse("{path}, line {line}: {key} is one of {choices}.", key, choices=choices)
            values[key] = value
        elif key in _FLAGS:
            if not isinstance(value, bool):
                raise file.refuse("{path}, line {line}: {key} is true or false.", key)
            values[key] = value
        elif key == "idle":
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not _IDLE_RANGE_S[0] <= value <= _IDLE_RANGE_S[1]
            ):
                raise file.refuse(
                    "{path}, line {line}: {key} is {least} to {most} seconds.",
                    key,
                    least=_IDLE_RANGE_S[0],
                    most=_IDLE_RANGE_S[1],
                )
            values[key] = value
        else:
            known = ", ".join([*_CHOICES, *_FLAGS, "idle", "keys"])
            raise file.refuse("{path}, line {line}: there is no option {key}; there are {known}.", key, known=known)
    return FileOptions(**values)


def _parse_keys(file: _OptionsText, data: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    if not isinstance(data, dict):
        raise file.refuse("{path}, line {line}: {key} is a table, such as [keys.form].", "keys")
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for scope, wanted in data.items():
        section = f"keys.{scope}"
        if scope not in commands.scope_names() or not isinstance(wanted, dict):
            scopes = ", ".join(commands.scope_names())
            raise file.refuse(
                "{path}, line {line}: {key} is no set of keys; there are {scopes}.", scope, "keys", scopes=scopes
            )
        names = [command.name for command in commands.commands_of(scope)]
        for name, value in wanted.items():
            if name not in names:
                known = ", ".join(names)
                raise file.refuse(
                    "{path}, line {line}: there is no command {key}; there are {known}.", name, section, known=known
                )
            found.setdefault(scope, {})[name] = _parse_scope_keys(file, name, section, value)
    for key, *both in find_key_conflicts(found):
        mine, other = (both[:2], both[2:]) if both[1] in found.get(both[0], {}) else (both[2:], both[:2])
        raise file.refuse(
            "{path}, line {line}: {key} and {other} would both have the key {pressed}: give one of them another.",
            mine[1],
            f"keys.{mine[0]}",
            other=f"keys.{other[0]}.{other[1]}",
            pressed=key,
        )
    return found


def _parse_scope_keys(file: _OptionsText, name: str, section: str, value: Any) -> tuple[str, ...]:
    written = value if isinstance(value, list) else [value]
    keys = []
    for each in written:
        key = parse_key(each) if isinstance(each, str) else None
        if key is None:
            raise file.refuse(
                "{path}, line {line}: {key} has {text}, which is no key: write x, X, ?, f2, enter or ctrl+s.",
                name,
                section,
                text=quote_value(str(each)),
            )
        keys.append(key)
    return tuple(dict.fromkeys(keys))
