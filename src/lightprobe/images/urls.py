"""Photos on the web: fetched when they are read, within limits of time and size."""

import re
import time
from typing import TYPE_CHECKING, Any, Final

from lightprobe._version import __version__
from lightprobe.errors import ImageError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

SECONDS: Final = 20.0  # for one photo, from asking to its last byte
MAX_BYTES: Final = 64 << 20
_BLOCK: Final = 1 << 16
_ADDRESS: Final = re.compile(r"https?://", re.IGNORECASE)


def is_url(item: Any) -> bool:
    """Tell the address of a photo on the web."""
    return isinstance(item, str) and _ADDRESS.match(item) is not None


def fetch(url: str, seconds: float = SECONDS, max_bytes: int = MAX_BYTES) -> bytes:
    """Return what lies at an http or https address.

    Raises
    ------
    ImageError
        If it cannot be had, is larger, or takes longer.
    """
    # With what they load, a tenth of the time that an answer takes.
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    end = time.monotonic() + seconds
    parts, n_bytes = [], 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"lightprobe/{__version__}"})  # noqa: S310
        with _opener().open(request, timeout=seconds) as answer:
            while part := answer.read1(_BLOCK):
                parts.append(part)
                n_bytes += len(part)
                if n_bytes > max_bytes:
                    raise ImageError(f"larger than {max_bytes / 2**20:.0f} MiB, and not fetched further")
                if time.monotonic() > end:
                    raise ImageError(f"not there within {seconds:.0f} seconds")
    except urllib.error.HTTPError as error:
        raise ImageError(f"cannot be fetched: {error.code} {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise ImageError(f"cannot be fetched: {getattr(error, 'reason', None) or error}") from None
    return b"".join(parts)


def _opener() -> "OpenerDirector":
    """Open http and https and nothing else, wherever an answer leads."""
    import urllib.request

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
