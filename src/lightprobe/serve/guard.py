"""What stands before the application: foreign web pages and bodies over the limit are refused here.

A browser lets any web page send requests to this machine; those of another origin get a 403. So do, on a
server for this machine only, those for another host: a page whose name was made to lead here (DNS rebinding)
has the origin that it asks, and only the name gives it away. And every page that leaves says, as a content
security policy, that nothing may be loaded from or sent to another machine, so that the browser holds to it
whatever a library's scripts may try.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

POLICY: Final = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


PATIENCE: Final = 20.0  # seconds that a body may stop for
SLOWEST: Final = 32_768  # bytes a second that it has to come with, on the whole
PLAIN_BODY: Final = 2**20  # of a request that carries no file


@dataclass(frozen=True)
class BodyLimits:
    """What bodies may have, by the address that they are sent to.

    Attributes
    ----------
    files : dict of str to int
        Bytes, by how the addresses begin that take files.
    others : int
        Of any other.
    """

    files: Mapping[str, int]
    others: int = PLAIN_BODY

    def of(self, path: str) -> int:
        """Return the most bytes of a request."""
        return next((most for start, most in self.files.items() if path.startswith(start)), self.others)


class Guard:
    """Refuses bodies over a limit or too slow, before they are stored, and requests of foreign web pages."""

    def __init__(self, app: App, limits: BodyLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._limits.of(scope["path"])
        origin, length = headers.get("origin"), headers.get("content-length", "0")
        refusal = None
        if origin is not None and not _is_same(origin, headers.get("host")):
            refusal = 403, f"Requests from {origin} are not answered: ask from this machine's own pages."
        elif not length.isdecimal():
            refusal = 400, "The length of the body is no number."
        elif int(length) > limit:
            refusal = 413, _too_large(limit)
        if refusal is not None:
            await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)
            return
        received, whole, start = 0, False, time.monotonic()

        async def bounded() -> Message:
            nonlocal received, whole
            if whole:
                return await receive()  # that the client has gone, whenever that is
            left = start + PATIENCE + received / SLOWEST - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, min(left, PATIENCE)))
            except TimeoutError:
                raise HTTPException(408, "The body of the request comes too slowly.") from None
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > limit:
                raise HTTPException(413, _too_large(limit))
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self._app(scope, bounded, marked)


def _is_same(origin: str, host: str | None) -> bool:
    """Tell whether a page's origin is the host that it asks."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _too_large(limit: int) -> str:
    return f"A request to this address may have {limit} bytes: send fewer or smaller photos."


class LocalHosts:
    """Refuses requests whose Host is no name or address of loopback, as Jupyter does.

    Starlette's TrustedHostMiddleware knows names, not all of 127.0.0.0/8, and does not say why it refuses.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] == "http" and not _is_local(host := Headers(scope=scope).get("host", "")):
            detail = f"Requests for {host!r} are not answered: ask for localhost, or serve on another --host."
            await JSONResponse({"detail": detail}, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_local(host: str) -> bool:
    """Say whether a Host header, with or without a port, names loopback."""
    try:
        name = urlsplit(f"//{host}").hostname
        return name == "localhost" or ip_address(name or "").is_loopback
    except ValueError:  # neither a name that is known nor an address
        return False
