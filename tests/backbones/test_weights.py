"""Weights files: what fits is read, what does not is named, and nothing in them is ever run."""

import json
import os
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from lightprobe.backbones import pack
from lightprobe.errors import WeightsError

# ruff: noqa: E402
pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from lightprobe.backbones.torch_networks import create_network
from lightprobe.backbones.torch_networks.families import FAMILIES
from lightprobe.backbones.torch_networks.weights import read_state


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(models.squeezenet1_1().state_dict())


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".pt"])
def test_the_file_gives_its_own_numbers(tmp_path: Path, state: dict[str, Tensor], ending: str) -> None:
    path = tmp_path / f"mine{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    backbone = create_network("squeezenet1_1", weights=path)
    assert backbone.weights == path.name
    assert set(backbone.state) == {key for key in state if key.startswith("features")}
    for key, tensor in backbone.state.items():
        assert torch.equal(tensor, state[key])


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_training_checkpoints_are_unwrapped(tmp_path: Path, state: dict[str, Tensor], wrapper: str) -> None:
    torch.save({wrapper: state, "epoch": 3}, tmp_path / "checkpoint.pth")
    backbone = create_network("squeezenet1_1", weights=tmp_path / "checkpoint.pth")
    assert torch.equal(backbone.state["features.0.weight"], state["features.0.weight"])


def test_halves_become_float32_without_loss(tmp_path: Path, state: dict[str, Tensor]) -> None:
    halves = {key: tensor.half() for key, tensor in state.items()}
    save_file(halves, tmp_path / "halves.safetensors")
    kept = create_network("squeezenet1_1", weights=tmp_path / "halves.safetensors").state
    assert all(tensor.dtype == torch.float32 for tensor in kept.values())
    assert all(torch.equal(tensor, halves[key].float()) for key, tensor in kept.items())


def test_packing_halves_only_what_loses_nothing() -> None:
    exact, odd = np.array([0.5, -3.0], np.float32), np.array([0.5, 1e6], np.float32)
    packed = pack({"exact": exact, "odd": odd, "bytes": np.array([1, 2], np.uint8)})
    assert packed["exact"].dtype == np.float16
    assert packed["odd"].dtype == np.float32
    assert packed["bytes"].dtype == np.uint8
    np.testing.assert_array_equal(packed["exact"], exact)
    np.testing.assert_array_equal(packed["odd"], odd)


def test_the_classifier_and_all_behind_the_cut_may_be_missing_or_misshapen(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    del state["classifier.1.weight"]
    state["features.12.squeeze.weight"] = torch.zeros(1)
    save_file(state, tmp_path / "mine.safetensors")
    backbone = create_network("squeezenet1_1", weights=tmp_path / "mine.safetensors", cut="features.4")
    assert "features.12.squeeze.weight" not in backbone.state


def test_missing_and_unknown_keys_are_counted_and_the_first_named(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    for key in [key for key in state if key.startswith("features.3.")]:
        state[f"wrong.{key}"] = state.pop(key)
    save_file(state, tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError) as caught:
        create_network("squeezenet1_1", weights=tmp_path / "mine.safetensors")
    assert "6 are missing (features.3." in str(caught.value)
    assert "6 are unknown (wrong.features.3." in str(caught.value)
    assert "and 3 more" in str(caught.value)


@pytest.mark.parametrize("tensor", [torch.zeros(7), torch.zeros(64, 3, 3, 3, dtype=torch.int8)])
def test_tensors_of_another_shape_or_kind_are_named(
    tmp_path: Path, state: dict[str, Tensor], tensor: Tensor
) -> None:
    state["features.0.weight"] = tensor
    save_file(state, tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError, match=r"1 is misshapen \(features\.0\.weight is torch\."):
        create_network("squeezenet1_1", weights=tmp_path / "mine.safetensors")


def test_auxiliary_heads_and_counters_of_batches_do_not_matter() -> None:
    needed = {"conv1.conv.weight": torch.empty(2, device="meta")}
    readers = {
        key: lambda: torch.ones(2) for key in [*needed, "aux1.fc.weight", "conv1.bn.num_batches_tracked"]
    }
    known = [*needed, "conv1.bn.num_batches_tracked"]
    state = read_state(readers, needed, known, FAMILIES["googlenet"], "here")
    assert list(state) == ["conv1.conv.weight"]


@pytest.mark.parametrize(
    ("family", "published", "today"),
    [
        (
            "densenet",
            "features.denseblock1.denselayer12.norm.1.running_mean",
            "features.denseblock1.denselayer12.norm1.running_mean",
        ),
        ("densenet", "features.transition1.norm.weight", "features.transition1.norm.weight"),
        (
            "vision_transformer",
            "encoder.layers.encoder_layer_0.mlp.linear_2.bias",
            "encoder.layers.encoder_layer_0.mlp.3.bias",
        ),
    ],
)
def test_keys_of_published_weights_find_todays_modules(family: str, published: str, today: str) -> None:
    needed = {today: torch.empty(2, device="meta")}
    state = read_state({published: lambda: torch.ones(2)}, needed, needed, FAMILIES[family], "here")
    assert state[today].tolist() == [1, 1]


def test_position_embeddings_are_interpolated_as_torchvision_does() -> None:
    key = "encoder.pos_embedding"
    embedding = torch.randn(1, 1 + 7 * 7, 4, generator=torch.Generator().manual_seed(0))
    needed = {key: torch.empty(1, 1 + 5 * 5, 4, device="meta")}
    state = read_state({key: lambda: embedding}, needed, needed, FAMILIES["vision_transformer"], "here")
    expected = interpolate_embeddings(160, 32, {key: embedding.clone()})[key]
    assert torch.equal(state[key], expected)


class Malice:
    """What a hostile weights file holds: unpickling it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_hostile_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Malice(tmp_path / "harmed")}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match="lightprobe runs no code from weights files"):
        create_network("squeezenet1_1", weights=tmp_path / "mine.pth")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.safetensors", None, "There is no file"),
        ("mine.h5", b"x", "unknown ending"),
        ("mine.safetensors", b"not tensors", "no readable safetensors"),
        ("mine.pth", b"not tensors", "cannot be read as plain weights"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=said):
        create_network("squeezenet1_1", weights=tmp_path / name)


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2, 3], tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match="holds no state_dict"):
        create_network("squeezenet1_1", weights=tmp_path / "mine.pth")


def test_facts_beside_the_file_override_the_published_ones(tmp_path: Path) -> None:
    path = tmp_path / "thin.safetensors"
    save_file(models.mobilenet_v2(width_mult=0.25).state_dict(), path)
    facts = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize": 40, "crop": 32}
    beside = tmp_path / "thin.safetensors.json"
    beside.write_text(json.dumps({**facts, "arguments": {"width_mult": 0.25}}))

    backbone = create_network("mobilenet_v2", weights=path)

    assert backbone.preprocessing.mean == (0.5, 0.5, 0.5)
    assert (backbone.preprocessing.resize, backbone.preprocessing.crop) == (40, 32)
    assert backbone.state["features.0.0.weight"].shape[0] == 8


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ('{"average": 0.5}', "unknown keys average; it may hold mean"),
        ("[0.5]", "must hold a JSON object"),
        ('{"arguments": 3}', "must hold a JSON object"),
        ("{", "is no JSON"),
    ],
)
def test_facts_that_make_no_sense_are_refused(
    tmp_path: Path, state: dict[str, Tensor], facts: str, said: str
) -> None:
    save_file(state, tmp_path / "mine.safetensors")
    (tmp_path / "mine.safetensors.json").write_text(facts)
    with pytest.raises(WeightsError, match=said):
        create_network("squeezenet1_1", weights=tmp_path / "mine.safetensors")


def test_without_a_network_the_way_to_the_weights_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(WeightsError) as caught:
        create_network("resnet18")
    said = str(caught.value)
    assert "get resnet18-f37072fd.pth from https://download.pytorch.org/models/resnet18-f37072fd.pth" in said
    assert str(tmp_path / "hub" / "checkpoints") in said
    assert "`weights`" in said
    assert capsys.readouterr().out == ""


def test_weights_in_torchs_cache_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(state, cache / "squeezenet1_1-b8a52dc0.pth")
    backbone = create_network("squeezenet1_1")
    assert torch.equal(backbone.state["features.0.weight"], state["features.0.weight"])
    assert backbone.weights == "SqueezeNet1_1_Weights.IMAGENET1K_V1"

    (cache / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"half a download")
    with pytest.raises(WeightsError, match=r"are damaged .*: delete the file"):
        create_network("squeezenet1_1")
