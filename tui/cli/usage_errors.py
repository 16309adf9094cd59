"""The sentence for a call that click cannot parse, in the language in use."""

from __future__ import annotations

import click

from tui.cli.verbs import VERBS
from tui.i18n.translate import _


def usage_error_text(error: click.UsageError) -> str:
    """The sentence for an error of click's."""
    path = error.ctx.command_path if error.ctx else "fieldline"
    help_call = f"{path} --help"
    match error:
        case click.NoSuchOption():
            return _("There is no option {option} here: see `{help}`.").format(option=error.option_name, help=help_call)
        case click.exceptions.NoSuchCommand():
            return _unknown_verb_text(error.command_name, help_call)
        case click.BadOptionUsage():
            return _("The option {option} is used wrongly: see `{help}`.").format(
                option=error.option_name, help=help_call
            )
        case click.MissingParameter():
            return _("{what} is missing: see `{help}`.").format(what=_parameter_name(error), help=help_call)
        case click.BadParameter():
            return _bad_value_text(error, help_call)
    return _("The call is wrong ({what}): see `{help}`.").format(what=error.message.rstrip("."), help=help_call)


def _unknown_verb_text(name: str, help_call: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, VERBS, n=1)
    if near:
        return _("There is no command {verb}: did you mean {near}?").format(verb=name, near=near[0])
    return _("There is no command {verb}: see `{help}`.").format(verb=name, help=help_call)


def _parameter_name(error: click.BadParameter) -> str:
    param = error.param
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.make_metavar(error.ctx) if param is not None and error.ctx is not None else "?"


def _bad_value_text(error: click.BadParameter, help_call: str) -> str:
    kind = error.param.type if error.param is not None else None
    if isinstance(kind, click.Choice):
        return _("{what} must be one of {choices}: see `{help}`.").format(
            what=_parameter_name(error), choices=", ".join(map(str, kind.choices)), help=help_call
        )
    if isinstance(kind, click.IntRange | click.FloatRange):
        low, high = kind.min, kind.max
        span = f"{low}–{high}" if high is not None else f"{low}+"
        return _("{what} must be a number in {span}: see `{help}`.").format(
            what=_parameter_name(error), span=span, help=help_call
        )
    return _("The value of {what} is not one that it can have: see `{help}`.").format(
        what=_parameter_name(error), help=help_call
    )
