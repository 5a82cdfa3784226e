import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.check.pictures import picture

from lightprobe.check.alignment import Match, hints, match, thumbnail
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
    return match(first, second, hints(thumbnail(first), thumbnail(second)))


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
    assert hints(thumbnail(blank), thumbnail(blank)) == []
    assert compare(blank, grey(picture(1))).correlation < 0


def test_slivers_are_survived() -> None:
    sliver = grey(picture(1, (400, 3)))
    assert compare(sliver, sliver).correlation <= 1.0
