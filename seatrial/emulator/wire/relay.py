"""Ports in front of the gRPC server: the relay forwards bytes, knows each call's port and can cut a connection.

gRPC's own server can neither drop a connection nor distinguish its ports. Real resets and the dedicated endpoints'
own ports need both. The relay never looks into the bytes.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

_CHUNK = 1 << 18  # bytes
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST


@dataclass(eq=False, slots=True)
class _Connection:
    port: int  # to which the client connected
    client: socket.socket
    server: socket.socket
    reset: bool = False
    ways: int = 2  # client to server and back; the last to end closes both sockets

    def end(self) -> None:
        """Wake up both ways; a connection that is reset must not send FIN first."""
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_RD if self.reset else socket.SHUT_RDWR)
        with suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)


class Relay:
    """Listens on loopback ports and forwards every connection to one upstream port."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._listeners: dict[int, socket.socket] = {}
        self._connections: dict[int, _Connection] = {}  # by our port towards the upstream

    def open(self, port: int) -> int:
        """Listen on a port, 0 for any; return the port.

        Raises:
            OSError: it is taken.
        """
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        opened: int = listener.getsockname()[1]
        with self._lock:
            self._listeners[opened] = listener
        threading.Thread(target=self._accept, args=(listener, opened), daemon=True, name=f"relay {opened}").start()
        return opened

    def shut(self, port: int) -> None:
        """Stop listening there and end the connections to that port."""
        with self._lock:
            listener = self._listeners.pop(port, None)
            ended = [connection for connection in self._connections.values() if connection.port == port]
        if listener is not None:
            with suppress(OSError):  # wakes accept()
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for connection in ended:
            connection.end()

    def port_of(self, peer: str) -> int | None:
        """Return the port of a connection; `peer` is gRPC's name for its other end."""
        with self._lock:
            found = self._connections.get(_port(peer))
        return found.port if found else None

    def drop(self, peer: str) -> None:
        """Reset a connection."""
        with self._lock:
            found = self._connections.get(_port(peer))
        if found:
            found.reset = True
            with suppress(OSError):
                found.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            found.end()

    def close(self) -> None:
        """Close every port."""
        with self._lock:
            ports = list(self._listeners)
        for port in ports:
            self.shut(port)

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(port, client, server)
            with self._lock:
                self._connections[server.getsockname()[1]] = connection
            for way in ((client, server), (server, client)):
                arguments = (connection, *way)
                threading.Thread(target=self._pass_on, args=arguments, daemon=True, name=f"relay {port}").start()

    def _pass_on(self, connection: _Connection, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                target.sendall(chunk)
        connection.end()
        with self._lock:
            connection.ways -= 1
            if connection.ways:
                return
            self._connections.pop(connection.server.getsockname()[1], None)
        connection.client.close()
        connection.server.close()


def _port(peer: str) -> int:
    """Return the port in gRPC's name for the other end; 0, which no connection has, if that end has gone already."""
    port = peer.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0
