"""The application behind a real server on loopback, asked by the standard library."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tests.toys import CLASSES

from lightprobe import ImageClassifier, load
from lightprobe.classifier import Fitted, Update

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")

from tests.serve.servers import Server, photo

from lightprobe.serve import Service, create_app


@pytest.fixture(scope="module")
def server(lasting: Service) -> Iterator[Server]:
    """For tests that only ask."""
    server = Server(create_app(lasting))
    yield server
    server.close()


@pytest.fixture
def teaching(service: Service) -> Iterator[Server]:
    """For tests that change what is served."""
    server = Server(create_app(service, allow_teaching=True))
    yield server
    server.close()


def test_photos_are_answered_as_the_model_answers_them(
    server: Server, loaded: ImageClassifier, tmp_path: Path
) -> None:
    names = [(f"{kind}.png", photo(kind, 300)) for kind in CLASSES]
    status, answer = server.ask("/predict?top=2", names)
    assert status == 200
    rows = answer["predictions"]
    assert [row["path"] for row in rows] == [name for name, _ in names]
    assert [row["label"] for row in rows] == list(CLASSES)
    for name, content in names:
        (tmp_path / name).write_bytes(content)
    expected = loaded.predict_proba([tmp_path / name for name, _ in names])
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


def test_an_answer_says_unknown_and_why_as_the_model_does(
    server: Server, loaded: ImageClassifier, tmp_path: Path
) -> None:
    names = [(f"{kind}.png", photo(kind, 300)) for kind in CLASSES]
    status, answer = server.ask("/predict?unknown=0.4&why=2&top=2&coverage=0.6", names)
    assert status == 200
    for name, content in names:
        (tmp_path / name).write_bytes(content)
    model = loaded
    paths = [tmp_path / name for name, _ in names]
    expected = list(model.iter_predictions(paths, unknown=0.4, why=2, coverage=0.6))
    for row, truth in zip(answer["predictions"], expected, strict=True):
        assert truth.why is not None
        assert row["unknown"] == truth.unknown
        assert (row["labels"], row["n_labels"]) == (list(truth.label_set or ()), len(truth.label_set or ()))
        assert row["novelty"] == pytest.approx(truth.novelty, abs=0.03)
        assert row["why"]["label"] == row["label"]
        assert [one["path"] for one in row["why"]["arguments_for"]] == [
            one.path for one in truth.why.arguments_for
        ]
        assert row["why"]["score"] == pytest.approx(truth.why.score, abs=1e-3)
    assert "why" not in server.ask("/predict", names)[1]["predictions"][0]


@pytest.mark.parametrize("asked", ["unknown=1.5", "unknown=0", "why=21", "why=-1", "top=0", "coverage=1"])
def test_what_cannot_be_asked_for_is_refused(server: Server, asked: str) -> None:
    status, answer = server.ask(f"/predict?{asked}", [("a.png", photo("disc", 1))])
    assert status == 422
    assert answer["detail"][0]["loc"] == ["query", asked.partition("=")[0]]


def test_a_model_that_keeps_nothing_says_that_it_cannot_say_why(
    loaded: ImageClassifier, tmp_path: Path
) -> None:
    forgetful = replace(loaded.fitted, record=None)
    service = Service(forgetful, tmp_path / "model", loaded.saved_parameters(), loaded.runtime)
    server = Server(create_app(service))
    try:
        status, answer = server.ask("/predict?why=2", [("a.png", photo("disc", 1))])
        assert status == 422
        assert "train again" in answer["detail"]
    finally:
        server.close()
        service.close()


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
    teaching: Server, tmp_path: Path
) -> None:
    odd = [photo("stripes", seed) for seed in range(500, 503)]
    for place, content in enumerate(odd):
        status, facts = teaching.ask("/teach", [(f"{place}.png", content)], label="zebra")
        assert status == 200
    assert facts["classes"] == ["disc", "noise", "stripes", "zebra"]
    assert facts["n_train"] == 39
    status, facts = teaching.ask("/teach", [("0.png", odd[0])], label="stripes")
    assert (status, facts["n_train"]) == (200, 39), "a photo that is known is corrected, not added"
    assert teaching.ask("/model")[1]["classes"] == facts["classes"]
    assert load(tmp_path / "model").n_train_ == 36
    assert teaching.ask("/save", [])[0] == 200
    assert load(tmp_path / "model").n_train_ == 39
    for content, label in ((b"broken", "zebra"), (odd[0], "  ")):
        status, answer = teaching.ask("/teach", [("x.png", content)], label=label)
        assert status == 422
        assert answer["detail"]


def test_answers_do_not_wait_for_teaching_however_many_teach(
    teaching: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, busy = threading.Event(), threading.Event()

    def slow(model: Fitted, *_: object) -> tuple[Fitted, Update]:
        busy.set()
        release.wait(30)
        return model, Update()

    monkeypatch.setattr("lightprobe.serve.service.update", slow)
    with ThreadPoolExecutor(60) as teachers:
        taught = [
            teachers.submit(teaching.ask, "/teach", [("x.png", photo("disc", seed))], label="disc")
            for seed in range(200, 260)
        ]
        assert busy.wait(30)
        time.sleep(0.3)  # for all of them to have arrived: more than a server has threads
        assert teaching.ask("/predict", [("a.png", photo("disc", 8))])[0] == 200
        assert not any(one.done() for one in taught)
        release.set()
        assert {one.result()[0] for one in taught} == {200}


def test_teaching_has_to_be_allowed_and_other_pages_are_not_answered(server: Server) -> None:
    assert server.ask("/teach", [("x.png", b"")], label="disc")[0] == 404
    assert server.ask("/save", [])[0] == 404
    files = [("a.png", photo("disc", 8))]
    assert server.ask("/predict", files, {"Origin": "https://elsewhere.example"})[0] == 403
    assert server.ask("/predict", files, {"Origin": server.address})[0] == 200


def test_the_documentation_loads_nothing_from_another_machine(server: Server) -> None:
    status, page = server.ask("/docs")
    assert status == 200
    assert "POST /predict" in page
    assert "//" not in page.replace("http://127.0.0.1", "")
    assert "/predict" in server.ask("/openapi.json")[1]["paths"]
