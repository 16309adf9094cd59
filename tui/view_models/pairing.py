"""What a pairing came to, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.i18n.translate import _, error_text

if TYPE_CHECKING:
    from core.workspace.pairing import PairResult


def result_text(result: PairResult) -> str:
    """What a pairing came to, in a sentence, and why its sync failed."""
    role = _(result.role)
    if result.is_own:
        text = _("This device is in the fleet {fleet} now, as {role}.").format(fleet=result.fleet_name, role=role)
    else:
        text = _("{name} is in the fleet now, as {role}.").format(name=result.name, role=role)
    if result.sync_error is None:
        return text
    why = error_text(result.sync_error)
    failed = _("The sync that was to follow failed: {why} Sync again.")
    return f"{text} {failed.format(why=why)}"
