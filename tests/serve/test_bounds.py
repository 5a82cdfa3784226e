"""What one stranger may do to a server: ask who he is, ask for less, wait, and nothing else."""

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image
from tests.serve.servers import photo

from lightprobe.errors import OptionError
from lightprobe.serve import Service, create_app
from lightprobe.serve.access import Rates
from lightprobe.serve.guard import BodyLimits, Guard
from lightprobe.serve.server import serve
from lightprobe.serve.uploads import PREFIX, UploadGuard, uploads_folder


class Running:
    """The server as the command runs it, in a thread."""

    def __init__(self, app: FastAPI, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        ready = threading.Event()
        servers: list[uvicorn.Server] = []
        run = uvicorn.Server.run

        def remembered(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
            servers.append(server)
            run(server, sockets)

        def told(address: str, token: str | None) -> None:
            self.port, self.token = int(address.rpartition(":")[2]), token
            ready.set()

        monkeypatch.setattr(uvicorn.Server, "run", remembered)
        host = options.pop("host", "127.0.0.1")
        self._thread = threading.Thread(target=lambda: serve(app, host, 0, ready=told, **options))
        self._thread.start()
        assert ready.wait(30)
        while not (servers and servers[0].started):
            time.sleep(0.01)
        self._server = servers[0]

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def ask(
        self, path: str, body: bytes | None = None, method: str | None = None, **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers

    def raw(self, content: bytes, patience: float = 30) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as connection:
            connection.sendall(content.replace(b"localhost\r\n", b"localhost\r\nConnection: close\r\n"))
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received


def small_app() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def here() -> dict[str, str]:
        return {"said": "here"}

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    app.add_middleware(Guard, limits=BodyLimits({"/echo": 1000}, others=100))
    return app


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr("lightprobe.serve.guard.PATIENCE", 0.5)
    monkeypatch.setattr("lightprobe.serve.connections.BoundedProtocol.header_seconds", 0.5)
    monkeypatch.setattr("lightprobe.serve.connections.BoundedProtocol.most_connections", 5)
    running = Running(small_app(), monkeypatch)
    yield running
    running.close()


def test_a_server_for_others_asks_for_its_token_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(small_app(), monkeypatch, host="0.0.0.0")
    try:
        token = running.token
        assert token is not None
        assert len(token) >= 20
        assert running.ask("/")[0] == 401
        assert running.ask("/healthz")[0] == 404  # which is open, and not there in this application
        for wrong in ("/?token=wrong", f"/?token={token[:-1]}", "/?token=", "/?token=%ff"):
            assert running.ask(wrong)[0] == 401
        assert running.ask(f"/echo?token={token}", b"x")[0] == 401  # a foreign page might post such a form
        status, _, headers = running.ask(f"/?a=1&token={token}&b=2")
        assert (status, headers["location"]) == (303, "/?a=1&b=2")
        cookie = headers["set-cookie"]
        assert {"httponly", "samesite=strict"} <= set(cookie.lower().replace(" ", "").split(";"))
        assert running.ask("/", Cookie=cookie.partition(";")[0])[:2] == (200, '{"said":"here"}')
        assert running.ask("/", Authorization=f"Bearer {token}")[0] == 200
        assert running.ask("/", Authorization="Bearer é".encode().decode("latin-1"))[0] == 401
        assert running.ask(f"//evil.example/?token={token}")[2]["location"] == "/evil.example/"
    finally:
        running.close()


def test_a_token_that_is_given_holds_on_this_machine_too_and_may_not_be_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = Running(small_app(), monkeypatch, token="as long as it has to be")
    try:
        assert running.ask("/")[0] == 401
        assert running.ask("/", Authorization="Bearer as long as it has to be")[0] == 200
    finally:
        running.close()
    with pytest.raises(OptionError, match="needs 8 or more"):
        serve(FastAPI(), "127.0.0.1", 0, ready=lambda *_: None, token="short")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Origin", "http://[", 403),
        ("Origin", "null", 403),
        ("Origin", "http://evil.example", 403),
        ("Origin", "http://127.0.0.1:1", 403),
        ("Host", "127.0.0.1:99999999", 200),
        ("Cookie", 'lightprobe-token="', 200),
        ("Range", "bytes=-", 200),
        ("Expect", "200-ok", 200),
        ("Accept-Encoding", "\xff", 200),
    ],
)
def test_malformed_headers_are_no_fault_of_the_server(
    running: Running, name: str, value: str, status: int
) -> None:
    assert running.ask("/", None, None, **{name: value})[0] == status


def test_bodies_are_limited_by_what_is_there_before_they_are_read(running: Running) -> None:
    assert running.ask("/echo", bytes(1000))[1] == '{"bytes":1000}'
    for said in (b"/echo", b"/"):
        answer = running.raw(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000000\r\n\r\n" % said
        )
        assert answer.startswith(b"HTTP/1.1 413")
    chunked = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert running.raw(chunked + b"800\r\n" + bytes(0x800) + b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 413")
    for length in (b"-1", b"x", b"1_0", b"\xb2"):
        answer = running.raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % length)
        assert answer.startswith(b"HTTP/1.1 400")


def test_slow_headers_and_bodies_are_not_waited_for(running: Running) -> None:
    start = time.monotonic()
    assert running.raw(b"") == b""
    assert running.raw(b"GET / HTTP/1.1\r\nHost: loc") == b""
    slow = running.raw(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
    assert slow.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - start < 20
    dripping = socket.create_connection(("127.0.0.1", running.port), timeout=30)
    with dripping, pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100):
            dripping.sendall(b"G")
            time.sleep(0.05)
    assert running.ask("/")[0] == 200


def test_more_connections_than_the_limit_are_refused_and_those_before_go_on(running: Running) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", running.port))) for _ in range(5)]
        time.sleep(0.1)
        with suppress(ConnectionResetError):  # closed before its request was read
            refused = running.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert refused.startswith(b"HTTP/1.1 503")
        held[0].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held[0].recv(100).startswith(b"HTTP/1.1 200")
    time.sleep(0.7)
    assert running.ask("/")[0] == 200


def test_one_client_gets_so_many_answers_a_minute_and_another_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("lightprobe.serve.access.time.monotonic", lambda: now[0])
    rates = Rates(a_minute=60, burst=10)
    assert rates.take("a", 10) == 0
    assert rates.take("a", 2) == pytest.approx(2)
    assert rates.take("b", 2) == 0
    now[0] = 1.5
    assert rates.take("a") == 0
    assert rates.take("a") == pytest.approx(0.5)
    now[0] = 1000
    assert rates.take("a", 500) == 0  # more than the burst is not refused for good, and waited for
    assert rates.take("a") > 0


def test_uploads_have_a_quota_and_outlive_no_killed_server_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, time; from lightprobe.serve.uploads import uploads_folder\n"
        "class Owner: pass\n"
        "owner = Owner(); folder = uploads_folder(owner); (folder / 'photo').write_bytes(bytes(100))\n"
        "print(folder, flush=True); time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert other.stdout is not None
    theirs = Path(other.stdout.readline().strip())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Owner:
        pass

    first = Owner()
    ours = uploads_folder(first)
    assert theirs.is_dir()  # its server lives
    other.kill()
    other.communicate()
    second = Owner()
    uploads_folder(second)
    assert not theirs.exists()
    assert ours.is_dir()
    del first, second
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_an_upload_for_which_there_is_no_room_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()

    @app.post("/gradio_api/upload")
    async def upload(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    app.add_middleware(UploadGuard, folder=tmp_path, most_bytes=1000)
    running = Running(app, monkeypatch)
    try:
        assert running.ask("/gradio_api/upload", bytes(900))[0] == 200
        for path in ("/gradio_api/file=http://example.org/x", "/gradio_api/file=https:%2f%2fexample.org/x"):
            assert running.ask(path)[0] == 403
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "photo").write_bytes(bytes(200))
        assert running.ask("/gradio_api/upload", bytes(900))[0] == 507
        chunked = b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert running.raw(chunked).startswith(b"HTTP/1.1 411")
    finally:
        running.close()


def test_a_phones_two_hundred_megapixels_are_answered_at_a_reduced_scale(loaded: Any, trained: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16_320, 12_240), (90, 120, 40)).save(file, "JPEG", quality=30)
    service = Service(loaded.fitted, trained, loaded.saved_parameters(), loaded.runtime)
    try:
        (answer,) = service.predict([("phone.jpg", file.getvalue())])
        assert not answer.error
        png = io.BytesIO()
        Image.new("1", (16_320, 12_240)).save(png, "PNG")
        (refused,) = service.predict([("huge.png", png.getvalue())])
        assert "over the limit of 50 megapixels" in refused.error
    finally:
        service.close()


def test_so_many_photos_are_decoded_at_once_and_no_more(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightprobe.images import decode

    at_work, most = 0, 0
    lock = threading.Lock()

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1
        return decode(*args, **options)

    monkeypatch.setattr("lightprobe.serve.service.decode", counted)
    service._decoding = threading.BoundedSemaphore(2)
    ask = [threading.Thread(target=service.predict, args=([("a.png", photo("disc", 1))],)) for _ in range(12)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert most == 2


def test_answers_have_limits_for_clients_of_other_machines_only(service: Service) -> None:
    from starlette.testclient import TestClient

    app = create_app(service)
    files = [("files", (f"{n}.png", photo("disc", n))) for n in range(30)]
    for client, statuses in (("10.0.0.9", [200, 429]), ("127.0.0.1", [200, 200])):
        with TestClient(app, client=(client, 1)) as visitor:
            assert [visitor.post("/predict", files=files).status_code for _ in range(2)] == statuses
