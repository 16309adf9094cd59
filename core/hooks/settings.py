"""What `settings.toml` says of hooks: `[hooks]`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.equipment.settings import DEFAULT_TIMEOUT_S, Argv, parse_argv, parse_seconds, parse_table, parse_texts
from core.errors import FieldlineError, Refused

DEFAULT_ATTEMPTS = 12
"""With the waits between them (`core.hooks.runner`) about 20 minutes: a restart of what the command talks to."""
MAX_ATTEMPTS = 10_000
"""Over a month of trying every five minutes."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A command, and for which values it is run; without kinds or properties for all.

    `problem` says why it cannot.
    """

    name: str
    argv: Argv = ()
    timeout_s: float = DEFAULT_TIMEOUT_S
    attempts: int = DEFAULT_ATTEMPTS
    kinds: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    problem: FieldlineError | None = None

    def wants(self, kind: str | None, name: str) -> bool:
        """Whether it is run for a property of an entity of a kind."""
        return (not self.kinds or kind in self.kinds) and (not self.properties or name in self.properties)


def parse_hooks(settings: Mapping[str, Any]) -> list[Hook]:
    """Read all hooks; raises Refused if they are no table.

    What is wrong with one is told with it.
    """
    return [_parse_hook(name, value) for name, value in parse_table(settings.get("hooks", {}), "hooks").items()]


def _parse_hook(name: str, value: Any) -> Hook:
    path = f"hooks.{name}"
    try:
        table = parse_table(value, path, ("run", "timeout", "attempts", "kind", "property"))
        attempts = table.get("attempts", DEFAULT_ATTEMPTS)
        if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= MAX_ATTEMPTS:
            raise Refused(
                "settings.toml: {path} must be a whole number from {least} to {most}.",
                path=f"{path}.attempts",
                least=1,
                most=MAX_ATTEMPTS,
            )
        return Hook(
            name,
            parse_argv(table.get("run"), f"{path}.run"),
            parse_seconds(table, "timeout", f"{path}.timeout"),
            attempts,
            _names(table, "kind", path),
            _names(table, "property", path),
        )
    except Refused as problem:
        return Hook(name, problem=problem)


def _names(table: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    value = table.get(name, [])
    return parse_texts([value] if isinstance(value, str) else value, f"{path}.{name}", may_be_empty=True)
