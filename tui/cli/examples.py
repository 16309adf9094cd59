"""What every command's help and man page end with.

Calls as people type them, each with what it does.

They are calls of the made-up fleet of `fieldline demo`, where the tests run them.
"""

from __future__ import annotations

from tui.i18n.translate import N_

Example = tuple[str, str]
"""A line for a shell, and what it does."""

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": (
        ("fieldline", N_("Open the screens.")),
        ("fieldline demo", N_("Look around in a made-up fleet.")),
        ('fieldline init --fleet Nord --device "K1"', N_("Create a fleet; this device is its admin.")),
    ),
    "tui": (
        ("fieldline tui --no-mouse --slow", N_("Over a slow serial line.")),
        ("fieldline tui --readonly", N_("Look, and be sure to change nothing.")),
        ("fieldline tui --plain", N_("For a screen reader, in lines.")),
        ("fieldline tui --kiosk --no-mouse", N_("On a wall, where anybody comes by.")),
        ("fieldline tui --pin-file /run/pin", N_("Keep the PIN of a kiosk that a script sets up.")),
    ),
    "demo": (
        ("fieldline demo", N_("Open the made-up fleet.")),
        ("fieldline demo | less", N_("Read what two devices do that edit apart and sync.")),
    ),
    "init": (
        ("fieldline init --fleet Nord --device K1", N_("A fleet with the schema for service centres.")),
        ("fieldline init --fleet Radio --schema radio.toml", N_("With a schema of your own.")),
        ("fieldline init --fleet Nord --recovery-file nord.key", N_("Keep the recovery key in a file, not on paper.")),
    ),
    "join": (
        (
            "fieldline join 6938cae55deab14a12d7bb435478e5c4 --device K5",
            N_("The id is what `fieldline status` shows on a device of the fleet."),
        ),
    ),
    "admit": (
        (
            "fieldline admit 29dce6b6185bf7f354c457456feba82d --role technician --name K5",
            N_("The id is what `fieldline join` printed there."),
        ),
        ("fieldline admit K4 --role reader", N_("Give a member another role.")),
        (
            "fieldline admit K4 --role technician --scope locality:241",
            N_("What K4 writes of other localities has no effect from now on."),
        ),
    ),
    "revoke": (
        ('fieldline revoke K4 --note "left in a taxi" --dry-run', N_("See first what that would write.")),
        ('fieldline revoke K4 --note "left in a taxi"', N_("What K4 writes from now on has no effect.")),
        ("fieldline revoke K3 --last none", N_("Nothing that K3 ever wrote counts.")),
    ),
    "key": (("fieldline key seal", N_("Put this device's key under a passphrase, asked for twice.")),),
    "key seal": (
        ("fieldline key seal", N_("Ask for the passphrase, twice.")),
        ("fieldline key seal --passphrase-file /run/passphrase", N_("In a script.")),
    ),
    "key unseal": (("fieldline key unseal", N_("Ask for the passphrase, once.")),),
    "key rotate": (("fieldline key rotate", N_("A new key for this device, which stays the same member.")),),
    "key recover": (
        ("fieldline key recover", N_("Ask for the recovery key, and make this device an admin.")),
        ("fieldline key recover --recovery-file key.txt --revoke K1", N_("And shut out the device that was stolen.")),
    ),
    "key renew": (
        ('fieldline key renew --note "a stick was lost"', N_("Whoever finds that stick reads no later one.")),
    ),
    "members": (
        ("fieldline members", N_("Who is in the fleet, with which role.")),
        ("fieldline members --json", N_("For a script.")),
    ),
    "status": (
        ("fieldline status", N_("What this device holds.")),
        ("fieldline status --json", N_("Two devices hold the same if their `root` is the same.")),
    ),
    "list": (
        ("fieldline list place", N_("All places.")),
        ('fieldline list place --where "printer=Brix 40 duplex" --columns name,printer', N_("With two columns.")),
        ("fieldline list locality --all-columns --csv", N_("For a spreadsheet.")),
        ("fieldline list place --not-confirmed-since -30d", N_("What is still to be looked at on this round.")),
    ),
    "show": (
        ('fieldline show "place:241/Entrance right"', N_("What is configured there, and by whom.")),
        ("fieldline show locality:241 --at -7d", N_("As it was a week ago.")),
    ),
    "inventory": (
        ("fieldline inventory --list", N_("All hosts and groups, as Ansible asks for them.")),
        ("fieldline inventory --kind locality --address tsc_server", N_("Of this kind, by this property.")),
    ),
    "new": (
        ('fieldline new locality code=280 "name=TSC Kassel" subnet=10.80.1.0/24', N_("A locality.")),
        (
            'fieldline new place "name=Lane 9" locality=locality:241 --note "new lane"',
            N_("A place in it, and why."),
        ),
    ),
    "set": (
        ('fieldline set "place:241/Lane 1" "printer=Brix 60" --note "new printer"', N_("One value, and why.")),
        (
            'fieldline set --kind place --where "printer=Brix 60" bea_configuration=b.xml',
            N_("All places with this printer, as one change."),
        ),
        (
            'fieldline set "place:241/Lane 1" "printer=Brix 61" --no-resolve',
            N_("Not where it is in conflict."),
        ),
    ),
    "apply": (
        ("fieldline apply wanted.toml --dry-run", N_("Show the plan.")),
        ('fieldline apply wanted.toml --note "as ordered"', N_("Write it, as one change.")),
    ),
    "confirm": (
        ("fieldline confirm locality:242", N_("All that is configured of it was seen on the spot.")),
        ('fieldline confirm "place:241/Lane 1" printer', N_("Only its printer was.")),
    ),
    "clear": (('fieldline clear "place:241/Lane 1" card_terminal --note "stolen"', N_("It has none any more.")),),
    "retire": (
        ('fieldline retire "place:241/Lane 2" --dry-run', N_("See first what that would write.")),
        ('fieldline retire "place:241/Lane 2" --note "lane closed"', N_("Retire it.")),
        ('fieldline set "place:241/Lane 2" retired=false', N_("Put it back in use.")),
    ),
    "inbox": (
        ("fieldline inbox", N_("What needs a decision.")),
        ("fieldline inbox --json", N_("With the ids that `resolve` and `accept` take.")),
    ),
    "resolve": (
        ('fieldline resolve "place:241/Entrance right" printer --take 29dce6b6', N_("Take one of the candidates.")),
        (
            'fieldline resolve "place:241/Entrance right" printer --value "Brix 60"',
            N_("Neither of them: another value."),
        ),
    ),
    "accept": (
        ('fieldline accept 7b6c37bb --note "as on the switch"', N_("The id is what `fieldline inbox --json` gives.")),
        ("fieldline accept --undo 7b6c37bb", N_("It is a question again.")),
    ),
    "log": (
        ("fieldline log --limit 10", N_("The last ten changes.")),
        ('fieldline log "place:241/Entrance right" printer', N_("Every printer that stood there.")),
        ("fieldline log --by Maier --since -7d --grep toner", N_("What Maier wrote of toner in a week.")),
    ),
    "watch": (
        ("fieldline watch place", N_("Follow all places, until Ctrl+C.")),
        ("fieldline watch --since start --json", N_("For a program: all there is, then what comes.")),
    ),
    "blame": (('fieldline blame "place:241/Entrance right"', N_("Who set what, when, where and why.")),),
    "diff": (
        ("fieldline diff -7d", N_("What is different since a week ago.")),
        ("fieldline diff -14d -7d locality:241", N_("Between two times, of one locality.")),
    ),
    "restore": (
        ('fieldline restore "place:241/Entrance right" --at -7d --dry-run', N_("See first what that would write.")),
        ('fieldline restore "place:241/Entrance right" --at -7d', N_("As it was a week ago.")),
    ),
    "undo": (
        ("fieldline undo --last --dry-run", N_("See first which change that is.")),
        ("fieldline undo --last", N_("Undo what you wrote last.")),
        ("fieldline undo 6938cae5", N_("The id is what `fieldline log` shows.")),
    ),
    "serve": (
        ("fieldline serve", N_("Sync with all devices in the network.")),
        ("fieldline serve --serial /dev/ttyUSB0?baud=115200", N_("Also over a cable.")),
        ("fieldline serve --peer tcp://hq.example.org:7420", N_("Also with a device that is far away.")),
    ),
    "sync": (
        ("fieldline sync tcp://192.0.2.17:7420", N_("With a device where `fieldline serve` runs.")),
        ("fieldline sync serial:///dev/ttyUSB0", N_("Over a cable; the same at its other end.")),
        ("fieldline sync bundle:///media/usb", N_("With a stick.")),
    ),
    "pair": (
        ("fieldline pair --listen", N_("Wait for the other device.")),
        ("fieldline pair tcp://192.0.2.17 --device K5", N_("On the other device.")),
        ("fieldline pair serial:///dev/ttyUSB0", N_("On both ends of a cable.")),
    ),
    "peers": (("fieldline peers --wait 10", N_("Listen for ten seconds.")),),
    "place": (
        ("fieldline place", N_("Where this device is, and how it knows.")),
        ('fieldline place choose "place:241/Lane 1"', N_("Say so by hand.")),
        ("fieldline place apply --dry-run", N_("See what this device would be set up with.")),
    ),
    "place choose": (
        ('fieldline place choose "place:241/Lane 1"', N_("A kiosk that is bolted to the wall there.")),
        ("fieldline place choose --auto", N_("A device that is carried about.")),
    ),
    "place adopt": (
        ('fieldline place adopt --note "as installed"', N_("All that differs.")),
        ("fieldline place adopt printer --dry-run", N_("See first what that would write.")),
    ),
    "place apply": (
        ("fieldline place apply --dry-run", N_("Show the plan.")),
        ("fieldline place apply", N_("Carry it out; a second time nothing is left to do.")),
    ),
    "place journal": (("fieldline place journal --limit 5", N_("The last five steps.")),),
    "export": (
        ("fieldline export nord.fieldline", N_("All changes, sealed for the fleet.")),
        ("fieldline export --kind place places.csv", N_("All places, for a spreadsheet.")),
    ),
    "import": (
        ("fieldline import nord.fieldline", N_("What another device exported.")),
        ("fieldline import --kind place places.csv --dry-run", N_("See first what is new and what is changed.")),
        (
            'fieldline import --kind place places.csv --note "spring round"',
            N_("An empty cell leaves a value, `-` unsets it."),
        ),
    ),
    "schema": (("fieldline schema show", N_("What can be configured.")),),
    "schema show": (
        ("fieldline schema show", N_("The kinds with their properties.")),
        ("fieldline schema show --json", N_("For a program.")),
    ),
    "schema check": (("fieldline schema check radio.toml", N_("Is this a good one?")),),
    "schema apply": (
        ('fieldline schema apply radio.toml --note "radios, too"', N_("From a file.")),
        ("fieldline schema apply service-centre", N_("A built-in one.")),
    ),
    "verify": (
        ("fieldline verify", N_("Check everything.")),
        ("fieldline verify --repair", N_("And mend it, while nobody else has it open.")),
    ),
    "mirror": (
        ("fieldline mirror postgresql://fieldline@db.example.org/fleet", N_("Keep it up to date until stopped.")),
        ("fieldline mirror --check postgresql:///fleet", N_("Is it the same as here?")),
    ),
    "backup": (("fieldline backup /media/usb/K1.db", N_("While others work.")),),
    "restore-store": (("fieldline restore-store /media/usb/K1.db", N_("Then sync, before anything is written.")),),
    "doctor": (
        ("fieldline doctor", N_("What is wrong, if anything.")),
        ("fieldline doctor --json", N_("For what watches devices; the exit code is 1 if something is wrong.")),
    ),
    "completion": (
        ("fieldline completion bash >> ~/.bash_completion", N_("For good.")),
        ("fieldline completion fish | source", N_("For this shell only.")),
    ),
}
"""Of each command, by its words behind `fieldline`."""
