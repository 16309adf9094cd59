"""Announce this device in the networks, and pass on what others announce."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.membership import Membership
from core.service.dialer import Dialer
from core.service.error_reporter import ErrorReporter
from core.service.peer_discovery import NETWORK_REFRESH_INTERVAL_S
from core.service.root_watcher import RootWatcher
from core.service.serve_config import RETRY_AFTER_ERROR_S

if TYPE_CHECKING:
    from core.sync.discovery.browser import PeerBrowser


class Announcer:
    """Discovery of a serving device. Nothing is announced before `run`."""

    def __init__(
        self, fleet: bytes, device: bytes, dialer: Dialer, watcher: RootWatcher, errors: ErrorReporter
    ) -> None:
        self._fleet = fleet
        self._device = device
        self._dialer = dialer
        self._watcher = watcher
        self._errors = errors
        self._browser: PeerBrowser | None = None
        self._port = 0
        watcher.subscribers.append(self._on_root)

    async def run(self, host: str, port: int) -> None:
        """Announce that this device listens, and follow the networks.

        At a host and port, until cancelled.
        """
        self._port = port
        try:
            browser = await self._start_browser(host)
            await self._watcher.try_refresh()
            while True:
                await asyncio.sleep(NETWORK_REFRESH_INTERVAL_S)
                if await browser.update_interfaces():
                    self._dialer.on_network_change()
                    await self._watcher.try_refresh()
        finally:
            if self._browser is not None:
                await self._browser.close()

    async def _start_browser(self, host: str) -> PeerBrowser:
        """Start to listen, again and again until the network allows it."""
        from core.sync.discovery.browser import PeerBrowser

        while True:
            self._browser = PeerBrowser(self._dialer.on_announcement, self._dialer.on_withdrawal, host=host)
            try:
                await self._browser.start()
            except FieldlineError as error:
                self._errors.report(error)
                await asyncio.sleep(RETRY_AFTER_ERROR_S)
            else:
                return self._browser

    def _on_root(self, root: bytes, membership: Membership) -> None:
        if self._browser is not None:
            self._browser.announce(self._port, self._fleet, root, self._device)
