"""The table of verbs: where each is, and the line that the list of verbs shows."""

from __future__ import annotations

from tui.i18n.translate import N_

VERBS: dict[str, tuple[str, str]] = {
    "tui": ("tui.cli.tui:tui", N_("Open the terminal UI (also without a command).")),
    "demo": (
        "tui.demo.demo:demo",
        N_("See how it works: on a terminal a made-up fleet, otherwise a transcript of two devices."),
    ),
    "init": ("tui.cli.fleet:init", N_("Create a fleet with this device as its admin.")),
    "join": ("tui.cli.fleet:join", N_("Get this device ready to join a fleet.")),
    "admit": ("tui.cli.fleet:admit", N_("Let a device into the fleet, or give a member another role.")),
    "revoke": ("tui.cli.fleet:revoke", N_("Shut a device out.")),
    "key": ("tui.cli.key:key", N_("Seal this device's key with a passphrase, or renew the one that seals bundles.")),
    "members": ("tui.cli.fleet:members", N_("List the devices of the fleet.")),
    "status": ("tui.cli.fleet:status", N_("Show what this device holds.")),
    "list": ("tui.cli.list:list_", N_("List everything of a kind.")),
    "show": ("tui.cli.show:show", N_("Show one thing: what is configured, who set it, and what is in conflict.")),
    "inventory": ("tui.cli.inventory:inventory", N_("Print what has an address as an inventory for Ansible.")),
    "new": ("tui.cli.edit:new", N_("Add something of a kind.")),
    "set": ("tui.cli.edit:set_", N_("Configure properties.")),
    "apply": ("tui.cli.apply:apply", N_("Make things be as a file wants them.")),
    "confirm": ("tui.cli.confirm:confirm", N_("Confirm that something is still so, seen on the spot.")),
    "clear": ("tui.cli.edit:clear", N_("Unset properties.")),
    "retire": ("tui.cli.edit:retire", N_("Retire something.")),
    "inbox": ("tui.cli.inbox:inbox", N_("List what needs a decision; nothing of it is urgent.")),
    "resolve": ("tui.cli.inbox:resolve", N_("Resolve a conflict.")),
    "accept": ("tui.cli.inbox:accept", N_("Accept a clash as it is.")),
    "log": ("tui.cli.log:log", N_("Show who changed what, newest first.")),
    "watch": ("tui.cli.watch:watch", N_("Follow which values change, until stopped.")),
    "blame": ("tui.cli.log:blame", N_("Show for each property who set it.")),
    "diff": ("tui.cli.log:diff", N_("Show what differs between two times.")),
    "restore": ("tui.cli.revert:restore", N_("Restore something to how it was.")),
    "undo": ("tui.cli.revert:undo", N_("Undo a change.")),
    "serve": ("tui.cli.sync:serve", N_("Keep syncing with other devices until stopped.")),
    "sync": ("tui.cli.sync:sync", N_("Sync once with another device or a bundle.")),
    "pair": ("tui.cli.pair:pair", N_("Let a device in, or join a fleet, by six digits on both screens.")),
    "peers": ("tui.cli.sync:peers", N_("Show which devices and ports there are to sync with.")),
    "place": ("tui.cli.place:place", N_("Show where this device is, and set it up with what is configured there.")),
    "export": ("tui.cli.import_export:export", N_("Write all changes into a bundle, or a kind into a table.")),
    "import": ("tui.cli.import_export:import_", N_("Import a bundle, an edit history or a table.")),
    "schema": ("tui.cli.schema:schema", N_("Show, check or publish the fleet's schema.")),
    "verify": ("tui.cli.import_export:verify", N_("Check every change and everything derived from them.")),
    "mirror": ("tui.cli.mirror:mirror", N_("Mirror all that this device knows into PostgreSQL.")),
    "backup": ("tui.cli.import_export:backup", N_("Copy the store into one file while it is in use.")),
    "restore-store": ("tui.cli.import_export:restore_store", N_("Put a copy in the place of the store.")),
    "doctor": ("tui.cli.doctor:doctor", N_("Say what is wrong with this installation, and how to mend it.")),
    "completion": ("tui.cli.completion:completion", N_("Print the completion script of a shell.")),
}
"""Each verb's module and function, and the line that the list of verbs shows."""

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (N_("Begin"), ("tui", "demo", "init", "join", "pair")),
    (N_("Look"), ("list", "show", "inventory", "status", "log", "blame", "diff", "watch")),
    (N_("Change"), ("new", "set", "apply", "clear", "retire", "confirm", "undo", "restore")),
    (N_("Resolve"), ("inbox", "resolve", "accept")),
    (N_("Sync"), ("sync", "serve", "peers", "export", "import", "mirror")),
    (N_("This device"), ("place", "completion")),
    (N_("The fleet"), ("members", "admit", "revoke", "key", "schema")),
    (N_("Look after"), ("doctor", "verify", "backup", "restore-store")),
)
"""How the list of verbs is divided for people: each heading with its verbs."""
