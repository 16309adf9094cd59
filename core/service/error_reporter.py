"""Report each failure of a serving device once, until it changes."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import FieldlineError
from core.service.serve_config import ServeEvent
from core.service.session_runner import TCP_PROFILE
from core.sync.discovery.dial_scheduler import MAX_PEER_NAMES


class ErrorReporter:
    """Pass failures to `on_event`, each only once in a row for the same origin."""

    def __init__(self, on_event: Callable[[ServeEvent], None]) -> None:
        self._on_event = on_event
        self._last_messages: dict[str, str] = {}
        """Origin (an endpoint, a device's id in hex, "" for this device) -> the message last reported from there."""

    def report(self, error: FieldlineError, endpoint: str | None = None, link_name: str = TCP_PROFILE.name) -> None:
        """Report a failure at an endpoint; None is this device itself."""
        self._report_once(endpoint or "", ServeEvent(None, error=error, endpoint=endpoint, link_name=link_name))

    def report_peer(self, device: bytes, error: FieldlineError) -> None:
        """Report a failure that concerns a device, wherever it is reached."""
        self._report_once(device.hex(), ServeEvent(device, error=error))

    def clear(self, endpoint: str) -> None:
        """Forget what was reported of an endpoint, so that the same failure counts as new."""
        self._last_messages.pop(endpoint, None)

    def _report_once(self, origin: str, event: ServeEvent) -> None:
        message = str(event.error)
        if self._last_messages.get(origin) == message:
            return
        # Origins come from whoever can reach this device.
        if len(self._last_messages) >= MAX_PEER_NAMES:
            self._last_messages.clear()
        self._last_messages[origin] = message
        self._on_event(event)
