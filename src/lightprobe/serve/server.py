"""The HTTP server under the application."""

import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address

from fastapi import FastAPI

from lightprobe.errors import MissingExtraError, OptionError
from lightprobe.serve.guard import LocalHosts


def serve(app: FastAPI, host: str, port: int, *, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to stop; on a loopback address, requests for this machine's names only.

    Parameters
    ----------
    app : FastAPI
    host, port
        Where to listen.
    ready : callable
        Told the address once connections are taken.

    Raises
    ------
    OptionError
        If the address cannot be listened on.
    """
    try:
        import uvicorn
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
    with listening:
        ready(f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        server.run(sockets=[listening])
