"""Where the page's uploads lie: a folder for each server, of a bounded size, which goes with it.

A folder's server holds a lock in it. That of a server which was killed is free: the next server that starts
finds it so and deletes the folder.
"""

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from lightprobe.serve.guard import App, Receive, Scope, Send

PREFIX: Final = "lightprobe-uploads-"
LOCK: Final = ".lock"
ROUTE: Final = "/gradio_api/upload"


def uploads_folder(owner: Any) -> Path:
    """Make a folder that goes with its owner, and delete those whose servers are no more."""
    import filelock

    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, filelock.Timeout):
            if (old / LOCK).is_file():
                with filelock.FileLock(old / LOCK, timeout=0):
                    shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = filelock.FileLock(folder / LOCK, thread_local=False)
    lock.acquire()

    def end() -> None:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)

    weakref.finalize(owner, end)
    return folder


class UploadGuard:
    """Refuses uploads for which the folder has no room, before they are read, and files that lie elsewhere.

    Gradio answers for `/gradio_api/file=http://HOST/...`, too, and looks that host up.
    """

    def __init__(self, app: App, folder: Path, most_bytes: int) -> None:
        self._app, self._folder, self._most_bytes = app, folder, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] == "http" and "://" in scope["path"]:
            await JSONResponse({"detail": "Files of other machines are not here."}, 403)(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"].startswith(ROUTE) and scope["method"] == "POST":
            length = Headers(scope=scope).get("content-length", "")
            refusal = None
            if not length.isdecimal():
                refusal = 411, "An upload has to say how long it is."
            elif int(length) + self._used() > self._most_bytes:
                refusal = 507, "There is no more room for uploads: try again in an hour, when older ones go."
            if refusal is not None:
                await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _used(self) -> int:
        used = 0
        for folder, _, files in os.walk(self._folder):
            for name in files:
                with suppress(OSError):
                    used += Path(folder, name).stat().st_size
        return used
