"""Networks in files that say nothing of their layers."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.toy_network import LAYERS, toy_network

from lightprobe.backbones import Tap, create_backbone, create_runner


@pytest.fixture
def unknown(tmp_path: Path) -> str:
    """The toy network as other programs write networks: operations are named, layers are not."""
    path = toy_network(tmp_path / "toy.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    for node in model.graph.node:
        node.name = f"/features/{node.op_type} of {node.output[0]}"
    onnx.save(model, path)
    return path


def test_a_network_is_cut_where_it_is_tapped_whatever_its_operations_are_called(unknown: str) -> None:
    toy = (0.5, 0.5, 0.5)
    whole = create_backbone(unknown, image_size=32, mean=toy, std=toy)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    taps = [Tap(cut.name) for cut in whole.cuts]
    assert len(taps) == len(LAYERS), "the last layer, too, has positions to be averaged"
    assert whole.cut == taps[-1].cut
    features = create_runner(whole, taps, precision="fp32")(pixels)
    for tap in taps:
        ended = whole.at(tap.cut)
        assert [cut.name for cut in ended.cuts] == [earlier.cut for earlier in taps[: taps.index(tap) + 1]]
        found = create_runner(ended, [tap], precision="fp32")(pixels)[tap]
        np.testing.assert_allclose(found, features[tap], rtol=1e-5, atol=1e-6)
