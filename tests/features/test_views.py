from pathlib import Path

import numpy as np
import pytest

from lightprobe.backbones import Tap, create_backbone, create_runner
from lightprobe.features import Chunk, Lens, Parts, extract, extract_views, stream_views, taps_of, views
from lightprobe.images import open_images

ALONE, TOGETHER = Tap("b:features", "avg"), Tap("a:trunk_output+b:features", "avg")


@pytest.fixture(scope="module")
def lenses() -> list[Lens]:
    """Two networks that want their photos in different sizes, fitted to the square in different ways."""
    made = []
    for name, weights, side in (("starter", None, 32), ("squeezenet1_1", "random", 64)):
        backbone = create_backbone(name, weights=weights, image_size=side)
        runner = create_runner(
            backbone, [Tap(backbone.cut)], engine="eager", precision="fp32", device="cpu", n_images=1
        )
        made.append(Lens(backbone, runner))
    return made


@pytest.fixture
def wanted(lenses: list[Lens]) -> dict[Tap, Parts]:
    first, second = (Tap(lens.backbone.cut) for lens in lenses)
    return {ALONE: ((1, second),), TOGETHER: ((0, first), (1, second))}


def test_a_view_is_each_networks_own_features_of_length_one_in_one_row(
    lenses: list[Lens], wanted: dict[Tap, Parts], toy_folder: Path
) -> None:
    (toy_folder / "train" / "disc" / "broken.png").write_bytes(b"no picture")
    images = open_images(toy_folder).training
    seen = extract_views(images, lenses, wanted, batch_size=8)
    own = [extract(images, lens.backbone, lens.runner, batch_size=8) for lens in lenses]
    blocks = [next(iter(look.matrices.values())).astype(float) for look in own]
    np.testing.assert_array_equal(seen.matrices[ALONE], blocks[1])
    rows = np.hstack([block / np.sqrt((block**2).sum(axis=1))[:, None] for block in blocks])
    np.testing.assert_allclose(seen.matrices[TOGETHER], rows, atol=1e-3)
    assert len(seen.kept) == len(images) - 1
    assert [skipped.path for skipped in seen.skipped] == ["train/disc/broken.png"]
    np.testing.assert_array_equal(seen.digests, own[0].digests)


def test_turns_give_what_one_look_at_everything_gives(
    lenses: list[Lens], wanted: dict[Tap, Parts], toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("broken.png", "broken too.png"):
        (toy_folder / "train" / "disc" / name).write_bytes(b"no picture")
    images = open_images(toy_folder).training
    whole = extract_views(images, lenses, wanted, batch_size=4)
    monkeypatch.setattr(views, "TURN", 1)
    chunks: list[Chunk] = list(stream_views(images, lenses, wanted, batch_size=4))
    assert len(chunks) == -(-len(images) // 4)
    assert sorted(i for chunk in chunks for i in chunk.failed) == sorted(
        set(range(len(images))) - set(whole.kept)
    )
    where = np.concatenate([chunk.indices for chunk in chunks])
    np.testing.assert_array_equal(np.sort(where), whole.kept)
    rows = np.concatenate([chunk.features[TOGETHER] for chunk in chunks if chunk.features])
    order = np.argsort(where)
    np.testing.assert_allclose(rows[order], whole.matrices[TOGETHER], atol=2e-3)


def test_a_network_is_tapped_once_however_many_views_want_it(wanted: dict[Tap, Parts]) -> None:
    assert [len(taps_of(wanted, place)) for place in (0, 1)] == [1, 1]
