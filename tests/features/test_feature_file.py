import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightprobe.backbones import Tap, create_backbone, create_runner
from lightprobe.errors import BackboneError, MissingExtraError, OptionError
from lightprobe.features import BackboneRunner, extract
from lightprobe.features.feature_file import extract_to_file
from lightprobe.images import open_images
from lightprobe.runtime import Runtime

RUNTIME = Runtime(precision="fp32", device="cpu")
NETWORK: dict[str, Any] = {"backbone": "efficientnet_lite0", "image_size": 64}
CUTS = ("block2", "block3")


def test_several_layers_from_one_pass_are_those_of_one_pass_each(toy_folder: Path, tmp_path: Path) -> None:
    images = open_images(toy_folder)
    (toy_folder / images.paths[2]).write_bytes(b"")
    summary = extract_to_file(
        images, tmp_path / "f.npz", RUNTIME, cut=CUTS, pools=("avg", "flatten"), **NETWORK
    )
    assert (summary["n"], summary["n_skipped"]) == (47, 1)
    table = np.load(tmp_path / "f.npz", allow_pickle=False)
    for cut in CUTS:
        backbone = create_backbone("efficientnet_lite0", image_size=64, cut=cut)
        for pool in ("avg", "flatten"):
            tap = Tap(cut, pool)
            runner = create_runner(backbone, [tap], precision="fp32", device="cpu")
            alone = extract(
                images, BackboneRunner(backbone, runner), Runtime(batch_size=16, cache=False)
            ).matrices[tap]
            np.testing.assert_allclose(table[f"features {cut} {pool}"], alone, rtol=2e-3, atol=1e-3)
    kept = np.delete(np.arange(48), 2)
    np.testing.assert_array_equal(table["paths"], np.array(images.paths)[kept])
    np.testing.assert_array_equal(table["labels"], np.array(images.classes)[images.labels[kept]])
    np.testing.assert_array_equal(table["splits"], images.splits[kept])
    assert table["classes"].tolist() == list(images.classes)
    assert json.loads(str(table["provenance"]))["backbone"]["name"] == "efficientnet_lite0"


def test_parquet_holds_the_same_numbers(toy_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    import pyarrow.parquet

    for name in ("f.npz", "f.parquet"):
        extract_to_file(open_images(toy_folder), tmp_path / name, RUNTIME, cut=CUTS[:1], **NETWORK)
    table, arrays = pyarrow.parquet.read_table(tmp_path / "f.parquet"), np.load(tmp_path / "f.npz")
    column = f"features {CUTS[0]} avg"
    np.testing.assert_array_equal(np.stack(table[column].to_numpy()), arrays[column])
    assert table["label"].to_pylist() == arrays["labels"].tolist()
    assert json.loads(table.schema.metadata[b"lightprobe"])["classes"] == arrays["classes"].tolist()


def test_a_wrong_ending_or_layer_is_refused_before_any_photo_is_looked_at(tmp_path: Path) -> None:
    nothing = open_images((np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"]))
    with pytest.raises(OptionError, match=r"\.npz or \.parquet"):
        extract_to_file(nothing, tmp_path / "f.csv", RUNTIME)
    with pytest.raises(BackboneError, match=r"features\.99"):
        extract_to_file(nothing, tmp_path / "f.npz", RUNTIME, cut=("features.99",), **NETWORK)
    assert not list(tmp_path.glob("*.npz"))


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    nothing = open_images((np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"]))
    with pytest.raises(MissingExtraError, match=r"pip install 'lightprobe\[parquet\]'"):
        extract_to_file(nothing, tmp_path / "f.parquet", RUNTIME)


def test_features_of_several_networks_and_looks_stand_under_their_names(
    toy_folder: Path, tmp_path: Path
) -> None:
    names = ["efficientnet_lite0", "efficientnet_lite2"]
    summary = extract_to_file(
        open_images(toy_folder), tmp_path / "f.npz", RUNTIME, backbone=names, looks="crop,mirror"
    )
    keys = [f"features {name} {look}:block3 avg" for name in names for look in ("crop", "mirror")]
    assert list(summary["features"]) == keys
    with np.load(tmp_path / "f.npz") as file:
        origin = json.loads(str(file["provenance"]))
        matrices = [file[key].astype(float) for key in keys]
    assert [config["name"] for config in origin["backbone"]] == [name for name in names for _ in range(2)]
    assert [tap["preprocessing"].get("mirror", False) for tap in origin["taps"]] == [False, True] * 2
    alone = extract_to_file(open_images(toy_folder), tmp_path / "one.npz", RUNTIME, looks="mirror")
    with np.load(tmp_path / "one.npz") as file:
        (key,) = alone["features"]
        np.testing.assert_array_equal(file[key], matrices[1])
    assert np.abs(matrices[0] - matrices[1]).max() > 0
