"""Verbs about keys: key seal, key unseal, key rotate, key recover, key renew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.device.home import Home
from core.errors import FieldlineError
from tui.cli.context import CliContext
from tui.cli.help import TranslatedCommand, option, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _

if TYPE_CHECKING:
    from core.identity import Identity

F = TypeVar("F", bound=Callable[..., Any])


def passphrase_option(function: F) -> F:
    """The option that names the passphrase's file, as the contract has it."""
    return option(
        "--passphrase-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=N_("Read the passphrase from a file's first line (`-`: standard input) instead of asking for it."),
    )(function)


class _Key(TranslatedCommand, click.Group):
    pass


@click.group(
    cls=_Key, help=N_("Seal or change this device's key, use the recovery key, or renew the one that seals bundles.")
)
def key() -> None:
    pass


@verb(
    N_(
        "Put this device's key under a passphrase. Whatever signs or connects then asks for it, once a call; what only "
        "reads does not. Without the passphrase the key is lost."
    )
)
@passphrase_option
async def seal(context: CliContext, passphrase_file: Path | None) -> None:
    from core.identity import SealedIdentity, load_identity, seal_identity
    from tui.cli.passphrase import read_new_passphrase

    path = Home(context.home).key
    identity = load_identity(path)
    if isinstance(identity, SealedIdentity):
        raise FieldlineError("The key is sealed already: `fieldline key unseal` first, to give it another passphrase.")
    seal_identity(path, identity, read_new_passphrase(passphrase_file or context.passphrase_file))
    _print_result(context, identity, True, _("The key of this device is sealed. Keep the passphrase well."))


@verb(N_("Take this device's key out of its passphrase: then whoever reads its file has it."))
@passphrase_option
async def unseal(context: CliContext, passphrase_file: Path | None) -> None:
    from core.identity import SealedIdentity, load_identity, unseal_identity
    from tui.cli.passphrase import read_passphrase

    path = Home(context.home).key
    identity = load_identity(path, lambda: read_passphrase(passphrase_file or context.passphrase_file))
    if not isinstance(identity, SealedIdentity):
        raise FieldlineError("The key is not sealed: nothing was changed.")
    unseal_identity(path, identity)
    _print_result(context, identity, False, _("The key of this device is not sealed any more."))


@verb(
    N_(
        "Give this device a new key, for which the old one vouches: it stays the same member, with its name and role. "
        "The old key is of no use any more. Others learn of it when they sync with this device."
    )
)
@passphrase_option
@option("--note", metavar="TEXT", help=N_("Why."))
async def rotate(context: CliContext, passphrase_file: Path | None, note: str | None) -> None:
    from core.identity import SealedIdentity
    from core.workspace.key_rotation import check_unused, rotate_key
    from tui.cli.passphrase import read_passphrase

    await check_unused(context.home)
    async with await context.open_workspace() as workspace:
        old = workspace.identity
        passphrase: str | None = None
        if isinstance(old, SealedIdentity):
            passphrase = read_passphrase(passphrase_file or context.passphrase_file)
            workspace.ask_passphrase = lambda: passphrase or ""
            workspace.loaded_identity = None
        change = await rotate_key(workspace, passphrase, note)
        new = workspace.identity
    context.print_message(
        _("This device has a new key and is {device} from now on. Sync with the others soon.").format(
            device=new.device.hex()
        )
    )
    if context.json:
        context.print_json(
            {
                "device": new.device.hex(),
                "replaces": old.device.hex(),
                "sealed": passphrase is not None,
                "change": change.hex() if change else None,
            }
        )


@verb(
    N_(
        "Make this device an admin with the fleet's recovery key, and shut out devices that were stolen. What the "
        "recovery key says prevails over every admin. It is asked for, or read from a file."
    )
)
@option(
    "--recovery-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=N_("Read the recovery key from a file: the sealed one of `init`, or its groups of letters."),
)
@option("--revoke", "revoked", metavar="DEVICE", multiple=True, help=N_("Shut this device out. May be given again."))
@option("--note", metavar="TEXT", help=N_("Why."))
async def recover(context: CliContext, recovery_file: Path | None, revoked: tuple[str, ...], note: str | None) -> None:
    from core.workspace.key_recovery import recover_fleet
    from tui.cli.recovery import read_recovery_key

    async with await context.open_workspace() as workspace:
        devices = [await workspace.device(each) for each in revoked]
        found = await recover_fleet(workspace, read_recovery_key(recovery_file, context.passphrase_file), devices, note)
    context.print_message(_("This device is an admin now. Sync with the others soon."))
    if context.json:
        context.print_json(
            {
                "device": found.member.device.hex(),
                "role": found.member.role,
                "state": found.member.state,
                "revoked": [device.hex() for device in devices],
                "changes": [change.hex() for change in found.changes],
            }
        )


def _print_result(context: CliContext, identity: Identity, is_sealed: bool, text: str) -> None:
    context.print_message(text)
    if context.json:
        context.print_json({"device": identity.device.hex(), "sealed": is_sealed})


@verb(
    N_(
        "Begin a new key under which bundles are sealed from now on; `revoke` does so by itself. Only an "
        "admin may do this."
    )
)
@option("--note", metavar="TEXT", help=N_("Why."))
@DRY_RUN_OPTION
async def renew(context: CliContext, note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        written = await workspace.renew_epoch(note)
        if dry_run:
            await print_dry_run(context, workspace)
            return
    if context.json:
        context.print_json({"change": written.change.hex() if written.change else None})
    else:
        context.print_message(_("Renewed; the other devices learn of it when they sync: sync with them soon."))


for command in (seal, unseal, rotate, recover, renew):
    key.add_command(command)
