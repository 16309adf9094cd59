"""How far something is confirmed, in words.

When somebody last saw on the spot that it is as it stands here. Pure.
"""

from __future__ import annotations

from core.confirmation import ConfirmationState
from core.slots import Candidate
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import _


def confirmation_text(state: ConfirmationState, dates: DateFormatter) -> str:
    """Since when and by whom all is confirmed, by the oldest confirmation.

    How much is, if not all; else empty.
    """
    if state.oldest is None:
        return ""
    if state.is_complete:
        return confirmed_text(state.oldest, dates)
    return _("{count} of {total} values confirmed").format(count=state.confirmed_count, total=state.value_count)


def confirmed_text(leaf: Candidate, dates: DateFormatter) -> str:
    """When and by whom a value was confirmed."""
    return _("confirmed {when} by {user}").format(when=dates.days_ago(leaf.at_us), user=leaf.user)
