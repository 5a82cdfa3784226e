import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.toys import draw_toys

from lightprobe import ImageClassifier
from lightprobe.backprop import LinearProbe, Recipe, Scratch
from lightprobe.cli import main
from lightprobe.csv_text import read_csv
from lightprobe.errors import ModelFileError, OptionError
from lightprobe.export import FORMATS, ExportedClassifier, export
from lightprobe.export.encode import Encode, as_half
from lightprobe.export.graph import Graph
from lightprobe.features import prepared
from lightprobe.images import open_unlabelled
from lightprobe.models import Model
from lightprobe.optics import ENCODERS

HEADS: list[dict[str, Any]] = [
    {"pool": "avg", "encode": "l2", "kernel": "optical"},
    {"pool": "flatten", "encode": "sign", "kernel": "optical"},
    {"pool": "avg", "encode": "none", "kernel": "linear"},
    {"pool": "flatten", "encode": "l2", "components": 300},
    {
        "pool": "avg",
        "encode": "l2",
        "components": 48,
        "projection": "dense",
        "class_map": "noise=noise,other=*",
    },
    {"pool": "avg", "encode": "float32", "kernel": "optical"},
]
CPU: dict[str, Any] = {"precision": "fp32", "engine": "eager", "device": "cpu"}
GRADIENTS = ("linear-probe", "cnn3")
BRIEF = Recipe(epochs=2, batch_size=12, lr=0.05, scale=(1.0, 1.0), flip=False)


pytestmark = pytest.mark.usefixtures("module_cache")


def toy_classifier(**parameters: Any) -> ImageClassifier:
    return ImageClassifier(**{"image_size": 64, **CPU, **parameters})


def by_gradients(kind: str) -> LinearProbe | Scratch:
    if kind == "linear-probe":
        return LinearProbe(image_size=64, recipe=BRIEF, **CPU)
    return Scratch(kind, image_size=32, recipe=BRIEF, **CPU)


def assert_the_graph_answers_alike(model: Model, photos: Path) -> None:
    ready = prepared(open_unlabelled(photos), model.network_.backbone.preprocessing, ahead=8)
    with torch.no_grad():
        answers = Graph(model.fitted)(
            torch.stack([photo.pixels for photo in ready if photo.pixels is not None])
        )
    np.testing.assert_allclose(answers, model.predict_proba(photos), atol=2e-3)


@pytest.mark.parametrize("how", HEADS)
def test_the_graph_answers_as_the_model_for_every_kind_of_head(toy_folder: Path, how: dict[str, Any]) -> None:
    assert_the_graph_answers_alike(toy_classifier(**how).fit(toy_folder), toy_folder / "test")


@pytest.mark.parametrize("kind", GRADIENTS)
def test_the_graph_answers_as_the_model_that_was_trained_by_gradients(toy_folder: Path, kind: str) -> None:
    assert_the_graph_answers_alike(by_gradients(kind).fit(toy_folder), toy_folder / "test")


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_graph_encodes_every_half_float_to_the_bit(encoding: str) -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    rows = halves[np.isfinite(halves)].reshape(-1, 62)
    ours = Encode(encoding)(torch.from_numpy(rows.astype(np.float32))).numpy()
    # Lengths are sums, which are rounded in another order here and there.
    np.testing.assert_allclose(ours, ENCODERS[encoding](rows), rtol=1e-3 if encoding == "l2" else 0)


@dataclass(frozen=True)
class Exported:
    """A model in its folder, and the file that it was exported to."""

    model: Path
    file: Path
    photos: Path
    said: dict[str, Any]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Exported]:
    """Make a model of one of the heads, and export it, once a format."""

    @cache
    def made(form: str, head: int) -> Exported:
        if form == "onnx":
            pytest.importorskip("onnxscript", reason="the extra export is not installed")
        folder = tmp_path_factory.mktemp(form)
        photos = draw_toys(folder)
        model = toy_classifier(**HEADS[head]).fit(photos).save(folder / "model")
        out = folder / f"toys{FORMATS[form].suffix}"
        said = export(ImageClassifier.load(model).fitted, form, out)
        return Exported(model, out, photos / "test", said)

    return made


@pytest.mark.parametrize(
    ("form", "head"),
    [
        ("openvino", 0),
        pytest.param("onnx", 0, marks=pytest.mark.slow),
        *(pytest.param(form, i, marks=pytest.mark.slow) for form in FORMATS for i in range(1, len(HEADS))),
    ],
)
def test_an_exported_file_answers_as_its_model(
    exported: Callable[[str, int], Exported], form: str, head: int
) -> None:
    made = exported(form, head)
    model, photos = ImageClassifier.load(made.model), made.photos
    assert made.said["parity"]["photos"] == "64 made-up pictures"
    assert made.said["parity"]["n"] == 64
    assert made.said["parity"]["max_probability_difference"] < 2e-3
    ours = ExportedClassifier.load(made.file)
    assert ours.info_["parity"] == made.said["parity"]
    assert ours.classes_.tolist() == model.classes_.tolist()
    np.testing.assert_allclose(ours.predict_proba(photos), model.predict_proba(photos), atol=2e-3)
    many = list(ours.iter_predictions([str(photos)] * 4, top=2))
    assert len(many) == 48, "batches of any size"
    assert [answer.labels for answer in many[:12]] == [answer.labels for answer in many[36:]]
    assert sorted(p.name for p in made.file.parent.glob("*toys.*")) == sorted(
        [made.file.name] + (["toys.bin"] if form == "openvino" else [])
    )


def test_predict_takes_an_exported_file(
    exported: Callable[[str, int], Exported], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = exported("openvino", 0)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"broken")
    asked = [str(bad), str(made.photos)]
    answers = []
    for name in (made.file, made.model):
        assert main(["predict", str(name), *asked, "--json", "--top", "2", "-q"]) == 0
        answers.append(json.loads(capsys.readouterr().out)["predictions"])
    for ours, theirs in zip(*answers, strict=True):
        for what in ("path", "label", "error"):
            assert ours[what] == theirs[what]
    assert main(["predict", str(made.file), *asked, "--csv", str(tmp_path / "a.csv"), "-q"]) == 0
    rows = read_csv(tmp_path / "a.csv")
    assert [(row["path"], row["label"]) for row in rows] == [
        (one["path"], one["label"] or "") for one in answers[0]
    ]


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("openvino", "cnn2"),
        *(
            pytest.param(form, k, marks=pytest.mark.slow)
            for form in FORMATS
            for k in ("linear-probe", "cnn3")
        ),
    ],
)
def test_a_model_trained_by_gradients_is_exported_from_the_command_line(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, kind: str
) -> None:
    model = by_gradients(kind).fit(toy_folder)
    out, photos = tmp_path / f"toys{FORMATS[form].suffix}", toy_folder / "test"
    asked = ["--format", form, "--out", str(out), "--photos", str(photos)]
    assert main(["export", str(model.save(tmp_path / "model")), *asked, "--json", "-q"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["method"], info["parity"]["photos"]) == (model.method, str(photos))
    assert (info["parity"]["n"], info["parity"]["top1_agreement"]) == (12, 1.0)
    np.testing.assert_allclose(
        ExportedClassifier.load(out).predict_proba(photos), model.predict_proba(photos), atol=2e-3
    )


class Rounding(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return as_half(x)


@pytest.mark.parametrize("form", ["openvino", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_graph_rounds_as_the_cache_does(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    halves = np.arange(2**15 - 1024, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2  # ties
    drawn = rng.normal(size=40_000) * 10.0 ** rng.uniform(-9, 3, 40_000)
    x = np.concatenate([halves, -between, drawn]).astype(np.float32)[:, None]
    np.testing.assert_array_equal(as_half(torch.from_numpy(x)), x.astype(np.float16).astype(np.float32))
    path = tmp_path / f"rounding{FORMATS[form].suffix}"
    FORMATS[form].save(FORMATS[form].convert(Rounding(), torch.zeros(2, 1)), {}, path)
    run, _ = FORMATS[form].open(path)
    np.testing.assert_array_equal(run(x), x.astype(np.float16).astype(np.float32))


@pytest.mark.slow
def test_an_int8_network_is_exported_as_it_was_calibrated(toy_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="the extra int8 is not installed")
    model = toy_classifier(**HEADS[0], precision="int8", engine="openvino").fit(toy_folder)
    photos = toy_folder / "test"
    info = export(model.fitted, "openvino", tmp_path / "toys.xml", str(photos))
    assert info["trained_precision"] == "int8"
    ours = ExportedClassifier.load(tmp_path / "toys.xml").predict_proba(photos)
    np.testing.assert_allclose(ours, model.predict_proba(photos), atol=0.03)
    with pytest.raises(OptionError, match="--format openvino"):
        export(model.fitted, "onnx", tmp_path / "toys.onnx")


def test_what_cannot_be_exported_is_said_in_one_sentence(toy_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no operation for the encoding gray"):
        Encode("gray")
    model = toy_classifier(pool="avg", encode="none", kernel="linear").fit(toy_folder)
    with pytest.raises(OptionError, match=r"does not end in \.xml"):
        export(model.fitted, "openvino", tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    (tmp_path / "b.xml").write_text("<net></net>", encoding="utf-8")
    for name in ("a.onnx", "b.xml"):
        with pytest.raises(ModelFileError, match="not a file that `lightprobe export` wrote"):
            ExportedClassifier.load(tmp_path / name)
    with pytest.raises(ModelFileError, match="name a"):
        ExportedClassifier.load(tmp_path / "gone.onnx")
    assert sorted(p.name for p in tmp_path.glob("*.*")) == ["a.onnx", "b.xml"]
