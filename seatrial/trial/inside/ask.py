"""Send a server one HTTP request: the only place of the trial that does.

Where the host cannot reach a container, this text runs with the container's own Python:
`python -c TEXT METHOD ROUTE PORT TIMEOUT` sends standard input and prints one JSON line, `[status, base64]`.
"""

import base64
import http.client
import json
import socket
import sys


def ask(
    host: str,
    port: int,
    method: str,
    route: str,
    body: bytes,
    timeout: float,
    connected: "socket.socket | None" = None,
) -> tuple[int, bytes]:
    """Send one request, on a connection of its own or on `connected`; return the status and the body of the answer.

    Raises:
        OSError: there is no connection, or no answer within `timeout` seconds.
        http.client.HTTPException: what came back is not HTTP.
    """
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    connection.sock = connected
    try:
        connection.request(method, route, body or None, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def main() -> None:
    """Ask the server of this container; status 0 means that no answer came."""
    method, route, port, timeout = sys.argv[1:]
    try:
        status, data = ask("127.0.0.1", int(port), method, route, sys.stdin.buffer.read(), float(timeout))
    except (OSError, http.client.HTTPException) as error:
        status, data = 0, repr(error).encode()
    print(json.dumps([status, base64.b64encode(data).decode()]))  # noqa: T201


if __name__ == "__main__":
    main()
