"""What the verbs share with click.

Help in the language in use, `--json`, and running what is asynchronous.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from tui.cli.context import CliContext
from tui.cli.interruption import explain_stop
from tui.i18n.translate import N_, _
from tui.i18n.unexpected import is_traceback_wanted, unexpected_error_text

COMPLETE_VARIABLE = "_FIELDLINE_COMPLETE"
"""Set by the script of a shell that asks what to offer."""

F = TypeVar("F", bound=Callable[..., Any])


class TranslatedOption(click.Option):
    """An option whose help is translated when it is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        english = self.help
        try:
            self.help = _(english) if english else None
            return super().get_help_record(ctx)
        finally:
            self.help = english


class TranslatedCommand(click.Command):
    """A command whose help is translated when it is shown."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = _("Show this help and leave.")
        return option

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=_("Usage:") + " ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.help:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(_(self.help))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = [record for param in options if (record := param.get_help_record(ctx))]
        if records:
            with formatter.section(_("Options")):
                formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tui.cli.examples import EXAMPLES

        if examples := EXAMPLES.get(ctx.command_path.partition(" ")[2]):
            with formatter.section(_("Examples")):
                # As one copies them: a line is never broken, and what it does stands below it.
                formatter.write_dl([(line, _(purpose)) for line, purpose in examples], col_max=2)


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """An option of a verb; its help is marked with N_."""
    return click.option(*names, cls=TranslatedOption, **settings)


argument = click.argument


def verb(
    help_text: str, name: str | None = None, *, prints_data: bool = True
) -> Callable[[Callable[..., Awaitable[int | None]]], click.Command]:
    """Make an asynchronous function a verb, with `--json` if it prints data.

    It is called with the context and its arguments.
    """

    def made(function: Callable[..., Awaitable[int | None]]) -> click.Command:
        def run(as_json: bool = False, **arguments: Any) -> int | None:
            context = click.get_current_context().ensure_object(CliContext)
            context.json = as_json
            return run_verb(context, lambda: function(context, **arguments))

        json_option = TranslatedOption(["--json", "as_json"], is_flag=True, help=N_("Print the data as JSON."))
        run.__click_params__ = [  # type: ignore[attr-defined]
            *([json_option] if prints_data else []),
            *getattr(function, "__click_params__", ()),
        ]
        command = click.command(name or function.__name__.rstrip("_"), cls=TranslatedCommand, help=help_text)(run)
        if COMPLETE_VARIABLE in os.environ:
            _add_completers(command)
        return command

    return made


def run_verb(context: CliContext, start: Callable[[], Awaitable[int | None]]) -> int | None:
    """Run what a verb does in an event loop of its own, and give its exit code."""
    with explain_stop(context), asyncio.Runner() as runner:
        # First, as it needs descriptors and may fail: else a coroutine would be left that nobody awaits.
        loop = runner.get_loop()
        loop.set_exception_handler(_LoopErrorReporter(context))
        wake_for_signals(loop)
        return runner.run(_run_async(start()))


def wake_for_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Let every signal wake a loop.

    One that comes just before the loop waits, or to another thread, would else be seen only at the next event: Ctrl+C
    at a silent peer, after a minute. A handler of any signal does this for all; SIGCONT asks for nothing else.
    """
    if threading.current_thread() is threading.main_thread():
        loop.add_signal_handler(signal.SIGCONT, lambda: None)


def _add_completers(command: click.Command) -> None:
    """Have a shell offer what is there for each parameter whose name says what it is."""
    from tui.cli.completers import completer_of

    for parameter in command.params:
        if not isinstance(parameter.type, click.Choice) and (completer := completer_of(parameter.name or "")):
            parameter._custom_shell_complete = completer  # as its argument shell_complete does


class _LoopErrorReporter:
    """Say in one sentence what asyncio would trace, and only once."""

    def __init__(self, cli: CliContext) -> None:
        self._cli = cli
        self._reported: set[str] = set()

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if is_traceback_wanted():
            loop.default_exception_handler(context)
            return
        error = context.get("exception")
        if isinstance(error, OSError) and error.strerror:
            text = _("The system reports: {why}.").format(why=error.strerror)
        else:
            text = unexpected_error_text(error or RuntimeError(context.get("message", "")))
        if text not in self._reported:
            self._reported.add(text)
            self._cli.print_message(text)


async def _run_async(work: Awaitable[int | None]) -> int | None:
    return await work
