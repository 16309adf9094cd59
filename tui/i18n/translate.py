"""Translation: English in the code, others from gettext catalogues in tui/locale.

Used by the terminal UI and by the command line, so it imports nothing heavy. `_` translates when it is called,
therefore texts that live in tables are marked with `N_` and translated where they are shown.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from pathlib import Path

from core.errors import FieldlineError

CATALOGUE_DOMAIN = "fieldline"
LANGUAGES = ("en", "de")
LOCALE_FOLDER = Path(__file__).parent.parent / "locale"


class _Catalogue:
    """What is spoken now."""

    language = "en"
    texts = gettext.NullTranslations()


def choose_language(option: str | None, environ: Mapping[str, str]) -> str:
    """The language: the option, else LC_ALL, LC_MESSAGES, LANG, else English.

    The first that is set.
    """
    wanted = option or next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "en")
    code = wanted.replace("-", "_").split("_")[0].split(".")[0].lower()
    return code if code in LANGUAGES else "en"


def set_language(language: str) -> None:
    """Speak this language from now on (one of LANGUAGES; anything else is English)."""
    _Catalogue.language = language if language in LANGUAGES else "en"
    _Catalogue.texts = gettext.translation(
        CATALOGUE_DOMAIN, LOCALE_FOLDER, languages=[_Catalogue.language], fallback=True
    )


def language() -> str:
    """The language in use, as the schema's labels name it."""
    return _Catalogue.language


def _(text: str) -> str:
    """`text` in the language in use."""
    return _Catalogue.texts.gettext(text) if text else ""


def N_(text: str) -> str:  # noqa: N802 - the usual name of gettext's no-op
    """Marks a text for the catalogues and leaves it as it is."""
    return text


def ngettext(one: str, many: str, count: int) -> str:
    """The form for `count` things; `{count}` in it is filled in."""
    return _Catalogue.texts.ngettext(one, many, count).format(count=format_number(count))


def format_number(count: int) -> str:
    """A whole number with the thousands separated as the language does it."""
    return f"{count:,}".replace(",", _(","))


def error_text(error: FieldlineError) -> str:
    """The sentence of an error in the language in use, with that of its cause."""
    params = {
        name: error_text(value) if isinstance(value, FieldlineError) else value for name, value in error.params.items()
    }
    return _(error.template).format(**params)
