"""Confirm that everything is as it stands on the screen.

One key on a round, one change.
"""

from __future__ import annotations

from core.confirmation import confirm_edits, confirmation_state, contested_properties
from core.records import Record
from tui.i18n.translate import _, language, ngettext
from tui.screens.base import BaseScreen

MIN_INTERVAL_US = 600 * 1_000_000
"""Ten minutes: a second press is one too many, while nobody makes a round twice in that time."""


async def confirm_record(screen: BaseScreen, shown: Record) -> None:
    """Confirm all values of an entity as shown, unless this person just did.

    What is in conflict is left as it is, and named. Raises Refused if there is nothing to confirm.
    """
    state = screen.state
    title = (await state.view.names([shown.entity], state.schema))[shown.entity].title
    confirmations = (await state.view.confirmations([shown.entity]))[shown.entity]
    last = confirmation_state(shown, confirmations)
    here, now_us = (state.workspace.user, state.workspace.identity.device), state.dates.clock()
    is_mine = all((leaf.user, leaf.device) == here for leaf in confirmations.values())
    if last.oldest is not None and last.is_complete and is_mine and now_us - last.oldest.at_us < MIN_INTERVAL_US:
        text = _("{name}: you have confirmed it already, {when}.")
        screen.show_message(text.format(name=title, when=state.dates.short(last.oldest.at_us)))
        return
    edits = confirm_edits(shown)
    await state.workspace.save(edits)
    await state.refresh_data()
    text = _("{name}: {values} confirmed.").format(
        name=title, values=ngettext("{count} value", "{count} values", len(edits))
    )
    left = contested_properties(shown)
    if left:
        kind = state.schema.kind(shown.kind)
        labels = ", ".join(kind.property(name).label(language()) for name in left)
        text += " " + _("In conflict, so not confirmed: {properties}.").format(properties=labels)
    screen.show_message(text, attention=bool(left))
