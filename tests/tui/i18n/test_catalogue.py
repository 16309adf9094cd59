"""The German catalogue.

Whole, made of the same fields as the English, and compiled into what is read at run time.
"""

from __future__ import annotations

import ast
import gettext
import io
import re
from datetime import UTC
from functools import cache
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from rich.cells import cell_len

from tui.commands import commands_of, scope_names
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import CATALOGUE_DOMAIN, LOCALE_FOLDER, _, set_language

ROOT = LOCALE_FOLDER.parent.parent
PO = LOCALE_FOLDER / "de" / "LC_MESSAGES" / f"{CATALOGUE_DOMAIN}.po"
MO = PO.with_suffix(".mo")


def _catalogue() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file, locale="de")


MESSAGES: list[Message] = [message for message in _catalogue() if message.id]


def _forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (str(text),)


def _fields(text: str) -> list[tuple[str, str | None, str | None]]:
    """The fields of a template, as str.format fills them in.

    Also raises ValueError where a brace is wrong.
    """
    found = [(name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None]
    return sorted(found, key=repr)


def _code(text: str) -> list[str]:
    """What is typed exactly so: commands in backticks and options."""
    return sorted(re.findall(r"`[^`]*`|(?<![\w-])--[a-z-]+", text))


def _wrong(holds: object) -> list[str]:
    """The English of the messages for which something does not hold."""
    assert callable(holds)
    return [_forms(message.id)[0] for message in MESSAGES if not holds(message)]


def test_every_message_is_translated() -> None:
    assert len(MESSAGES) > 500
    assert _wrong(lambda message: all(form.strip() for form in _forms(message.string))) == []


def test_no_translation_is_a_guess() -> None:
    assert _wrong(lambda message: not message.fuzzy) == []
    assert not _catalogue().fuzzy


def test_both_languages_have_the_same_fields() -> None:
    def same(message: Message) -> bool:
        # A singular may say "one" in words; the translation is measured by the plural.
        fields = _fields(_forms(message.id)[-1])
        return all(_fields(form) == fields for form in _forms(message.string))

    assert _wrong(same) == []


def test_commands_and_options_are_left_as_they_are() -> None:
    def same(message: Message) -> bool:
        code = _code(_forms(message.id)[-1])
        return all(_code(form) == code for form in _forms(message.string))

    assert _wrong(same) == []


def test_spaces_and_line_breaks_at_the_edges_are_kept() -> None:
    def edges(text: str) -> tuple[str, str]:
        return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]

    def same(message: Message) -> bool:
        english = edges(_forms(message.id)[-1])
        return all(edges(form) == english for form in _forms(message.string))

    assert _wrong(same) == []


def test_plural_forms_are_those_of_german() -> None:
    catalogue = _catalogue()
    assert (catalogue.num_plurals, catalogue.plural_expr) == (2, "(n != 1)")
    plurals = [message for message in MESSAGES if message.pluralizable]
    assert plurals
    assert [message.id for message in plurals if len(_forms(message.string)) != 2] == []


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, _catalogue())
    assert MO.read_bytes() == compiled.getvalue(), "run make translations"


def test_what_is_read_at_run_time_speaks_german() -> None:
    german = gettext.translation(CATALOGUE_DOMAIN, LOCALE_FOLDER, languages=["de"])
    assert german.gettext("History") == "Verlauf"
    assert [german.ngettext("{count} change", "{count} changes", n) for n in (0, 1, 2)] == [
        "{count} Änderungen",
        "{count} Änderung",
        "{count} Änderungen",
    ]


# Words of the program's own dialect, which people should not have to learn: today's words are in docs/style.md.
BANNED_ENGLISH = re.compile(
    r"""\b(matters?|settl\w*|meet\w*|met|brought|wants?\ a|no\ longer\ used|out\ of\ use|into\ use\ again
    |tak(e|es|en)\ (it\ |them\ |that\ )?back|(bring|brings|brought)\ (it\ )?back|save\ again|moments?|became
    |something\ new|found\ a|founds|verbs?|members\ page|said|sought|draw\w*\ .*anew|right\ form|stranger|carrier
    |in\ use\ meanwhile)\b""",
    re.IGNORECASE | re.VERBOSE,
)
BANNED_GERMAN = re.compile(
    r"""\b(zurücknehmen|zurückgenommen|nimmt\ es\ zurück|zurückholen|zurückgeholt|inzwischen\ (gilt|gelten)
    |Momente?s?|Mitgliederseite)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def _words(text: str) -> str:
    """A text without its fields, and without what is typed exactly so."""
    return re.sub(r"\{[^}]*\}|`[^`]*`|(?<![\w-])--[a-z-]+", " ", text)


def test_no_message_says_a_banned_word() -> None:
    english = [form for message in MESSAGES for form in _forms(message.id) if BANNED_ENGLISH.search(_words(form))]
    german = [form for message in MESSAGES for form in _forms(message.string) if BANNED_GERMAN.search(_words(form))]
    assert (english, german) == ([], [])
    assert BANNED_ENGLISH.search("Settled. u takes it back."), "the test can fail"
    assert BANNED_GERMAN.search("Wird zurückgenommen"), "the test can fail"


@pytest.mark.parametrize(("language", "date"), [("en", "28 Sep 2026"), ("de", "28.9.2026")])
def test_days_and_months_fit_their_columns(language: str, date: str) -> None:
    now = 1_790_000_000_000_000
    set_language(language)
    try:
        when = DateFormatter(lambda: now, UTC)
        assert when.dated(now + 7 * 86_400_000_000).startswith(date)
        for days in range(400):
            at = now - days * 86_400_000_000
            assert cell_len(when.short(at)) <= 11
            assert cell_len(when.brief(at)) <= 9
            assert cell_len(when.dated(at)) <= 17
            assert cell_len(when.full(at)) <= 20
    finally:
        set_language("en")


@cache
def _sources() -> list[ast.Module]:
    return [ast.parse(path.read_text()) for top in ("core", "tui") for path in sorted((ROOT / top).rglob("*.py"))]


def test_the_extraction_knows_every_error() -> None:
    """An error's first argument is shown, so the Makefile must extract its class."""
    classes = [node for tree in _sources() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    errors = {"FieldlineError"}
    while (
        more := {
            each.name for each in classes for base in each.bases if isinstance(base, ast.Name) and base.id in errors
        }
        - errors
    ):
        errors |= more
    shown = {
        node.func.id
        for tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }
    known = set(re.findall(r"-k (\w+)", (ROOT / "Makefile").read_text()))
    assert shown
    assert shown - known == set()


def test_no_text_is_marked_where_the_extraction_does_not_look() -> None:
    """Babel does not look into f-strings.

    A text that is marked there is never translated.
    """
    hidden = [
        ast.unparse(node)
        for tree in _sources()
        for joined in ast.walk(tree)
        if isinstance(joined, ast.JoinedStr)
        for node in ast.walk(joined)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "N_", "ngettext")
        if node.args and isinstance(node.args[0], ast.Constant)
    ]
    assert hidden == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_a_command_does_fits_into_the_help_at_80_columns(language: str) -> None:
    set_language(language)
    assert [command.name for command in commands_of(*scope_names()) if cell_len(_(command.help)) > 60] == []
