"""What the screens know of the application that shows them: the data that all of them share, and where one can go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from core.membership import Membership
from core.schema import Schema
from core.store.view import View
from core.workspace import Workspace
from core.workspace.pending import Pending
from tui.command_host import Offering
from tui.drafts.draft import Draft
from tui.language.when import When
from tui.rows.cables import Cables
from tui.rows.forms import Names
from tui.rows.lines import Line
from tui.status import Options, Status
from tui.waiting import Waiting


class AppState(Protocol):
    """What all screens share. `moment` (microseconds since 1970 UTC) is the one that is looked at, None for now;
    `here` is the place where this device is, None if none was chosen; `loaded` is set once all of it was read.
    """

    READ_ONLY: str
    workspace: Workspace
    options: Options
    when: When
    schema: Schema
    membership: Membership
    names: Names
    status: Status
    drafts: dict[bytes, Draft]
    waiting: Waiting
    cables: Cables
    loaded: asyncio.Event
    moment: int | None
    known: bool
    here: bytes | None
    readonly: bool

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """What all screens read: the present, or the moment that somebody looks at."""
        ...

    @property
    def matters(self) -> Pending:
        """What waits for a decision, as far as it was read."""
        ...

    async def path(self, entity: bytes) -> str:
        """Where an entity is in the fleet."""
        ...

    async def paths(self, entities: Iterable[bytes]) -> dict[bytes, str]:
        """Where entities are in the fleet."""
        ...

    async def reload(self) -> None:
        """Read what the frame shows."""
        ...

    async def news(self) -> None:
        """Read everything that is shown anew."""
        ...

    # --- the frame ---------------------------------------------------------------------------------------------------

    def places(self) -> list[tuple[str, str]]:
        """The six places: name, and label in the language in use."""
        ...

    def banner(self) -> str:
        """What stands instead of the places while nothing can be edited."""
        ...

    def attention(self) -> Line:
        """What wants a person, for the right end of the first line."""
        ...

    # --- what a screen can ask for -----------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        """Carry out a command that can be used everywhere."""
        ...

    def held(self, page: Offering, name: str) -> bool:
        """Whether a command has to wait, as for the PIN of a kiosk; then that has been asked for."""
        ...

    def keep_drafts(self, typed: Draft | None = None) -> None:
        """Keep what is edited now, and in place of one of the drafts that with what is being typed."""
        ...

    def look_at(self, moment: int | None, known: bool = False) -> None:
        """Show everything as it was at a moment, or as this device had received it by then; None is now."""
        ...

    def show_history(self, entity: bytes, name: str | None, of: str) -> None:
        """Show the changes of an entity, or of one of its properties."""
        ...

    def show_found(self, hits: list[tuple[bytes, str]]) -> None:
        """Go to what a search found, in Fleet; entities with the properties whose values were found."""
        ...

    async def choose_here(self, entity: bytes) -> None:
        """Remember the place where this device is; it is kept on this device only."""
        ...
