"""Verbs about the fleet and its devices: init, join, admit, members, status."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.device.display_names import full_entity_name
from core.inbox import ITEM_TYPES
from core.member_values import ROLES
from core.paths import exists
from core.schema import Schema
from core.schema_toml import BUILT_IN_SCHEMAS, load_builtin_schema, parse_schema_file
from core.store.intake import read_refused
from core.store.quotas import read_over_limit
from core.timestamps import format_timestamp
from core.workspace import Workspace
from tui.cli.context import CliContext
from tui.cli.help import argument, option, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.cli.progress import show_progress
from tui.i18n.translate import N_, _, format_number

if TYPE_CHECKING:
    from core.workspace.members import MemberResult


def _default_device_name() -> str:
    """The default name of a device: that of the machine."""
    return socket.gethostname().split(".")[0] or "device"


@verb(N_("Create a fleet with this device as its admin. The schema is a built-in one or a TOML file."))
@option("--fleet", required=True, metavar="NAME", help=N_("What the fleet is called."))
@option(
    "--schema",
    "schema_name",
    default=BUILT_IN_SCHEMAS[0],
    show_default=True,
    metavar="NAME|FILE",
    help=N_("What can be configured."),
)
@option("--device", metavar="NAME", help=N_("What this device is called (else: the machine's name)."))
@option(
    "--recovery-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=N_("Write the recovery key there, under a passphrase, instead of printing it."),
)
async def init(
    context: CliContext, fleet: str, schema_name: str, device: str | None, recovery_file: Path | None
) -> None:
    from core.identity import Identity, new_private_key
    from core.recovery_key import recovery_text
    from tui.cli.recovery import remove_recovery_file, write_recovery_file

    schema = load_schema(schema_name)
    name = _default_device_name() if device is None else device
    recovery = new_private_key()
    if recovery_file is not None:
        write_recovery_file(recovery_file, recovery, context.passphrase_file)
    try:
        workspace = await Workspace.init(
            context.home,
            user=context.user,
            fleet_name=fleet,
            schema=schema,
            device_name=name,
            recovery_key=Identity(recovery).public_key,
        )
    except BaseException:
        if recovery_file is not None:
            remove_recovery_file(recovery_file)
        raise
    async with workspace:
        _print_device(context, workspace)
        context.print_message(_("This device is the admin of the new fleet."))
        if recovery_file is None:
            context.print_message(
                _("Recovery key, shown only now: {key}. Write it down and lock it away.").format(
                    key=recovery_text(recovery)
                )
            )


@verb(N_("Get this device ready to join a fleet: it gets a key, and waits for an admin to admit it."))
@argument("fleet_id")
@option("--device", metavar="NAME", help=N_("What this device is called (else: the machine's name)."))
async def join(context: CliContext, fleet_id: str, device: str | None) -> None:
    name = _default_device_name() if device is None else device
    workspace = await Workspace.join(context.home, user=context.user, fleet=fleet_id, device_name=name)
    async with workspace:
        _print_device(context, workspace)
        called = shlex.quote(workspace.home.name())
        command = f"fieldline admit {workspace.identity.device.hex()} --role technician --name {called}"
        context.print_message(
            _("Ask an admin to run `{command}`, then sync with a device of the fleet.").format(command=command)
        )


def _print_device(context: CliContext, workspace: Workspace) -> None:
    fleet, device = workspace.store.fleet.hex(), workspace.identity.device.hex()
    if context.json:
        context.print_json({"fleet": fleet, "device": device})
    else:
        context.print_table([[_("fleet"), fleet], [_("device"), device]])


def load_schema(name: str) -> Schema:
    """The built-in schema of this name, else the one in this file."""
    if name in BUILT_IN_SCHEMAS or not exists(Path(name)):
        return load_builtin_schema(name)
    return read_schema_file(Path(name))


def read_schema_file(path: Path) -> Schema:
    """The schema in a file; raises Refused if it is none."""
    from core.errors import Refused

    try:
        return parse_schema_file(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=str(path)) from None


@verb(N_("Let a device into the fleet, or give a member another role or name. Only an admin may do this."))
@argument("device_id")
@option("--role", required=True, type=click.Choice(ROLES), help=N_("What the device may do."))
@option("--name", metavar="NAME", help=N_("What the device is called."))
@option("--limit", type=click.IntRange(1), metavar="N", help=N_("Keep so many changes of it, more than of others."))
@option(
    "--scope",
    metavar="LOCALITY,…",
    help=N_("Bind a technician to localities: what it writes of others has no effect. `all` unbinds it."),
)
@option("--note", metavar="TEXT", help=N_("Why."))
@DRY_RUN_OPTION
async def admit(
    context: CliContext,
    device_id: str,
    role: str,
    name: str | None,
    limit: int | None,
    scope: str | None,
    note: str | None,
    dry_run: bool,
) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        bound_to = None if scope is None else await _find_scope(workspace, scope)
        written = await workspace.admit(device_id, role, name, note, limit=limit, scope=bound_to)
        if dry_run:
            await print_dry_run(context, workspace, device=written.entity.hex())
            return
        if name is not None:
            await _print_namesakes(context, workspace, written.entity, name.strip())
        if scope is None and written.member.bound_to:
            await _print_bound(context, workspace, written.member.bound_to)
    if context.json:
        _print_member(context, written)
    elif written.change is None:
        context.print_message(_("The device is admitted like that already: nothing was written."))
    else:
        context.print_message(
            _("Admitted as {role}; the device learns of it when it syncs with this one or another.").format(
                role=_(written.member.role)
            )
        )


async def _find_scope(workspace: Workspace, text: str) -> frozenset[bytes]:
    """Find the entities of a scope, or none for `all`; raises Refused."""
    if text == "all":
        return frozenset()
    return frozenset([await workspace.find(each.strip()) for each in text.split(",")])


async def _print_bound(context: CliContext, workspace: Workspace, bound_to: frozenset[bytes]) -> None:
    """Print that a device stays bound to localities, since nobody said otherwise."""
    names = await workspace.view().names(bound_to, await workspace.schema())
    texts = sorted(full_entity_name(names[each]) for each in bound_to)
    text = _("It stays bound to {localities}: `--scope all` unbinds it, `--scope` with others binds it to those.")
    context.print_message(text.format(localities=", ".join(texts)))


async def _print_namesakes(context: CliContext, workspace: Workspace, device: bytes, name: str) -> None:
    """Print whether another device that is not revoked has this name."""
    others = [each for each in await workspace.devices() if each.name == name and each.device != device]
    if any(each.state != "revoked" for each in others):
        text = _('Another device is called "{name}", too: commands need the ids to tell them apart.')
        context.print_message(text.format(name=name))


def _print_member(context: CliContext, written: MemberResult) -> None:
    """Print what was written of a member, and what it is now."""
    context.print_json(
        {
            "change": written.change.hex() if written.change else None,
            "device": written.entity.hex(),
            "role": written.member.role or None,
            "scope": sorted(each.hex() for each in written.member.bound_to),
            "state": written.member.state,
        }
    )


@verb(
    N_(
        "Shut a device out. What it has written so far keeps its effect, or only what it wrote "
        "up to the change that --last names; what else it writes has none. Only an admin may do "
        "this."
    )
)
@argument("device")
@option(
    "--last",
    metavar="CHANGE",
    multiple=True,
    help=N_("The last change of that device that counts; `none`: none does. One for each branch, if its chain forks."),
)
@option("--note", metavar="TEXT", help=N_("Why."))
@DRY_RUN_OPTION
async def revoke(context: CliContext, device: str, last: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    from core.workspace.members import mark
    from core.workspace.members import revoke_device as shut_out

    async with await context.open_workspace(dry_run=dry_run) as workspace:
        entity = await workspace.device(device)
        if not last:
            kept = [cut.change for cut in await mark(workspace, entity)]
        else:
            kept = [] if last == ("none",) else [await workspace.change(each) for each in last]
        written = await shut_out(workspace, entity, kept, note)
        if dry_run:
            await print_dry_run(context, workspace, device=entity.hex())
            return
    if context.json:
        _print_member(context, written)
    elif written.change is None:
        context.print_message(_("The device is revoked like that already: nothing was written."))
    else:
        context.print_message(_("Revoked; the other devices learn of it when they sync: sync with them soon."))


@verb(N_("List the devices of the fleet."))
async def members(context: CliContext) -> None:
    async with await context.open_workspace() as workspace:
        devices = await workspace.devices()
        bound_to = {each for device in devices for each in device.bound_to}
        names = await workspace.view().names(bound_to, await workspace.schema()) if bound_to else {}
    scopes = {device.device: [full_entity_name(names[each]) for each in sorted(device.bound_to)] for device in devices}
    if context.json:
        context.print_json(
            [
                {
                    "device": device.device.hex(),
                    "name": device.name,
                    "role": device.role,
                    "state": device.state,
                    "changes": device.change_count,
                    "last_at": None if device.last_change_us is None else format_timestamp(device.last_change_us),
                    "replaced_by": device.replaced_by.hex() if device.replaced_by else None,
                    "scope": scopes[device.device],
                }
                for device in devices
            ]
        )
        return
    context.print_table(
        [
            [
                device.name,
                " ".join([_(device.role or "–"), *sorted(scopes[device.device])]),
                _("old key") if device.replaced_by else _(device.state),
                format_number(device.change_count),
                "–" if device.last_change_us is None else context.dates.dated(device.last_change_us),
                device.device.hex(),
            ]
            for device in devices
        ],
        [_("Name"), _("Role"), _("State"), _("Changes"), _("Last change"), _("Device")],
    )


@verb(N_("Show what this device holds: the fleet, its role, how many changes and values, and what is in conflict."))
async def status(context: CliContext) -> None:
    async with await context.open_workspace() as workspace:
        counts, refused = await workspace.store.counts(), await workspace.store.run(read_refused)
        fleet = workspace.store.fleet
        beyond = await workspace.store.run(lambda connection: read_over_limit(connection, fleet))
        member = (await workspace.membership()).members.get(workspace.identity.device)
        with show_progress(N_("{done} of {total} read")) as on_progress:
            items = await workspace.lazy_inbox(on_progress=on_progress)
        data: dict[str, str | int | None] = {
            "fleet": workspace.store.fleet.hex(),
            "device": workspace.identity.device.hex(),
            "role": member.role if member and member.state == "active" else None,
            "changes": counts.changes,
            "facts": counts.facts,
            "entities": counts.entities,
            "conflicts": counts.conflicts,
            "clashes": sum(key.type != ITEM_TYPES[0] for key in items.keys),
            "quarantined": counts.quarantined,
            "refused": (refused.count if refused else 0) + sum(each.count for each in beyond),
            "root": (await workspace.store.summary()).root.hex(),
        }
        backlog = await workspace.transfer_backlog()
        peer_member = (await workspace.membership()).members.get(backlog.peer) if backlog else None
    if context.json:
        missing = backlog and {
            "from": backlog.peer.hex(),
            "changes": backlog.missing_count,
            "current": backlog.current_count,
            "near": backlog.nearby_count,
            "at": format_timestamp(backlog.at_us),
        }
        context.print_json({**data, "missing": missing})
        return
    labels = {
        "fleet": _("Fleet"),
        "device": _("This device"),
        "role": _("Role"),
        "changes": _("Changes"),
        "facts": _("Values"),
        "entities": _("Entities"),
        "conflicts": _("Conflicts"),
        "clashes": _("Clashes"),
        "quarantined": _("Changes without effect"),
        "refused": _("Changes refused"),
        "root": _("Root"),
    }
    shown = {name: label for name, label in labels.items() if name != "refused" or data[name]}
    rows = [[label, _status_text(name, data[name])] for name, label in shown.items()]
    if backlog is not None:
        template = _("{count} of {total} changes from {peer}, as of {when}")
        peer = (peer_member.name if peer_member else "") or backlog.peer.hex()[:8]
        total, when = format_number(backlog.total_count), context.dates.dated(backlog.at_us)
        text = template.format(count=format_number(backlog.missing_count), total=total, peer=peer, when=when)
        rows.append([_("Still to come"), text])
        if not backlog.current_count:
            rows.append(["", _("all that is configured now is here; what is missing is history")])
        elif not backlog.nearby_count:
            rows.append(["", _("all that is configured now at this place is here")])
    context.print_table(rows)


def _status_text(name: str, value: str | int | None) -> str:
    if isinstance(value, int):
        return format_number(value)
    if name == "role":
        return _(value) if value else _("waits to be admitted")
    return value or ""


_TRANSLATED_WORDS = (N_("admin"), N_("technician"), N_("reader"), N_("active"), N_("pending"), N_("revoked"))
