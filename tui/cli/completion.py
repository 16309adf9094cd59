"""The completion scripts of shells, and what bash needs besides click's."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from tui.cli.help import COMPLETE_VARIABLE, TranslatedCommand
from tui.i18n.translate import N_


class BashCompletion(BashComplete):
    """Completes words with `:`, `=` and blanks.

    Bash replaces only what stands behind the last of its word breaks.

    The script hands over the line up to the cursor and those breaks, and inserts what it gets as it is.
    """

    source_template = """\
%(complete_func)s() {
    local completion
    COMPREPLY=()
    while IFS= read -r completion; do
        case $completion in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            part,*) compopt -o nospace; COMPREPLY+=("${completion#*,}") ;;
            plain,*) COMPREPLY+=("${completion#*,}") ;;
        esac
    done < <(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \
%(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        ended = not line or (line[-1].isspace() and not line.endswith("\\ "))
        self._incomplete = "" if ended or len(words) < 2 else words[-1]
        raw = re.split(r"(?<!\\\\)\s", line)[-1] if not ended else ""
        self._is_quoted = line.count('"') % 2 == 1 or line.count("'") % 2 == 1 or raw[:1] in ("'", '"')
        return words[1:] if ended else words[1:-1], self._incomplete

    def format_completion(self, item: CompletionItem) -> str:
        value = str(item.value)
        kind = "part" if item.type == "plain" and value.endswith((":", "=")) else item.type
        if item.type != "plain" or self._is_quoted:
            return f"{kind},{value}"
        # A blank or a quote that is part of the word was escaped, or else it would have ended it.
        breaking = set(os.environ.get("COMP_BREAKS", "")) - set(" \t\n\"'\\")
        breaks = [at + 1 for at, char in enumerate(self._incomplete) if char in breaking]
        begun = breaks[-1] if breaks else 0
        return f"{kind}," + re.sub(r"([^\w./:=@%+,-])", r"\\\1", value[begun:])


_ZSH_PLAIN, _ZSH_OFFERED = 'if [[ "$type" == "plain" ]]', '    if [ -n "$completions" ]'


def _with_parts(template: str) -> str:
    """Click's script for zsh, by which nothing is put behind a word that goes on."""
    for old, new in (
        ("local -a completions\n", "local -a completions parts\n"),
        (_ZSH_PLAIN, f'if [[ "$type" == "part" ]]; then parts+=("$key")\n        el{_ZSH_PLAIN}'),
        (_ZSH_OFFERED, f'    [ -n "$parts" ] && compadd -S "" -U -V unsorted -a parts\n{_ZSH_OFFERED}'),
    ):
        template = template.replace(old, new, 1)
    return template


class ZshCompletion(ZshComplete):
    """Puts no blank behind a word that goes on, such as a kind with its colon."""

    source_template = _with_parts(ZshComplete.source_template)

    def format_completion(self, item: CompletionItem) -> str:
        if item.type == "plain" and str(item.value).endswith((":", "=")):
            return f"part\n{item.value}\n_"
        return super().format_completion(item)


add_completion_class(BashCompletion, "bash")
add_completion_class(ZshCompletion, "zsh")


@click.command(
    cls=TranslatedCommand,
    help=N_('Print the completion script of a shell; for bash: eval "$(fieldline completion bash)".'),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    if made := get_completion_class(shell):
        script = made(ctx.find_root().command, {}, "fieldline", COMPLETE_VARIABLE)
        click.echo(script.source_template % script.source_vars())
