"""The HTTP server: what it asks of the sockets and signals under it."""

import signal
import socket
from typing import Any

import pytest
import torch
import uvicorn
from fastapi import FastAPI

from lightprobe.errors import OptionError
from lightprobe.serve.server import serve


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """Signal handlers that were asked for, set nowhere."""
    asked: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", asked.__setitem__)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
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
    serve(FastAPI(), "127.0.0.1", 0, ready=said.append)
    assert said[0].startswith("http://127.0.0.1:")
    assert len(accepted) == 1
    assert accepted[0] != 0
    with pytest.raises(SystemExit) as stop:
        handlers[signal.SIGTERM](signal.SIGTERM, None)
    assert stop.value.code == 143


def test_a_port_that_is_taken_is_named(handlers: dict[int, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"127.0.0.1:{port} cannot be listened on"):
            serve(FastAPI(), "127.0.0.1", port, ready=lambda _: None)
