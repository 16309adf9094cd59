"""Which devices the changes of the log have reached, as words beside a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.store.indexes.holdings import Holder
from core.store.queries.log import LogEntry
from core.workspace.holdings import read_holders
from tui.i18n.translate import _
from tui.view_models.form import DisplayNames

if TYPE_CHECKING:
    from core.workspace import Workspace


@dataclass(slots=True)
class LogReach:
    """What is known of who holds the changes that were read.

    `devices` are the active ones but this one, of which each should hold everything.
    """

    workspace: Workspace
    names: DisplayNames
    devices: Collection[bytes]
    _holders: dict[bytes, Sequence[Holder]] = field(default_factory=dict)

    async def load(self, entries: Sequence[LogEntry]) -> None:
        """Read who holds these changes."""
        changes = [entry.change for entry in entries]
        found: Mapping[bytes, Sequence[Holder]] = await read_holders(self.workspace, changes)
        self._holders |= {change: found.get(change, ()) for change in changes}

    def words(self, entry: LogEntry) -> tuple[str, str]:
        """Whom a change has reached, in a word or by names, and the role of that."""
        holders = {each.device for each in self._holders.get(entry.change, ())}
        wanted = [each for each in self.devices if each != entry.device]
        reached = sorted(self.names.device(each) for each in wanted if each in holders)
        if wanted and len(reached) == len(wanted):
            return _("everywhere"), "dim"
        if not reached:
            return _("nowhere yet"), "attention"
        return _("reached {devices}").format(devices=", ".join(reached)), "plain"

    def sentence(self, entry: LogEntry) -> str:
        """Whom a change has reached, and who reports it where no session has shown it."""
        parts = []
        for each in self._holders.get(entry.change, ()):
            name = self.names.device(each.device)
            if each.reported_by is not None:
                template = _("{device} (reported by {other})")
                name = template.format(device=name, other=self.names.device(each.reported_by))
            parts.append(name)
        return _("reached {devices}").format(devices=", ".join(parts)) if parts else _("not known to be elsewhere")
