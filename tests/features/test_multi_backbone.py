from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightprobe.backbones import Tap, create_backbone, create_runner
from lightprobe.features import (
    BackboneRunner,
    TapSet,
    extract,
    extract_tap_sets,
    multi_backbone,
    stream_tap_set,
    taps_of,
)
from lightprobe.images import open_images
from lightprobe.runtime import Runtime

ALONE = TapSet((Tap("block2"),), (1,), ("b",))
TOGETHER = TapSet((Tap("block3"), Tap("block2")), (0, 1), ("a", "b"))


@pytest.fixture(scope="module")
def runners(toy_networks: Path) -> list[BackboneRunner]:
    """Two networks that want their photos in different sizes, fitted to the square in different ways."""
    made = []
    for name, cut, side in (("efficientnet_lite0", "block3", 32), ("efficientnet_lite2", "block2", 64)):
        backbone = create_backbone(str(toy_networks / f"{name}.onnx"), cut=cut, image_size=side)
        how = replace(backbone.preprocessing, fit="crop" if side == 32 else "squash")
        backbone = replace(backbone, preprocessing=how)
        runner = create_runner(backbone, [Tap(backbone.cut)], precision="fp32", device="cpu")
        made.append(BackboneRunner(backbone, runner))
    return made


def test_a_set_of_taps_is_each_networks_own_features_of_length_one_in_one_row(
    runners: list[BackboneRunner], toy_folder: Path
) -> None:
    (toy_folder / "train" / "disc" / "broken.png").write_bytes(b"no picture")
    images = open_images(toy_folder).training
    runtime = Runtime(batch_size=8, cache=False)
    seen = extract_tap_sets(images, runners, [ALONE, TOGETHER], runtime)
    own = [extract(images, runner, runtime) for runner in runners]
    blocks = [next(iter(look.matrices.values())).astype(float) for look in own]
    np.testing.assert_array_equal(seen.matrices[ALONE], blocks[1])
    rows = np.hstack([block / np.sqrt((block**2).sum(axis=1))[:, None] for block in blocks])
    np.testing.assert_allclose(seen.matrices[TOGETHER], rows, atol=1e-3)
    assert len(seen.kept) == len(images) - 1
    assert [skipped.path for skipped in seen.skipped] == ["train/disc/broken.png"]
    np.testing.assert_array_equal(seen.digests, own[0].digests)


def test_turns_give_what_one_look_at_everything_gives(
    runners: list[BackboneRunner], toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("broken.png", "broken too.png"):
        (toy_folder / "train" / "disc" / name).write_bytes(b"no picture")
    images = open_images(toy_folder).training
    runtime = Runtime(batch_size=4, cache=False)
    whole = extract_tap_sets(images, runners, [TOGETHER], runtime)
    monkeypatch.setattr(multi_backbone, "TURN", 1)
    chunks = list(stream_tap_set(images, runners, TOGETHER, runtime))
    assert len(chunks) == -(-len(images) // 4)
    assert sorted(i for chunk in chunks for i in chunk.failed) == sorted(
        set(range(len(images))) - set(whole.kept)
    )
    where = np.concatenate([chunk.indices for chunk in chunks])
    np.testing.assert_array_equal(np.sort(where), whole.kept)
    rows = np.concatenate([chunk.features[TOGETHER] for chunk in chunks if chunk.features])
    order = np.argsort(where)
    np.testing.assert_allclose(rows[order], whole.matrices[TOGETHER], atol=2e-3)


def test_a_network_is_tapped_once_however_many_sets_want_it() -> None:
    assert [len(taps_of([ALONE, TOGETHER], place)) for place in (0, 1)] == [1, 1]
    assert taps_of([ALONE], 0) == []


def test_a_set_of_taps_is_read_as_it_was_written() -> None:
    assert TOGETHER.cut == "a:block3+b:block2"
    assert TapSet.parse(TOGETHER.cut, TOGETHER.pool) == TOGETHER
    assert TapSet.parse("trunk_output", "flatten") == TapSet.of(Tap("trunk_output", "flatten"))
