"""What stands before the application: foreign web pages and bodies over the limit are refused here.

A browser lets any web page send requests to this machine; those of another origin get a 403. And every page
that leaves says, as a content security policy, that nothing may be loaded from or sent to another machine,
so that the browser holds to it whatever a library's scripts may try.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

POLICY: Final = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Guard:
    """Refuses bodies over a limit, before they are stored, and requests of foreign web pages."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], limit: int) -> None:
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
