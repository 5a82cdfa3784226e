"""The HTTP server under the application."""

import secrets
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address

from fastapi import FastAPI

from lightprobe.errors import MissingExtraError, OptionError
from lightprobe.serve.access import SHORTEST_TOKEN, TokenGate
from lightprobe.serve.guard import LocalHosts


def serve(
    app: FastAPI, host: str, port: int, *, ready: Callable[[str, str | None], None], token: str | None = None
) -> None:
    """Serve until the process is told to stop.

    On a loopback address only requests for this machine's names are answered; on any other, only those who
    know the token.

    Parameters
    ----------
    app : FastAPI
    host, port
        Where to listen.
    ready : callable
        Told the address, and the token if there is one, once connections are taken.
    token : str, optional
        What those who ask have to know; one is made up where others than this machine can ask.

    Raises
    ------
    OptionError
        If the address cannot be listened on, or the token is too short to be one.
    """
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise OptionError(
            f"The token has {len(token)} characters; it needs {SHORTEST_TOKEN} or more, of ASCII: "
            "leave it out, and one is made up."
        )
    try:
        import uvicorn

        from lightprobe.serve.connections import BoundedProtocol
    except ImportError:
        raise MissingExtraError("uvicorn", "web", "serving") from None
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise OptionError(
            f"{host}:{port} cannot be listened on ({error.strerror or error}): name another --host or --port."
        ) from None
    # uvicorn hands a signal on when it has shut down, and this one would end the process before it tidies up.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    # Connections inherit it. Without it the end of each answer waits 40 ms for the client to confirm the
    # beginning; asyncio sets it by itself, but not on sockets made this way (their protocol number is 0).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Asked of the socket, which has an address where `host` may be a name.
    if ip_address(listening.getsockname()[0]).is_loopback:
        app.add_middleware(LocalHosts)
    elif token is None:
        token = secrets.token_urlsafe(16)
    if token is not None:
        app.add_middleware(TokenGate, token=token)
    with listening:
        ready(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}", token)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                log_level="warning",
                timeout_graceful_shutdown=5,
            )
        )
        server.run(sockets=[listening])
