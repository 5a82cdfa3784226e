"""Who may ask, and how much: a token for servers that other machines reach, a rate for each of their clients.

The token stands in the address that the server prints. A browser that opens it gets a cookie and is sent on
to the address without it; programs send `Authorization: Bearer TOKEN`. Clients on this machine are trusted
with time: there is no rate for them.
"""

import hmac
import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse

from lightprobe.serve.guard import App, Receive, Scope, Send

COOKIE: Final = "lightprobe-token"
SHORTEST_TOKEN: Final = 8
OPEN_TO_ALL: Final = frozenset(("/healthz",))
MOST_CLIENTS: Final = 10_000  # that are remembered; those that asked longest ago are forgotten


class TokenGate:
    """Answers those who know the token; 401 for others."""

    def __init__(self, app: App, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] == "lifespan" or scope.get("path") in OPEN_TO_ALL:
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif self._is_known(Headers(scope=scope)):
            await self._app(scope, receive, send)
        else:
            await self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in asked if name == "token"), "")
        if not (scope["method"] == "GET" and self._is_right(given)):
            detail = (
                "This server asks for its token: open the address that it printed, "
                "or send the header Authorization: Bearer TOKEN."
            )
            await JSONResponse({"detail": detail}, 401)(scope, receive, send)
            return
        rest = urlencode([(name, value) for name, value in asked if name != "token"])
        # Relative, so that it leads to the host that was asked, and nowhere else.
        path = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(COOKIE, given, httponly=True, samesite="strict", path="/")
        answer.headers["cache-control"] = "no-store"
        answer.headers["referrer-policy"] = "no-referrer"
        await answer(scope, receive, send)

    def _is_known(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_right(token.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_right(cookie.value)

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)


class Rates:
    """How much each client may ask for: `burst` at once, and then `a_minute` (a token bucket).

    Parameters
    ----------
    a_minute, burst : float
    """

    def __init__(self, a_minute: float, burst: float) -> None:
        self._a_second, self._burst = a_minute / 60, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, n: float = 1) -> float:
        """Take n from what a client may have; return the seconds to wait if that is too much, or 0."""
        now = time.monotonic()
        left, since = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._a_second)
        enough = left >= min(n, self._burst)
        self._left[client] = (left - n if enough else left, now)
        while len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if enough else (min(n, self._burst) - left) / self._a_second


class RateGate:
    """Counts what clients of other machines POST; 429 for those who ask for too much."""

    def __init__(self, app: App, rates: Rates) -> None:
        self._app, self._rates = app, rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        client = (scope.get("client") or ("",))[0]
        if scope["type"] == "http" and scope["method"] == "POST" and not is_loopback(client):
            seconds = self._rates.take(client)
            if seconds:
                await too_many(seconds)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def too_many(seconds: float) -> JSONResponse:
    """Say that a client has to wait."""
    detail = f"These are more answers than one client may have: ask again in {seconds:.0f} s."
    return JSONResponse({"detail": detail}, 429, {"retry-after": f"{seconds:.0f}"})


def is_loopback(host: str) -> bool:
    """Tell whether an address is one of this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
