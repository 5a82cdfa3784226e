"""The HTTP server: what it asks of the sockets and signals under it."""

import http.client
import signal
import socket
import threading
import time
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from lightprobe.errors import OptionError
from lightprobe.serve.server import serve


def ip_is_local(host: str) -> bool:
    return host == "localhost" or host.startswith("127.")


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """Signal handlers that were asked for, set nowhere."""
    asked: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", asked.__setitem__)
    return asked


def test_answers_leave_at_once_and_sigterm_tidies_up(
    monkeypatch: pytest.MonkeyPatch, handlers: dict[int, Any]
) -> None:
    accepted: list[int] = []

    def run(_server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        with (
            socket.create_connection(sockets[0].getsockname()),
            sockets[0].accept()[0] as connection,
        ):
            accepted.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(uvicorn.Server, "run", run)
    said: list[str] = []
    serve(FastAPI(), "127.0.0.1", 0, ready=lambda address, _: said.append(address))
    assert said[0].startswith("http://127.0.0.1:")
    assert len(accepted) == 1
    assert accepted[0] != 0
    with pytest.raises(SystemExit) as stop:
        handlers[signal.SIGTERM](signal.SIGTERM, None)
    assert stop.value.code == 143


@pytest.mark.parametrize(
    ("listens", "asked", "status"),
    [
        ("127.0.0.1", "localhost:7860", 200),
        ("127.0.0.1", "LocalHost", 200),
        ("127.0.0.1", "127.0.0.1:7860", 200),
        ("127.0.0.1", "127.8.9.10", 200),
        ("127.0.0.1", "[::1]:7860", 200),
        ("127.0.0.1", "rebound.example:7860", 403),
        ("127.0.0.1", "localhost.rebound.example", 403),
        ("127.0.0.1", "127.0.0.1.rebound.example", 403),
        ("127.0.0.1", "192.168.0.2", 403),
        ("127.0.0.1", "[::1", 403),
        ("127.0.0.1", "", 403),
        ("localhost", "rebound.example", 403),
        ("0.0.0.0", "photos.example", 200),
    ],
)
def test_only_a_server_for_other_machines_answers_to_another_name(
    monkeypatch: pytest.MonkeyPatch, handlers: dict[int, Any], listens: str, asked: str, status: int
) -> None:
    run = uvicorn.Server.run
    answers: list[tuple[int, str]] = []

    def ask(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        thread = threading.Thread(target=run, args=(server, sockets))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        connection = http.client.HTTPConnection("127.0.0.1", sockets[0].getsockname()[1])
        # The same origin, as a browser has it: this is not what tells a rebound name.
        known = {"Authorization": "Bearer a token of ours"}
        connection.request("GET", "/", headers={"Host": asked, "Origin": f"http://{asked}", **known})
        answer = connection.getresponse()
        answers.append((answer.status, answer.read().decode()))
        connection.close()
        server.should_exit = True
        thread.join()

    monkeypatch.setattr(uvicorn.Server, "run", ask)
    app = FastAPI()
    app.add_api_route("/", lambda: "here")
    token = None if ip_is_local(listens) else "a token of ours"
    serve(app, listens, 0, ready=lambda *_: None, token=token)
    assert answers[0][0] == status
    assert ("ask for localhost" if status == 403 else "here") in answers[0][1]


def test_a_port_that_is_taken_is_named(handlers: dict[int, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"127.0.0.1:{port} cannot be listened on"):
            serve(FastAPI(), "127.0.0.1", port, ready=lambda *_: None)
