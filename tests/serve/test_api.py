"""The application behind a real server on loopback, asked by the standard library."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.toys import CLASSES, toy_image

from lightprobe import ImageClassifier, load

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")

from lightprobe.serve import Limits, Service, create_app


class Server:
    """An application on a port of its own."""

    def __init__(self, service: Service, **options: Any) -> None:
        import socket

        import uvicorn

        listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(create_app(service, **options), log_level="error"))
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
        request = urllib.request.Request(self.address + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        return status, json.loads(text) if text.startswith("{") else text


def photo(kind: str, seed: int) -> bytes:
    file = BytesIO()
    Image.fromarray(toy_image(kind, seed)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def service(toy_folder: Path, tmp_path: Path) -> Iterator[Service]:
    fixed: dict[str, Any] = {"image_size": 64, "precision": "fp32", "engine": "eager", "device": "cpu"}
    model = ImageClassifier(**fixed, pool="avg", encode="l2", kernel="optical").fit(toy_folder)
    folder = model.save(tmp_path / "model")
    service = Service(load(folder), folder, Limits(files=40, file_bytes=20_000, pixels=10_000))
    yield service
    service.close()


@pytest.fixture
def server(service: Service) -> Iterator[Server]:
    server = Server(service, allow_teaching=True)
    yield server
    server.close()


def test_photos_are_answered_as_the_model_answers_them(server: Server, tmp_path: Path) -> None:
    names = [(f"{kind}.png", photo(kind, 300)) for kind in CLASSES]
    status, answer = server.ask("/predict?top=2", names)
    assert status == 200
    rows = answer["predictions"]
    assert [row["path"] for row in rows] == [name for name, _ in names]
    assert [row["label"] for row in rows] == list(CLASSES)
    for name, content in names:
        (tmp_path / name).write_bytes(content)
    expected = load(tmp_path / "model").predict_proba([tmp_path / name for name, _ in names])
    for row, probabilities in zip(rows, expected, strict=True):
        assert row["probability"] == pytest.approx(probabilities.max(), abs=1e-3)
        assert len(row["top"]) == 2


def test_many_visitors_at_once_each_get_their_own_answer(server: Server) -> None:
    asked = [(CLASSES[i % 3], photo(CLASSES[i % 3], 400 + i)) for i in range(48)]
    with ThreadPoolExecutor(16) as visitors:
        answers = list(visitors.map(lambda one: server.ask("/predict", [("a.png", one[1])]), asked))
    assert [status for status, _ in answers] == [200] * 48
    assert [answer["predictions"][0]["label"] for _, answer in answers] == [kind for kind, _ in asked]


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ([("a.jpg", b"broken")], 422, "a.jpg not an image of a known format"),
        ([("a.jpg", b"")], 422, "empty file"),
        ([("big.png", b"\x89PNG" + b"0" * 30_000)], 422, "20000 are allowed"),
        ([("a.png", b"x")] * 41, 413, "40 photos, and this has 41"),
        ([("a.png", b"x" * 1_000_000)], 413, "fewer or smaller photos"),
        ([], 422, ""),
    ],
)
def test_what_cannot_be_answered_gets_a_status_and_a_sentence(
    server: Server, files: list[tuple[str, bytes]], status: int, words: str
) -> None:
    got, answer = server.ask("/predict", files)
    assert got == status
    assert words in str(answer["detail"])
    assert server.ask("/healthz") == (200, {"status": "ok"})


def test_a_picture_with_too_many_pixels_is_refused_by_its_header(server: Server) -> None:
    file = BytesIO()
    Image.new("L", (300, 300)).save(file, "PNG")
    status, answer = server.ask("/predict", [("large.png", file.getvalue())])
    assert status == 422
    assert "pixels" in answer["detail"]


def test_a_broken_file_among_good_ones_keeps_its_place(server: Server) -> None:
    files = [("good.png", photo("disc", 1)), ("bad.png", b"no"), ("fine.png", photo("noise", 1))]
    status, answer = server.ask("/predict", files)
    assert status == 200
    assert [bool(row["error"]) for row in answer["predictions"]] == [False, True, False]


def test_what_is_taught_is_known_to_the_next_answer_and_saved_when_asked(
    server: Server, service: Service, tmp_path: Path
) -> None:
    odd = [photo("stripes", seed) for seed in range(500, 503)]
    for place, content in enumerate(odd):
        status, facts = server.ask("/teach", [(f"{place}.png", content)], label="zebra")
        assert status == 200
    assert facts["classes"] == ["disc", "noise", "stripes", "zebra"]
    assert facts["n_train"] == 39
    status, facts = server.ask("/teach", [("0.png", odd[0])], label="stripes")
    assert (status, facts["n_train"]) == (200, 39), "a photo that is known is corrected, not added"
    assert server.ask("/model")[1]["classes"] == facts["classes"]
    assert load(tmp_path / "model").n_train_ == 36
    assert server.ask("/save", [])[0] == 200
    assert load(tmp_path / "model").n_train_ == 39
    for content, label in ((b"broken", "zebra"), (odd[0], "  ")):
        status, answer = server.ask("/teach", [("x.png", content)], label=label)
        assert status == 422
        assert answer["detail"]


def test_answers_do_not_wait_for_teaching(
    server: Server, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, busy = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> None:
        busy.set()
        release.wait(30)

    monkeypatch.setattr(ImageClassifier, "update", slow)
    with ThreadPoolExecutor(1) as teacher:
        taught = teacher.submit(server.ask, "/teach", [("x.png", photo("disc", 9))], label="disc")
        assert busy.wait(30)
        assert server.ask("/predict", [("a.png", photo("disc", 8))])[0] == 200
        assert not taught.done()
        release.set()
        assert taught.result()[0] == 200


def test_teaching_has_to_be_allowed_and_other_pages_are_not_answered(service: Service) -> None:
    server = Server(service)
    try:
        assert server.ask("/teach", [("x.png", b"")], label="disc")[0] == 404
        assert server.ask("/save", [])[0] == 404
        files = [("a.png", photo("disc", 8))]
        assert server.ask("/predict", files, {"Origin": "https://elsewhere.example"})[0] == 403
        assert server.ask("/predict", files, {"Origin": server.address})[0] == 200
    finally:
        server.close()


def test_the_documentation_loads_nothing_from_another_machine(server: Server) -> None:
    status, page = server.ask("/docs")
    assert status == 200
    assert "POST /predict" in page
    assert "//" not in page.replace("http://127.0.0.1", "")
    assert "/predict" in server.ask("/openapi.json")[1]["paths"]
