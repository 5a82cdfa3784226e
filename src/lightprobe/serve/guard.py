"""What stands before the application: foreign web pages and bodies over the limit are refused here.

A browser lets any web page send requests to this machine; those of another origin get a 403. So do, on a
server for this machine only, those for another host: a page whose name was made to lead here (DNS rebinding)
has the origin that it asks, and only the name gives it away. And every page that leaves says, as a content
security policy, that nothing may be loaded from or sent to another machine, so that the browser holds to it
whatever a library's scripts may try.
"""

from collections.abc import Awaitable, Callable, MutableMapping
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


class Guard:
    """Refuses bodies over a limit, before they are stored, and requests of foreign web pages."""

    def __init__(self, app: App, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        refusal = None
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            refusal = 403, f"Requests from {origin} are not answered: ask from this machine's own pages."
        elif int(headers.get("content-length", 0)) > self._limit:
            refusal = 413, self._too_large()
        if refusal is not None:
            await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._too_large())
            return message

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, counted, marked)

    def _too_large(self) -> str:
        return f"A request may have {self._limit} bytes: send fewer or smaller photos."


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
