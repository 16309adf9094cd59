"""The program `fieldline`.

Its verbs, loaded only when one is used, and what becomes of whatever goes wrong.

Data goes to stdout, messages for people to stderr. Exit codes: 0 done; 1 could not; 2 the call or its input is
wrong. Whatever happens, a person gets one sentence and never a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import click

from core.errors import FieldlineError, Refused
from core.values import printable
from tui.cli.context import CliContext, print_to_person
from tui.cli.help import COMPLETE_VARIABLE, TranslatedCommand, TranslatedOption
from tui.cli.verbs import GROUPS, VERBS
from tui.i18n import translate
from tui.i18n.translate import LANGUAGES, N_, _, error_text
from tui.i18n.unexpected import is_traceback_wanted, unexpected_error_text

EXIT_INTERRUPTED = 130
"""As shells report a program that SIGINT has ended: 128 + 2."""


class VerbGroup(TranslatedCommand, click.Group):
    """The verbs. The list of them loads none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, function = VERBS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in GROUPS:
            with formatter.section(_(heading)):
                formatter.write_dl([(name, _(VERBS[name][1])) for name in names])


@click.command(
    cls=VerbGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=N_("Configure a piece of equipment once; every field device knows it, with no server."),
)
@click.option(
    "--home",
    cls=TranslatedOption,
    envvar="FIELDLINE_HOME",
    metavar="DIR",
    help=N_("The folder with this device's store, key and settings (or set FIELDLINE_HOME)."),
)
@click.option(
    "--user",
    cls=TranslatedOption,
    envvar="FIELDLINE_USER",
    metavar="NAME",
    help=N_("Who is writing (or set FIELDLINE_USER)."),
)
@click.option(
    "--passphrase-file",
    cls=TranslatedOption,
    envvar="FIELDLINE_PASSPHRASE_FILE",
    metavar="FILE",
    help=N_("Where the passphrase of a sealed key is (or set FIELDLINE_PASSPHRASE_FILE; else it is asked for)."),
)
@click.option(
    "--lang", cls=TranslatedOption, type=click.Choice(LANGUAGES), help=N_("The language of the program's texts.")
)
@click.option("--version", cls=TranslatedOption, is_flag=True, help=N_("Show the version and leave."))
@click.pass_context
def fieldline(
    ctx: click.Context,
    home: str | None,
    user: str | None,
    passphrase_file: str | None,
    lang: str | None,
    version: bool,
) -> None:
    if home == "":
        raise Refused("--home is empty: name the folder with this device's store and key.")
    ctx.obj = CliContext(
        None if home is None else Path(home), user, None if passphrase_file is None else Path(passphrase_file)
    )
    ctx.obj.show_update = _show_update
    if version:
        from importlib.metadata import version as installed

        click.echo(f"fieldline {installed('fieldline')}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        from tui.cli.tui import tui

        ctx.invoke(tui)


def _show_update(stack: ExitStack) -> Callable[[int, int], None]:
    """Show how far a store is brought to this version, if there is anything to do."""
    shown: list[Callable[[int, int], None]] = []

    def on_progress(done: int, total: int) -> None:
        if not shown:
            from tui.cli.progress import show_progress

            shown.append(stack.enter_context(show_progress(N_("updating the store: {done} of {total}"))))
        shown[0](done, total)

    return on_progress


def main() -> None:
    """The console script."""
    if not is_traceback_wanted():
        # An event loop that got no descriptors fails once more when it is thrown away.
        sys.unraisablehook = lambda _what: None
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the program with these arguments; return its exit code."""
    _open_missing_streams()
    if COMPLETE_VARIABLE in os.environ:
        import tui.cli.completion  # noqa: F401 - what bash needs
    translate.set_language(translate.choose_language(_requested_language(arguments), os.environ))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    stdout = sys.stdout
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Whoever read this has seen enough: click replaces a stdout that nobody reads, and leaves with 1.
        if isinstance(end, SystemExit) and sys.stdout is stdout:
            raise
        sys.stdout = stdout
        _discard(stdout)
        return 0
    except OSError as error:
        _discard(sys.stdout)
        _print_error(_system_error_text(error))
        return 1
    finally:
        _flush_or_discard(sys.stderr)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        if any(0xD800 <= ord(char) <= 0xDFFF for argument in arguments for char in argument):
            _print_error(_("An argument is not valid text in this terminal's encoding: type it again."))
            return 2
        result: Any = fieldline.main(args=list(arguments), prog_name="fieldline", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except FieldlineError as error:
        _print_error(error_text(error))
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print_to_person(error.format_message())
        return 2
    except click.UsageError as error:
        from tui.cli.usage_errors import usage_error_text

        _print_error(usage_error_text(error))
        return 2
    except click.ClickException as error:
        _print_error(error.format_message())
        return 1
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        # If it was stdout's, what is left in its buffer would fail, and be told, once more.
        _flush_or_discard(sys.stdout)
        _print_error(_system_error_text(error))
        return 1
    except Exception as error:
        if is_traceback_wanted():
            raise
        _print_error(unexpected_error_text(error))
        return 1


def _open_missing_streams() -> None:
    """Put the null device where the caller closed a standard stream.

    So that no file opened later becomes one.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
        if getattr(sys, name) is None:
            stream = open(descriptor, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _print_error(sentence: str) -> None:
    print_to_person(printable(sentence))


def _system_error_text(error: OSError) -> str:
    """A sentence about a file or the machine that did not do what it should."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return _("Too many files are open on this device: close other programs and try again.")
    why = error.strerror or type(error).__name__
    if error.filename:
        return _("{path}: {why}.").format(path=os.fsdecode(error.filename), why=why)
    return _("The system reports: {why}.").format(why=why)


def _flush_or_discard(stream: TextIO) -> None:
    """Write out what a stream still holds, or drop it where nobody takes it.

    Else Python would end with 120.
    """
    try:
        stream.flush()
    except (OSError, ValueError):
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Let what is still to be written go nowhere.

    The descriptor must not be flushed again at exit.
    """
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _requested_language(arguments: Sequence[str]) -> str | None:
    """The language that the call asks for, before it is read.

    Since its mistakes are explained in that language.
    """
    for index, argument in enumerate(arguments):
        if argument == "--lang":
            return next(iter(arguments[index + 1 :]), None)
        if argument.startswith("--lang="):
            return argument.removeprefix("--lang=")
    return None
