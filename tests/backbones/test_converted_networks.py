"""Networks of torch's become graphs once: the same features and layers, kept by all that changes them."""

# ruff: noqa: E402
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import CutInfo, GraphBackbone, Tap, create_backbone, create_runner
from lightprobe.versions import versions_of

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from safetensors.torch import save_file
from torchvision import models

from lightprobe.backbones.torch_networks import TorchBackbone, create_network

MakeLight = Callable[[str, int, str], TorchBackbone]

SMALL: dict[str, Any] = {"weights": "random", "image_size": 48}


def pixels(side: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, side, side, 3), np.uint8)


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, whoever wants a network of torch's fails."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} was asked of torch")

    monkeypatch.setattr("lightprobe.backbones.zoo._torch_networks", refuse)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_every_layer_of_the_graph_gives_what_torch_gives(name: str) -> None:
    graph, network = create_backbone(name, **SMALL), create_network(name, **SMALL)
    assert isinstance(graph, GraphBackbone)
    assert (graph.cuts, graph.preprocessing, graph.cut) == (network.cuts, network.preprocessing, network.cut)
    assert graph.describe() == network.describe()
    assert graph.digest == network.digest
    taps = [Tap(cut.name, "flatten") for cut in network.cuts]
    ours = create_runner(graph, taps, precision="fp32")(pixels())
    truth = create_runner(network, taps, engine="eager", precision="fp32", device="cpu")(pixels())
    for tap in taps:
        np.testing.assert_allclose(ours[tap], truth[tap], rtol=1e-3, atol=1e-4 * truth[tap].std())
    kernels, theirs = graph.first_kernels(), network.first_kernels()
    assert kernels is not None
    assert theirs is not None
    np.testing.assert_array_equal(kernels, theirs)


def test_what_was_converted_is_read_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    first = create_backbone("squeezenet1_1", cut="features.5", **SMALL)
    tap = Tap("features.5")
    seen = create_runner(first, [tap])(pixels())[tap]
    forbid(monkeypatch)
    again = create_backbone("squeezenet1_1", cut="features.5", **SMALL)
    assert (again.digest, again.describe(), again.weights) == (first.digest, first.describe(), first.weights)
    np.testing.assert_array_equal(create_runner(again, [tap])(pixels())[tap], seen)


@pytest.mark.parametrize("package", ["openvino", "torchvision"])
def test_what_another_version_converted_is_converted_again(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_backbone("squeezenet1_1", cut="features.3", **SMALL)
    forbid(monkeypatch)
    create_backbone("squeezenet1_1", cut="features.3", **SMALL)
    known = "lightprobe.backbones.graphs.graph_cache.versions_of"
    monkeypatch.setattr(known, lambda *packages: {**versions_of(*packages), package: "0.0"})
    with pytest.raises(AssertionError, match="asked of torch"):
        create_backbone("squeezenet1_1", cut="features.3", **SMALL)


@pytest.mark.parametrize(
    "other",
    [{"cut": "features.4"}, {"image_size": 64}, {"random_state": 1}, {"arguments": {"dropout": 0.1}}],
    ids=lambda other: next(iter(other)),
)
def test_another_cut_size_seed_or_argument_is_another_graph(
    other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    create_backbone("squeezenet1_1", **{"cut": "features.3", **SMALL})
    forbid(monkeypatch)
    with pytest.raises(AssertionError, match="asked of torch"):
        create_backbone("squeezenet1_1", **{"cut": "features.3", **SMALL, **other})


def test_other_weights_under_an_old_name_and_other_facts_beside_them_are_another_graph(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.safetensors"
    beside = tmp_path / "mine.safetensors.json"

    def made() -> GraphBackbone:
        backbone = create_backbone("squeezenet1_1", weights=file, cut="features.3", image_size=48)
        assert isinstance(backbone, GraphBackbone)
        return backbone

    state = models.squeezenet1_1().state_dict()
    save_file(state, file)
    first = made()
    save_file({**state, "features.0.bias": state["features.0.bias"] + 1}, file)
    second = made()
    assert second.digest != first.digest
    for mean in (0.5, 0.25):
        beside.write_text(json.dumps({"mean": [mean] * 3}))
        assert made().preprocessing.mean == (mean,) * 3


def test_mobilenet_takes_three_hundred_million_multiplications(tmp_path: Path) -> None:
    """As its paper counts them: 300 M multiply-adds at 224 px, the classifier's 1.3 M among them."""
    graph = create_backbone("mobilenet_v2", weights="random")
    assert isinstance(graph, GraphBackbone)
    infos = graph.describe()[-1], reopened(graph, tmp_path / "mobilenet.onnx")
    whole = 3_504_872  # torchvision's num_params
    for info in infos:
        assert info.multiplications + 1280 * 1000 == pytest.approx(300e6, rel=0.01)
    assert infos[0].multiplications == infos[1].multiplications
    assert infos[0].parameters == whole - 1280 * 1000 - 1000
    assert infos[0].share == pytest.approx(infos[0].parameters / whole)


def reopened(graph: GraphBackbone, path: Path) -> CutInfo:
    """Write a graph to a file and measure the layer that it ends at, as of anyone's file."""
    path.write_bytes(graph.to_tensors()["onnx"].tobytes())
    size = graph.preprocessing.crop
    backbone = create_backbone(str(path), cut=graph.cut, image_size=size, mean=(0.5,) * 3, std=(0.5,) * 3)
    return backbone.describe()[-1]


def test_a_files_layers_are_measured_as_torch_measures_them(make_light: MakeLight, tmp_path: Path) -> None:
    network = make_light("vit_b_32", 64, "encoder.layers.encoder_layer_0")
    last = reopened(network.as_graph(), tmp_path / "vit.onnx")
    tokens, width = 5, 768
    patches = 4 * 3 * 32**2 * width
    assert last.multiplications == patches + 12 * tokens * width**2 + 2 * tokens**2 * width
    assert last.multiplications == network.multiplications(network.cut)
    assert (last.cut, last.shape) == (network.find_cut(network.cut), (tokens, width))
    assert last.parameters == network.describe()[-1].parameters
