"""An application on a port of its own, and what is sent to it."""

import http.client
import json
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from io import BytesIO
from typing import Any

import uvicorn
from fastapi import FastAPI
from PIL import Image
from tests.toys import toy_image


class Server:
    """A real server on loopback, asked by the standard library."""

    def __init__(self, app: FastAPI) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.host: tuple[str, int] = listening.getsockname()
        self.address = f"http://127.0.0.1:{self.host[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def ask(
        self,
        path: str,
        files: list[tuple[str, bytes]] | None = None,
        headers: dict[str, str] | None = None,
        **fields: str,
    ) -> tuple[int, Any]:
        """GET, or POST files and fields as a browser does; status and JSON (or text)."""
        headers = headers or {}
        body = None
        if files is not None or fields:
            seam = uuid.uuid4().hex
            headers["Content-Type"] = f"multipart/form-data; boundary={seam}"
            field = "file" if fields else "files"
            said = f"--{seam}\r\nContent-Disposition: form-data; name="
            parts = [
                f'{said}"{field}"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
                for name, content in files or ()
            ]
            parts += [f'{said}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
            body = b"".join(parts) + f"--{seam}--\r\n".encode()
        with closing(http.client.HTTPConnection(*self.host, timeout=60)) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # answered before all was sent
                connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode()
        return status, json.loads(text) if text.startswith("{") else text


def photo(kind: str, seed: int) -> bytes:
    """A toy as a PNG file; `plain` is none of those that the model is trained on."""
    file = BytesIO()
    if kind == "plain":
        Image.new("RGB", (24, 24), (200 + seed % 50, 20, 20)).save(file, "PNG")
    else:
        Image.fromarray(toy_image(kind, seed)).save(file, "PNG")
    return file.getvalue()
