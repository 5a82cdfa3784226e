import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.check.pictures import picture

from lightprobe.check import alignment, duplicates
from lightprobe.check.alignment import Match, coarse, hints, match
from lightprobe.check.duplicates import LEAST_CORRELATION, LEAST_DETAIL

FLIP = Image.Transpose.FLIP_LEFT_RIGHT
EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], float, bool]] = {
    "stored anew": (lambda p: p, 1.0, False),
    "half the size": (lambda p: p.resize((80, 60)), 1.0, False),
    "cropped": (lambda p: p.crop((20, 10, 140, 100)), 0.75, False),
    "mirrored": (lambda p: p.transpose(FLIP), 1.0, True),
    "cropped and mirrored": (lambda p: p.crop((0, 24, 128, 120)).transpose(FLIP), 0.8, True),
    "cropped to another shape": (lambda p: p.crop((30, 0, 150, 120)), 1.0, False),
}


def grey(image: Image.Image) -> NDArray[np.uint8]:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=60)
    return np.asarray(Image.open(stored).convert("L"))


def compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Match:
    (ways,) = hints(coarse(first)[None], coarse(second)[None])
    return match(first, second, ways)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("swapped", [False, True])
def test_an_edited_picture_is_recognised_and_the_edit_named(edit: str, swapped: bool) -> None:
    change, part, mirrored = EDITS[edit]
    pair = grey(picture(3)), grey(change(picture(3)))
    found = compare(*(reversed(pair) if swapped else pair))
    assert found.correlation > LEAST_CORRELATION
    assert found.detail > LEAST_DETAIL
    assert found.part == pytest.approx(part, abs=0.03)
    assert found.mirrored == mirrored


def test_pictures_of_different_things_are_not_taken_for_one() -> None:
    for seed in range(12):
        found = compare(grey(picture(seed)), grey(picture(seed + 50)))
        assert found.correlation < LEAST_CORRELATION or found.detail < LEAST_DETAIL


def test_one_setting_with_two_things_in_it_is_not_one_picture() -> None:
    """A smooth background dominates the correlation; the detail tells them apart."""
    y, x = np.mgrid[:120, :160]
    setting = 40 + 1.2 * y + 0.4 * x
    rng = np.random.default_rng(0)
    first, second = (
        np.clip(setting + rng.normal(0, 14, setting.shape), 0, 255).astype(np.uint8) for _ in "ab"
    )
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > LEAST_CORRELATION
    assert compare(first, second).detail < 0.2


def test_blank_pictures_have_nothing_to_recognise() -> None:
    blank = np.full((60, 80), 200, np.uint8)
    assert hints(coarse(blank)[None], coarse(blank)[None]) == [[]]
    assert compare(blank, grey(picture(1))).correlation < 0


def test_slivers_are_survived() -> None:
    sliver = grey(picture(1, (400, 3)))
    assert compare(sliver, sliver).correlation <= 1.0


def test_pairs_are_compared_together_as_they_are_alone() -> None:
    first = np.stack([coarse(grey(picture(seed))) for seed in range(6)])
    edited = [change(picture(seed)) for seed, (change, _, _) in enumerate(EDITS.values())]
    second = np.stack([coarse(grey(image.resize((160, 120)))) for image in edited])
    together = hints(first, second)
    assert sum(map(bool, together)) >= 5
    for i, ways in enumerate(together):
        (alone,) = hints(first[i : i + 1], second[i : i + 1])
        assert [(h.scale, h.second_is_whole, h.mirrored) for h in alone] == [
            (h.scale, h.second_is_whole, h.mirrored) for h in ways
        ]


def test_a_window_is_found_where_brute_force_finds_it() -> None:
    rng = np.random.default_rng(0)
    whole = np.asarray(picture(5, (48, 36)).convert("L"))
    part = whole[7:31, 9:41]
    noisy = np.clip(part + rng.normal(0, 8, part.shape), 0, 255).astype(np.uint8)
    ((_, places),) = alignment._search(whole[None], noisy[None], 48, np.array([2 / 3]), (False,))
    correlations = {
        (top, left): np.corrcoef(whole[top : top + 24, left : left + 32].ravel(), noisy.ravel())[0, 1]
        for top in range(13)
        for left in range(17)
    }
    assert max(correlations, key=lambda at: correlations[at]) == (7, 9)
    assert places.correlation[0] == pytest.approx(max(correlations.values()), abs=1e-5)
    assert places.scale[0] == 2 / 3


def test_a_shrunk_pixel_is_the_mean_of_the_area_it_covers() -> None:
    old = np.arange(6, dtype=np.float32).reshape(1, 1, 6).repeat(5, axis=1)
    np.testing.assert_allclose(alignment._shrunk(old, 0.5)[0, 0], [0.5, 2.5, 4.5])
    np.testing.assert_allclose(alignment._areas(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], atol=1e-7)


def test_pairs_of_the_same_shapes_are_dealt_together_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "TOGETHER", 3)
    small = {i: np.zeros((48, 36 if i % 2 else 48), np.uint8) for i in range(8)}
    pairs = [(i, j) for i in range(8) for j in range(i)]
    dealt = list(duplicates._of_same_shapes(pairs, small))
    assert sorted(pair for some in dealt for pair in some) == pairs
    for some in dealt:
        assert len(some) <= 3
        assert len({(small[i].shape, small[j].shape) for i, j in some}) == 1


def in_one_setting(seed: int) -> NDArray[np.uint8]:
    """Draw a thing of its own, over one that all have in common, over a smooth background."""
    y, x = np.mgrid[:120, :160]

    def blobs(number: int) -> NDArray[np.float64]:
        return np.asarray(picture(number).convert("L"), dtype=np.float64) - 128

    values = 128 + 0.9 * (y - 60) + 0.5 * (x - 80) + 0.45 * blobs(1) + 0.45 * blobs(seed)
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def test_copies_are_paired_in_order_and_what_only_has_its_setting_in_common_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tall, wide = grey(picture(3, (120, 160))), grey(picture(5))
    photos = [tall, in_one_setting(20), wide, tall.copy(), wide.copy(), in_one_setting(21)]
    small = {i: coarse(photo) for i, photo in enumerate(photos)}

    def pairs() -> list[tuple[int, int]]:
        alike, rows = np.ones((len(photos), 4), np.float16), np.arange(len(photos))
        found = duplicates.near_pairs(alike, rows, small, lambda i: photos[i])
        return [(pair.first, pair.second) for pair in found]

    seen = compare(photos[1], photos[5])
    assert seen.correlation > LEAST_CORRELATION
    assert pairs() == [(0, 3), (2, 4)]
    monkeypatch.setattr(duplicates, "LEAST_DETAIL", seen.detail - 0.01)
    assert pairs() == [(0, 3), (1, 5), (2, 4)]
