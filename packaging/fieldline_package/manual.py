"""Man pages from the help of commands.

The same code that formats `--help`, with another formatter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from tui.i18n import translate

HEADINGS = {
    "en": ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"),
    "de": ("BEZEICHNUNG", "ÜBERSICHT", "BESCHREIBUNG", "SIEHE AUCH"),
}
"""The sections that every page has, as mandb(8) and readers know them."""
MAX_SUMMARY = 200
"""Characters of the line that apropos(1) shows."""


class ManFormatter(click.HelpFormatter):
    """Takes what a command's help is made of, and writes it in the man macros."""

    def __init__(self, synopsis: str, description: str) -> None:
        super().__init__()
        self._synopsis = synopsis
        self._description = description
        self._is_in_section = False

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self._lines(f".SH {_quoted(self._synopsis)}", rf"\fB{escape(prog)}\fR {escape(args)}".rstrip())

    def write_heading(self, heading: str) -> None:
        self._is_in_section = True
        self._lines(f".SH {_quoted(heading.upper())}")

    def write_paragraph(self) -> None:
        if self._is_in_section:
            self._lines(".PP")

    def write_text(self, text: str) -> None:
        if not self._is_in_section:
            self.write_heading(self._description)
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                self._lines(".PP")
            if paragraph.startswith("\b\n"):
                self._verbatim(paragraph.removeprefix("\b\n"))
            else:
                self._lines(escape(" ".join(paragraph.split())))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        for term, definition in rows:
            self._lines(".TP", rf"\fB{escape(term)}\fR", escape(" ".join(definition.split())))

    def write(self, string: str) -> None:
        """Text that is laid out already."""
        if string.strip():
            self._verbatim(string.strip("\n"))

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.write_heading(name)
        yield

    def _verbatim(self, text: str) -> None:
        self._lines(".nf", *map(escape, text.splitlines()), ".fi")

    def _lines(self, *lines: str) -> None:
        self.buffer.extend(line + "\n" for line in lines if line)


def escape(text: str) -> str:
    """Text as roff shows it.

    No control lines, no escapes, and a minus that can be copied.
    """
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _quoted(text: str) -> str:
    return '"' + escape(text).replace('"', r"\(dq") + '"'


def man_pages(root: click.Command, language: str, epoch: int, version: str) -> dict[str, str]:
    """The pages of a program and of each of its commands: name -> text."""
    translate.set_language(language)
    contexts = list(_contexts(root, click.Context(root, info_name="fieldline", **root.context_settings)))
    names = [_page_name(context) for context in contexts]
    date = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d")
    pages = {}
    for name, context in zip(names, contexts, strict=True):
        heading, synopsis, description, see_also = HEADINGS[language]
        formatter = ManFormatter(synopsis, description)
        context.command.format_help(context, formatter)
        others = [f"\\fB{escape(other)}\\fR(1)" for other in names if other != name and _are_near(name, other)]
        pages[name] = "".join(
            [
                f'.TH {_quoted(name.upper())} 1 "{date}" {_quoted(f"Fieldline {version}")}\n',
                f".SH {_quoted(heading)}\n{escape(name)} \\- {escape(_summary(context))}\n",
                formatter.getvalue(),
                f".SH {_quoted(see_also)}\n" + ",\n".join(others) + "\n",
            ]
        )
    return pages


def _contexts(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if found := command.get_command(context, name):
                yield from _contexts(found, click.Context(found, info_name=name, parent=context))


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _are_near(one: str, other: str) -> bool:
    """Whether a page leads to another.

    The program to its commands, these back, and a command to its own.
    """
    return other.rpartition("-")[0] == one or one.rpartition("-")[0] == other


def _summary(context: click.Context) -> str:
    return translate._(context.command.help or "").partition(". ")[0].rstrip(".")[:MAX_SUMMARY]
