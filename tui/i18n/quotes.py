"""Quote a text in the quotation marks of the language in use."""

from __future__ import annotations

from tui.i18n.translate import _


def quote(text: str | None) -> str:
    """The text in quotation marks; nothing for an empty one."""
    return _("“{text}”").format(text=text) if text else ""
