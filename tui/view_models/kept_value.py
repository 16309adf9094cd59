"""Say what a fact did beside the value in use. Pure."""

from __future__ import annotations

from core.store.queries.fact_diffs import FactDiff
from core.values import is_same_value
from tui.i18n.translate import _


def kept_text(fact: FactDiff) -> str:
    """What a fact did that left the value in use as it was; empty if it did not.

    Resolving with that value keeps it, and undoing that only opens the conflict again.
    """
    if not fact.had_value or fact.new is None or not is_same_value(fact.old, fact.new):
        return ""
    if fact.is_reopened:
        return _("undone, in conflict again")
    return _("undone") if fact.is_withdrawal else _("kept")


def reopened_text(fact: FactDiff) -> str:
    """What else a fact did that brought another value; empty if nothing.

    It opened a conflict again.
    """
    return _("in conflict again") if fact.is_reopened and not kept_text(fact) else ""
