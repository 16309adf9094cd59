"""Every command has a man page in both languages that says what `--help` says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

from fieldline_package.manual import ManFormatter, escape, man_pages
from tui.cli.main import fieldline
from tui.cli.verbs import VERBS
from tui.i18n import translate

EPOCH = 1_700_000_000


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    before = translate.language()
    yield
    translate.set_language(before)


def plain(page: str) -> str:
    """The words of a page, without its macros."""
    text = re.sub(r"(?m)^\.\w+ ?", "", page).replace(r"\-", "-").replace(r"\&", "").replace(r"\e", "\\")
    return " ".join(re.sub(r"\\f[BRI]", "", text).split())


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_command_has_a_page_with_the_text_of_its_help(language: str) -> None:
    pages = man_pages(fieldline, language, EPOCH, "1.0")
    assert {"fieldline", "fieldline-place-adopt", *(f"fieldline-{verb}" for verb in VERBS)} <= set(pages)
    root = click.Context(fieldline, info_name="fieldline", **fieldline.context_settings)
    for verb in VERBS:
        command = fieldline.get_command(root, verb)
        assert command is not None
        context = click.Context(command, info_name=verb, parent=root)
        page = plain(pages[f"fieldline-{verb}"])
        assert " ".join(translate._(command.help or "").split()) in page
        for option in command.get_params(context):
            if isinstance(option, click.Option) and (record := option.get_help_record(context)):
                assert all(" ".join(each.split()) in page for each in record), (verb, record)


def test_the_date_and_the_version_are_those_of_the_source() -> None:
    assert '1 "2023-11-14" "Fieldline 1.0"' in man_pages(fieldline, "en", EPOCH, "1.0")["fieldline-set"]


def test_no_text_becomes_a_request() -> None:
    assert escape(".x") == r"\&.x"
    assert escape("a\\-b") == r"a\e\-b"


def test_examples_keep_their_lines() -> None:
    formatter = ManFormatter("SYNOPSIS", "DESCRIPTION")
    formatter.write_text("Do it.\n\n\b\nfieldline one\nfieldline two")
    assert formatter.getvalue().endswith(".nf\nfieldline one\nfieldline two\n.fi\n")


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
@pytest.mark.parametrize("language", ["en", "de"])
def test_groff_has_nothing_to_object(language: str) -> None:
    text = "".join(man_pages(fieldline, language, EPOCH, "1.0").values())
    command = ["groff", "-man", "-ww", "-z", "-Kutf8", "-Tutf8"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
