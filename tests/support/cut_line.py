"""A socket before PostgreSQL's, cut after so many bytes, as by a bad network."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

PIECE_BYTES = 4096


class CutLine:
    """Listen in a folder, and pass connections on for `budget` bytes."""

    def __init__(self, folder: Path, server: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        self.folder = folder
        self.budget = 0
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / server.name))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                continue
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                if is_counted:
                    data = data[: max(0, self.budget)]
                    self.budget -= len(data)
                    if not data:
                        break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
