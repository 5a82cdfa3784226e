"""Networks in files as other programs write them: read, shown photos, cut, and refused in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.toy_network import LAYERS, toy_network

from lightprobe.backbones import (
    Backbone,
    Preprocessing,
    Tap,
    create_backbone,
    create_runner,
    describe_backbone,
)
from lightprobe.errors import BackboneError, WeightsError

HALF = (0.5, 0.5, 0.5)
TOY: dict[str, Any] = {"image_size": 32, "mean": HALF, "std": HALF}
Change = Callable[[onnx.ModelProto], None]


def anonymous(path: Path) -> Path:
    """Write the toy network as other programs write networks: operations are named, layers are not."""
    toy_network(path)
    model = onnx.load(path)
    del model.metadata_props[:]
    for node in model.graph.node:
        node.name = f"/features/{node.op_type} of {node.output[0]}"
    onnx.save(model, path)
    return path


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    return anonymous(tmp_path / "toy.onnx")


def changed(path: Path, change: Change) -> Path:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def shaped(*sides: int | str) -> Change:
    """Let a graph take inputs of this shape."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("images", TensorProto.FLOAT, sides))

    return change


def see(backbone: Backbone, pixels: NDArray[np.uint8], pool: Any = "avg") -> NDArray[np.float32]:
    tap = Tap(backbone.cut, pool)
    return create_runner(backbone, [tap], precision="fp32")(pixels)[tap]


def photos(side: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)


def test_a_network_is_cut_where_it_is_tapped_whatever_its_operations_are_called(unknown: Path) -> None:
    whole = create_backbone(str(unknown), **TOY)
    taps = [Tap(cut.name) for cut in whole.cuts]
    assert len(taps) == len(LAYERS), "the last layer, too, has positions to be averaged"
    assert whole.cut == taps[-1].cut
    features = create_runner(whole, taps, precision="fp32")(photos())
    for tap in taps:
        ended = whole.at(tap.cut)
        assert [cut.name for cut in ended.cuts] == [earlier.cut for earlier in taps[: taps.index(tap) + 1]]
        found = create_runner(ended, [tap], precision="fp32")(photos())[tap]
        np.testing.assert_allclose(found, features[tap], rtol=1e-5, atol=1e-6)


def test_a_tensor_may_be_named_as_a_cut(unknown: Path) -> None:
    backbone = create_backbone(str(unknown), cut="block2", **TOY)
    assert (backbone.cut, backbone.describe()[-1].shape) == ("block2", (16, 8, 8))


def test_a_layer_may_be_called_as_other_networks_call_their_input(unknown: Path) -> None:
    def rename(model: onnx.ModelProto) -> None:
        new = {"images": "photo", "block2": "images"}
        model.graph.input[0].name = "photo"
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [new.get(name, name) for name in names]

    backbone = create_backbone(str(changed(unknown, rename)), cut="images", **TOY)
    assert see(backbone, photos()).shape == (2, 16)


def test_a_network_of_any_size_is_shown_the_size_that_is_named(unknown: Path) -> None:
    backbone = create_backbone(str(unknown), **{**TOY, "image_size": 48})
    assert backbone.describe()[-1].shape == (24, 6, 6)
    assert see(backbone, photos(48), "flatten").shape == (2, 24 * 6 * 6)


def test_layers_are_listed_before_mean_and_deviation_are_known(unknown: Path) -> None:
    info = describe_backbone(str(unknown), image_size=32)
    assert [cut.shape for cut in info.cuts] == [(8, 16, 16), (16, 8, 8), (24, 4, 4)]


def test_openvinos_format_gives_the_same_features(unknown: Path) -> None:
    truth = see(create_backbone(str(unknown), **TOY), photos())
    openvino.save_model(openvino.Core().read_model(unknown), unknown.with_suffix(".xml"), False)
    backbone = create_backbone(str(unknown.with_suffix(".xml")), **TOY)
    np.testing.assert_allclose(see(backbone, photos()), truth, rtol=1e-5, atol=1e-6)
    ended = backbone.at(backbone.cuts[1].name)
    assert see(ended, photos()).shape == (2, 16)
    assert len(ended.to_tensors()["bin"]) < len(backbone.to_tensors()["bin"])


def test_weights_in_files_beside_an_onnx_graph_are_taken_in(unknown: Path) -> None:
    truth = see(create_backbone(str(unknown), **TOY), photos())
    outside = unknown.with_name("outside.onnx")
    onnx.save(
        onnx.load(unknown), outside, save_as_external_data=True, location="outside.data", size_threshold=0
    )
    backbone = create_backbone(str(outside), **TOY)
    outside.with_name("outside.data").unlink()
    np.testing.assert_array_equal(see(backbone, photos()), truth)
    with pytest.raises(WeightsError, match=r"outside\.onnx cannot be read as a network"):
        create_backbone(str(outside), **TOY)


def with_channels_last(model: onnx.ModelProto) -> None:
    """Let it take (n, h, w, 3)."""
    model.graph.node.insert(0, helper.make_node("Transpose", ["pixels"], ["images"], perm=[0, 3, 1, 2]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", "h", "w", 3])
    model.graph.input[0].CopyFrom(pixels)


def with_half_input(model: onnx.ModelProto) -> None:
    """Let it take float16, and compute in float32."""
    model.graph.node.insert(0, helper.make_node("Cast", ["halves"], ["images"], to=TensorProto.FLOAT))
    halves = helper.make_tensor_value_info("halves", TensorProto.FLOAT16, ["n", 3, "h", "w"])
    model.graph.input[0].CopyFrom(halves)


@pytest.mark.parametrize("change", [with_channels_last, with_half_input, shaped(1, 3, 32, 32)])
def test_images_may_be_wanted_in_another_way(unknown: Path, change: Change) -> None:
    truth = see(create_backbone(str(unknown), **TOY), photos(), "flatten")
    backbone = create_backbone(str(changed(unknown, change)), **TOY)
    found = see(backbone, photos(), "flatten")
    np.testing.assert_allclose(found, truth, rtol=2e-3, atol=2e-3)
    assert len(backbone.cuts) == len(LAYERS), "pixels in another order are no layer"
    assert see(backbone.at(backbone.cuts[0].name), photos()).shape == (2, 8)


def transformer(path: Path, *, class_token: bool) -> NDArray[np.float32]:
    """Write a graph that lists an image's 4 × 4 patches, 5 channels each, behind a class token or not.

    Returns
    -------
    ndarray of float32, shape (5, 3, 8, 8)
        The weights that make a patch of 8 × 8 pixels a token.
    """
    weights = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
    constants = {
        "weights": weights,
        "shape": np.array([0, 5, 16]),
        "class": np.full((1, 1, 5), 7, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["maps"], strides=[8, 8]),
        helper.make_node("Reshape", ["maps", "shape"], ["lines"]),
        helper.make_node("Transpose", ["lines"], ["patches"], perm=[0, 2, 1]),
    ]
    if class_token:
        constants |= {"one": np.array([1]), "rest": np.array([1, 5])}
        nodes += [
            helper.make_node("Shape", ["images"], ["n"], start=0, end=1),
            helper.make_node("Concat", ["n", "rest"], ["many"], axis=0),
            helper.make_node("Expand", ["class", "many"], ["classes"]),
            helper.make_node("Concat", ["classes", "patches"], ["tokens"], axis=1),
        ]
    last = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", 16 + class_token, 5])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return weights


@pytest.mark.parametrize("class_token", [False, True])
def test_tokens_are_pooled_by_class_token_and_mean(tmp_path: Path, class_token: bool) -> None:
    weights = transformer(tmp_path / "tokens.onnx", class_token=class_token)
    backbone = create_backbone(str(tmp_path / "tokens.onnx"), mean=HALF, std=HALF)
    info = backbone.describe()[-1]
    assert (info.cut.layout, info.cut.prefix_tokens) == ("tokens", int(class_token))
    images = ((photos() / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2).reshape(2, 3, 4, 8, 4, 8)
    mean = np.einsum("ncihjw,kchw->nijk", images, weights.astype(float)).mean((1, 2))
    truth = np.hstack([np.full((2, 5), 7), mean]) if class_token else mean
    np.testing.assert_allclose(see(backbone, photos()), truth, rtol=1e-4, atol=1e-4)
    assert info.pooled == truth.shape[1]


def beside(path: Path, config: object) -> None:
    text = config if isinstance(config, str) else json.dumps(config)
    path.with_name("preprocessor_config.json").write_text(text, encoding="utf-8")


THEIRS = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 3}
OURS: dict[str, Any] = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True},
            Preprocessing(40, 32, interpolation="bicubic", **OURS),
        ),
        (
            {"size": {"height": 32, "width": 32}, "resample": 2},
            Preprocessing(32, 32, interpolation="bilinear", fit="squash", **OURS),
        ),
        ({"size": 48, "crop_size": 32}, Preprocessing(48, 32, interpolation="bicubic", **OURS)),
        (
            {"size": {"shortest_edge": 40}, "crop_size": 32, "do_center_crop": False},
            Preprocessing(40, 40, interpolation="bicubic", **OURS),
        ),
        (
            {"size": {"height": 32, "width": 32}, "do_normalize": False},
            Preprocessing(32, 32, (0, 0, 0), (1, 1, 1), "bicubic", "squash"),
        ),
        (
            {
                "size": {"height": 32, "width": 32},
                "do_rescale": False,  # its mean and deviation are those of pixels from 0 to 255
                "image_mean": [51.0, 102.0, 153.0],
                "image_std": [255.0, 127.5, 51.0],
            },
            Preprocessing(32, 32, (0.2, 0.4, 0.6), (1.0, 0.5, 0.2), "bicubic", "squash"),
        ),
    ],
    ids=["crop", "height-width", "numbers", "no-crop", "not-normalised", "not-rescaled"],
)
def test_the_file_that_hugging_face_writes_beside_a_network_says_how_photos_are_shown(
    unknown: Path, config: dict[str, Any], expected: Preprocessing
) -> None:
    beside(unknown, THEIRS | config)
    assert create_backbone(str(unknown)).preprocessing == expected


def test_what_is_named_goes_before_what_the_file_beside_says(unknown: Path) -> None:
    beside(unknown, {**THEIRS, "size": {"shortest_edge": 40}, "crop_size": 32})
    how = create_backbone(str(unknown), image_size=64, mean=HALF).preprocessing
    assert how == Preprocessing(80, 64, HALF, OURS["std"], "bicubic")


@pytest.mark.parametrize(
    "config", ["{", "[1, 2]", {**THEIRS, "size": {"height": 32, "width": 40}}, {"image_mean": "half"}]
)
def test_a_file_beside_that_says_nothing_of_use_is_named(unknown: Path, config: object) -> None:
    beside(unknown, config)
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json is no image processor"):
        create_backbone(str(unknown))


def with_two_inputs(model: onnx.ModelProto) -> None:
    """Let it take another number beside the images."""
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["n", 24, 1, 1]))
    model.graph.node.append(helper.make_node("Add", ["block3", "more"], ["sum"]))
    model.graph.output[0].name = "sum"


def with_one_channel(model: onnx.ModelProto) -> None:
    """Let it take gray images."""
    model.graph.node.insert(0, helper.make_node("Concat", ["gray"] * 3, ["images"], axis=1))
    gray = helper.make_tensor_value_info("gray", TensorProto.FLOAT, ["n", 1, "h", "w"])
    model.graph.input[0].CopyFrom(gray)


def with_table_input(model: onnx.ModelProto) -> None:
    """Let it take rows of numbers."""
    shape = numpy_helper.from_array(np.array([-1, 3, 32, 32]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("Reshape", ["rows", "shape"], ["images"]))
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 3072])
    model.graph.input[0].CopyFrom(rows)


def with_a_batch_of_one(model: onnx.ModelProto) -> None:
    """Bake a batch of one image into it."""
    shape = numpy_helper.from_array(np.array([1, 24, 16]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("Reshape", ["block3", "shape"], ["lines"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("lines", TensorProto.FLOAT, [1, 24, 16]))
    shaped(1, 3, 32, 32)(model)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (with_table_input, TOY, r"takes inputs of shape \[\?,3072\]; lightprobe shows"),
        (with_two_inputs, TOY, r"takes inputs of shape .*, .*; lightprobe shows a network one square RGB"),
        (with_one_channel, TOY, r"takes inputs of shape \[\?,1,\?,\?\]; lightprobe shows"),
        (shaped("n", 3, 32, 40), TOY, r"takes inputs of shape \[\?,3,32,40\]; lightprobe shows"),
        (
            shaped("n", 3, 32, 32),
            {**TOY, "image_size": 48},
            "of 32 pixels and no others; got 48",
        ),
        (with_a_batch_of_one, TOY, "dynamic batch"),
        (None, {"image_size": 32}, "which mean and deviation .* give `mean` and `std`"),
        (None, {"mean": HALF, "std": HALF}, "images of any size .* give `image_size`"),
        (None, {**TOY, "cut": "block9"}, r"no layer 'block9'; near it are .*`lightprobe backbones FILE`"),
        (None, {**TOY, "mean": (0.5,)}, "three numbers"),
    ],
    ids=["table", "two", "gray", "oblong", "other-size", "batch", "mean", "size", "cut", "one-mean"],
)
def test_a_network_that_cannot_be_shown_photos_is_refused_in_one_sentence(
    unknown: Path, change: Change | None, options: dict[str, Any], said: str
) -> None:
    if change is not None:
        changed(unknown, change)
    with pytest.raises(BackboneError, match=said) as caught:
        create_backbone(str(unknown), **options)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_networks_are_refused_in_one_sentence(unknown: Path) -> None:
    folder, content = unknown.parent, unknown.read_bytes()
    (folder / "text.onnx").write_bytes(b"not a network")
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "half.onnx").write_bytes(content[: len(content) // 2])
    openvino.save_model(openvino.Core().read_model(unknown), folder / "toy.xml", False)
    shutil.copy(folder / "toy.xml", folder / "alone.xml")
    shutil.copy(folder / "toy.xml", folder / "short.xml")
    (folder / "short.bin").write_bytes((folder / "toy.bin").read_bytes()[:100])
    (folder / "text.xml").write_text("<html>")
    (folder / "text.bin").write_bytes(b"")
    for name, said in (
        ("none.onnx", "There is no file"),
        ("text.onnx", "cannot be read as a network"),
        ("empty.onnx", "cannot be read as a network"),
        ("half.onnx", "cannot be read as a network"),
        ("alone.xml", r"has no weights beside it: put alone\.bin there"),
        ("short.xml", "cannot be read as a network"),
        ("text.xml", "cannot be read as a network"),
    ):
        with pytest.raises(WeightsError, match=rf"{name}.*{said}|{said} .*{name}") as caught:
            create_backbone(str(folder / name), **TOY)
        assert "\n" not in str(caught.value)


def test_a_quantised_network_is_cut_and_seen_through_as_the_one_it_was_made_of(unknown: Path) -> None:
    truth = see(create_backbone(str(unknown), **TOY), photos())
    scale, zero = np.float32(1 / 16), np.int8(-128)

    def quantise(model: onnx.ModelProto) -> None:
        """Round what each block gives to bytes and back, as QDQ files have it."""
        graph = model.graph
        graph.initializer.append(numpy_helper.from_array(np.array(scale), "s"))
        graph.initializer.append(numpy_helper.from_array(np.array(zero), "z"))
        nodes = []
        for node in graph.node:
            nodes.append(node)
            if node.op_type == "Relu" and node.output[0] != LAYERS[-1]:
                name = node.output[0]
                node.output[0] = f"{name} exact"
                nodes.append(
                    helper.make_node("QuantizeLinear", [f"{name} exact", "s", "z"], [f"{name} bytes"])
                )
                nodes.append(helper.make_node("DequantizeLinear", [f"{name} bytes", "s", "z"], [name]))
        del graph.node[:]
        graph.node.extend(nodes)

    backbone = create_backbone(str(changed(unknown, quantise)), **TOY)
    assert len(backbone.cuts) == len(LAYERS), "bytes carry on what floats were"
    found = see(backbone, photos())
    cosines = (found * truth).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(truth, axis=1)
    assert cosines.min() > 0.99
    assert see(backbone.at(backbone.cuts[0].name), photos()).shape == (2, 8)


def test_layers_that_metadata_lists_wrongly_are_refused_in_one_sentence(unknown: Path) -> None:
    def list_names(model: onnx.ModelProto) -> None:
        helper.set_model_props(model, {"lightprobe": json.dumps({"layers": list(LAYERS)})})

    with pytest.raises(
        WeightsError, match=r"lists its layers in a way that is not known.*`name` and `output`"
    ):
        create_backbone(str(changed(unknown, list_names)), **TOY)


def test_as_many_channels_as_rows_and_columns_hide_no_layer(unknown: Path) -> None:
    backbone = create_backbone(str(unknown), **{**TOY, "image_size": 16})
    assert [info.shape for info in backbone.describe()] == [(8, 8, 8), (16, 4, 4), (24, 2, 2)]
