"""The verb inventory: what has an address, as Ansible's script prints it."""

from __future__ import annotations

from core.errors import Refused
from core.values import quote_value
from tui.cli.context import CliContext
from tui.cli.help import option, verb
from tui.i18n.translate import N_, error_text


@verb(
    N_("Print what has an address as Ansible wants it from an inventory script, in groups by kind and by where it is.")
)
@option("--list", "_as_list", is_flag=True, help=N_("All hosts and groups; also without an option."))
@option("--host", metavar="NAME", help=N_("The variables of this host."))
@option("--kind", "kinds", multiple=True, metavar="K", help=N_("Only this kind; may be given again."))
@option("--address", metavar="P", help=N_("The property that holds the address."))
async def inventory(
    context: CliContext, _as_list: bool, host: str | None, kinds: tuple[str, ...], address: str | None
) -> None:
    from core.workspace.inventory import make_inventory

    async with await context.open_workspace() as workspace:
        made = await make_inventory(workspace, kinds, address)
    for problem in made.problems:
        context.print_message(error_text(problem))
    if host is None:
        context.print_json(made.as_json())
    elif host in made.hosts:
        context.print_json(made.hosts[host])
    else:
        raise Refused("There is no host {name}: `fieldline inventory --list` has all.", name=quote_value(host))
