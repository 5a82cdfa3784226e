import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image, ImageOps
from tests.toy_network import toy_network
from tests.toys import draw_toys

from lightprobe import ImageClassifier
from lightprobe.backprop import LinearProbe, Recipe, Scratch
from lightprobe.cli import main
from lightprobe.csv_text import read_csv
from lightprobe.errors import ModelFileError, OptionError
from lightprobe.export import FORMATS, ExportedClassifier, export
from lightprobe.images import open_unlabelled
from lightprobe.ridge import Calibration

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
BRIEF = Recipe(epochs=2, batch_size=12, lr=0.05, scale=(1.0, 1.0), flip=False)


pytestmark = pytest.mark.usefixtures("module_cache")


def classifier(network: str, **parameters: Any) -> ImageClassifier:
    return ImageClassifier(backbone=network, **{**HEADS[0], "precision": "fp32", **parameters})


@pytest.fixture
def network(tmp_path: Path) -> str:
    return toy_network(tmp_path / "toy.onnx")


def by_onnxruntime(file: Path, photos: Path) -> NDArray[np.float32]:
    """Ask the program that most others run ONNX with."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(file))
    answers = []
    for path in open_unlabelled(photos).paths:
        photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        answers.append(session.run(["probabilities"], {"pixels": np.asarray(photo)[None]})[0][0])
    return np.stack(answers)


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
        folder = tmp_path_factory.mktemp(form)
        photos = draw_toys(folder)
        network = toy_network(folder / "network.onnx")
        model = classifier(network, **HEADS[head]).fit(photos).save(folder / "model")
        out = folder / f"toys{FORMATS[form].suffix}"
        said = export(ImageClassifier.load(model).fitted, form, out)
        return Exported(model, out, photos / "test", said)

    return made


@pytest.mark.parametrize("head", range(len(HEADS)))
@pytest.mark.parametrize("form", FORMATS)
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
    np.testing.assert_allclose(ours.predict_proba(photos), model.predict_proba(photos), atol=1e-4)
    if form == "onnx":
        answers = by_onnxruntime(made.file, photos)
        np.testing.assert_allclose(answers, model.predict_proba(photos), atol=1e-4)
    many = list(ours.iter_predictions([str(photos)] * 4, top=2))
    assert len(many) == 48, "batches of any size"
    assert [answer.labels for answer in many[:12]] == [answer.labels for answer in many[36:]]
    assert sorted(p.name for p in made.file.parent.glob("*toys.*")) == sorted(
        [made.file.name] + (["toys.bin"] if form == "openvino" else [])
    )


@pytest.mark.parametrize("form", FORMATS)
def test_an_exported_file_has_the_calibrations_floor(
    exported: Callable[[str, int], Exported], tmp_path: Path, form: str
) -> None:
    made = exported("onnx", 0)
    model = ImageClassifier.load(made.model)
    head = replace(model.fitted.head, calibration=Calibration(3.0, 0.05))
    model._fitted = replace(model.fitted, head=head)
    out = tmp_path / f"toys{FORMATS[form].suffix}"
    said = export(model.fitted, form, out)
    assert said["parity"]["max_probability_difference"] < 2e-3
    np.testing.assert_allclose(
        ExportedClassifier.load(out).predict_proba(made.photos), model.predict_proba(made.photos), atol=1e-4
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


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["cnn2", pytest.param("linear-probe", marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMATS)
def test_a_model_trained_by_gradients_is_exported_from_the_command_line(
    toy_folder: Path, network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, kind: str
) -> None:
    if kind == "linear-probe":
        model: LinearProbe | Scratch = LinearProbe(backbone=network, recipe=BRIEF, device="cpu")
    else:
        model = Scratch(kind, image_size=32, recipe=BRIEF, precision="fp32", device="cpu")
    model.fit(toy_folder)
    out, photos = tmp_path / f"toys{FORMATS[form].suffix}", toy_folder / "test"
    asked = ["--format", form, "--out", str(out), "--photos", str(photos)]
    assert main(["export", str(model.save(tmp_path / "model")), *asked, "--json", "-q"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["method"], info["parity"]["photos"]) == (model.method, str(photos))
    assert (info["parity"]["n"], info["parity"]["top1_agreement"]) == (12, 1.0)
    np.testing.assert_allclose(
        ExportedClassifier.load(out).predict_proba(photos), model.predict_proba(photos), atol=2e-3
    )
    if form == "onnx":
        np.testing.assert_allclose(by_onnxruntime(out, photos), model.predict_proba(photos), atol=2e-3)


@pytest.mark.torch
@pytest.mark.slow
def test_a_model_that_sees_through_torch_is_exported(toy_folder: Path, tmp_path: Path) -> None:
    model = classifier("squeezenet1_1", weights="random", image_size=64, engine="eager", device="cpu")
    model.fit(toy_folder)
    for form, entry in FORMATS.items():
        out = tmp_path / f"toys{entry.suffix}"
        assert export(model.fitted, form, out)["parity"]["top1_agreement"] == 1.0
    answers = by_onnxruntime(tmp_path / "toys.onnx", toy_folder / "test")
    np.testing.assert_allclose(answers, model.predict_proba(toy_folder / "test"), atol=2e-3)


def as_channels_last_halves(path: Path) -> None:
    """Rewrite the toy network so that it takes images (n, s, s, 3) of half floats, one, by its own word."""
    model = onnx.load(path)
    images = helper.make_tensor_value_info("photo", TensorProto.FLOAT16, [1, "h", "w", 3])
    turned = helper.make_node("Transpose", ["photo"], ["turned"], perm=[0, 3, 1, 2])
    model.graph.node.insert(0, helper.make_node("Cast", ["turned"], ["images"], to=TensorProto.FLOAT))
    model.graph.node.insert(0, turned)
    model.graph.input[0].CopyFrom(images)
    onnx.save(model, path)


def as_operations_of_other_names(path: Path) -> None:
    """Name operations, and none of their layers, as exporters of other programs do."""
    model = onnx.load(path)
    (facts,) = model.metadata_props
    facts.value = json.dumps({**json.loads(facts.value), "layers": []})
    for node in model.graph.node:
        node.name = f"/features/{node.op_type} of {node.output[0]}"
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("opset", "change"),
    [
        (11, None),
        (13, None),
        (20, None),
        (17, as_channels_last_halves),
        (17, as_operations_of_other_names),
    ],
)
def test_networks_of_any_kind_of_onnx_are_exported_as_they_answer(
    toy_folder: Path, tmp_path: Path, opset: int, change: Callable[[Path], None] | None
) -> None:
    network = toy_network(tmp_path / "toy.onnx", opset=opset)
    if change is not None:
        change(Path(network))
    photos, out = toy_folder / "test", tmp_path / "out.onnx"
    model = classifier(network).fit(toy_folder)
    parity = export(model.fitted, "onnx", out)["parity"]
    assert parity["max_probability_difference"] < 2e-3
    np.testing.assert_allclose(by_onnxruntime(out, photos), model.predict_proba(photos), atol=2e-3)


def test_a_network_in_openvino_s_own_format_becomes_openvino_only(
    toy_folder: Path, network: str, tmp_path: Path
) -> None:
    openvino.save_model(openvino.convert_model(network), tmp_path / "toy.xml", compress_to_fp16=False)
    facts = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": 32}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(facts), encoding="utf-8")
    model = classifier(str(tmp_path / "toy.xml")).fit(toy_folder)
    with pytest.raises(OptionError, match="cannot become ONNX: use `format='openvino'`"):
        export(model.fitted, "onnx", tmp_path / "out.onnx")
    assert export(model.fitted, "openvino", tmp_path / "out.xml")["parity"]["top1_agreement"] == 1.0


@pytest.mark.slow
@pytest.mark.usefixtures("int8")
def test_an_int8_network_is_exported_as_it_was_calibrated(
    toy_folder: Path, network: str, tmp_path: Path
) -> None:
    model = classifier(network, precision="int8").fit(toy_folder)
    photos = toy_folder / "test"
    info = export(model.fitted, "openvino", tmp_path / "toys.xml", str(photos))
    assert info["trained_precision"] == "int8"
    ours = ExportedClassifier.load(tmp_path / "toys.xml").predict_proba(photos)
    np.testing.assert_allclose(ours, model.predict_proba(photos), atol=0.03)
    with pytest.raises(OptionError, match="`format='openvino'`"):
        export(model.fitted, "onnx", tmp_path / "toys.onnx")


def test_what_cannot_be_exported_is_said_in_one_sentence(
    toy_folder: Path, network: str, tmp_path: Path
) -> None:
    model = classifier(network, encode="none", kernel="linear").fit(toy_folder)
    with pytest.raises(OptionError, match=r"does not end in \.xml"):
        export(model.fitted, "openvino", tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    (tmp_path / "b.xml").write_text("<net></net>", encoding="utf-8")
    for name in ("a.onnx", "b.xml", "toy.onnx"):
        with pytest.raises(ModelFileError, match="not a file that `lightprobe export` wrote"):
            ExportedClassifier.load(tmp_path / name)
    with pytest.raises(ModelFileError, match="name a"):
        ExportedClassifier.load(tmp_path / "gone.onnx")
    assert sorted(p.name for p in tmp_path.glob("*.*")) == ["a.onnx", "b.xml", "toy.onnx"]
