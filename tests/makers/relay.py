"""A line between a client and a server on the loopback that can be slow, freeze, and be cut."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator

_ROOM = 256


class Relay:
    """Carries connections to `127.0.0.1:port`, each piece `delay` seconds late in both directions."""

    def __init__(self, port: int, delay: float = 0.0) -> None:
        self._target = port
        self._delay = delay
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.carried = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Carry nothing any more; nobody is told."""
        self._flows.clear()

    def thaw(self) -> None:
        """Carry what waited, and go on."""
        self._flows.set()

    def cut(self) -> None:
        """Break all connections; new ones can be made."""
        self._flows.set()
        while self._sockets:
            end = self._sockets.pop()
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Break all, and listen no more."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [here, there]
                self._carry(here, there)
                self._carry(there, here)

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        late: queue.Queue[tuple[float, bytes]] = queue.Queue(_ROOM)
        for work in (self._take, self._give):
            threading.Thread(target=work, args=(source if work == self._take else sink, late), daemon=True).start()

    def _take(self, source: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            late.put((time.monotonic() + self._delay, data))

    def _give(self, sink: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = late.get()
                threading.Event().wait(max(due - time.monotonic(), 0))
                self._flows.wait()
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                self.carried += len(data)
                sink.sendall(data)


@contextlib.contextmanager
def relay(port: int, delay: float = 0.0) -> Iterator[Relay]:
    """Run a relay to `port` until the block ends."""
    line = Relay(port, delay)
    try:
        yield line
    finally:
        line.close()
