"""What a shell offers behind a verb.

Kinds, entities, properties, choices and members. Nothing of it ever fails.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import split_arg_string

from tui.cli.context import CliContext

if TYPE_CHECKING:
    from core.schema import Kind, Schema
    from core.workspace import Workspace

Complete = Callable[["Workspace", click.Context, str], Awaitable[list[str]]]


def completer_of(parameter: str) -> Callable[[click.Context, click.Parameter, str], list[str]] | None:
    """What completes a parameter of this name; None if nothing does."""
    complete = _BY_PARAMETER.get(parameter)
    if complete is None:
        return None

    def completer(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        async def run() -> list[str]:
            home = ctx.find_root().params.get("home")
            context = CliContext(Path(home) if home else None, None)
            async with await context.open_workspace() as workspace:
                return await complete(workspace, ctx, incomplete)

        # Who presses Tab gets what there is, and no sentence in the middle of a line.
        with suppress(Exception):
            return [text for text in asyncio.run(run()) if text.isprintable()]
        return []

    return completer


async def _kinds(workspace: Workspace, _ctx: click.Context, incomplete: str) -> list[str]:
    return [name for name in (await workspace.schema()).kinds if name.startswith(incomplete)]


async def _entities(workspace: Workspace, _ctx: click.Context, incomplete: str) -> list[str]:
    schema = await workspace.schema()
    return await _entities_of_kinds(workspace, schema, incomplete)


async def _entities_of_kinds(workspace: Workspace, schema: Schema, incomplete: str) -> list[str]:
    from core.store.queries.completion import complete_names

    name, colon, key = incomplete.partition(":")
    if not colon:
        return [f"{kind}:" for kind in schema.kinds if kind.startswith(name)]
    if name not in schema.kinds:
        return []
    kind = schema.kinds[name]
    keys = await workspace.store.run(lambda connection: complete_names(connection, kind, key, schema))
    return [f"{name}:{each}" for each in keys]


async def _kind_of_call(workspace: Workspace, ctx: click.Context) -> Kind | None:
    """The kind that a call is about: named, or that of its entity."""
    kinds = (await workspace.schema()).kinds
    words = ctx.params.get("words") or ()
    name = ctx.params.get("kind") or ctx.params.get("entity") or (words[0] if words else None)
    if isinstance(name, str):
        return kinds.get(name.partition(":")[0])
    # Behind an option that has no value yet click tells nothing of the words before it.
    typed = split_arg_string(os.environ.get("COMP_WORDS", ""))
    return next((kinds[word.partition(":")[0]] for word in typed if word.partition(":")[0] in kinds), None)


async def _properties(workspace: Workspace, ctx: click.Context, incomplete: str) -> list[str]:
    kind = await _kind_of_call(workspace, ctx)
    return [name for name in kind.properties if name.startswith(incomplete)] if kind else []


async def _values(workspace: Workspace, ctx: click.Context, incomplete: str) -> list[str]:
    """`P=`, and behind it the choices of the property, or what it may refer to."""
    kind = await _kind_of_call(workspace, ctx)
    if kind is None:
        return []
    name, equals, text = incomplete.partition("=")
    if not equals:
        return [f"{each}=" for each in kind.properties if each.startswith(name)]
    prop = kind.property(name)
    if prop.type == "boolean":
        offered = ["true", "false"]
    elif prop.refers_to:
        begun = text if ":" in text else f"{prop.refers_to}:{text}"
        offered = await _entities_of_kinds(workspace, await workspace.schema(), begun)
    else:
        offered = list(prop.choices)
    begin = text if ":" in text or not prop.refers_to else f"{prop.refers_to}:{text}"
    return [f"{name}={each}" for each in offered if each.startswith(begin)]


async def _words(workspace: Workspace, ctx: click.Context, incomplete: str) -> list[str]:
    """Of `set`: first an entity, unless a kind is named, then values."""
    if not ctx.params.get("kind") and not ctx.params.get("words"):
        return await _entities(workspace, ctx, incomplete)
    return await _values(workspace, ctx, incomplete)


async def _members(workspace: Workspace, _ctx: click.Context, incomplete: str) -> list[str]:
    members = (await workspace.membership()).members.values()
    return sorted({member.name for member in members if member.name and member.name.startswith(incomplete)})


_BY_PARAMETER: dict[str, Complete] = {
    "kind": _kinds,
    "entity": _entities,
    "properties": _properties,
    "name": _properties,
    "sort": _properties,
    "columns": _properties,
    "values": _values,
    "where": _values,
    "words": _words,
    "device": _members,
}
"""By what parameters are called in the code: the same name means the same thing in every verb."""
