"""A check decodes a photo once, as training does, and leaves it the features."""

from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.check.pictures import picture

from lightprobe import ImageClassifier
from lightprobe.check import check, scan
from lightprobe.features import streaming
from lightprobe.images import decode, open_images
from lightprobe.runtime import Runtime

HOW: dict[str, Any] = {"image_size": 64, "precision": "fp32", "device": "cpu"}


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Photos of more than 2,000 pixels a side, two of each class, one of them lying on its side."""
    root = tmp_path / "large"
    for label, name in enumerate(("cold", "warm")):
        (root / name).mkdir(parents=True)
        for i in range(2):
            picture(10 * label + i).resize((2160, 2040)).save(root / name / f"{i}x.jpg", quality=80)
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(50).resize((2400, 2040)).save(root / "warm" / "turned.jpg", exif=turned)
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int | None, int]]:
    """How often each photo was decoded, by the scale that was asked for and the photo's bytes."""
    seen: Counter[tuple[int | None, int]] = Counter()

    def counted(data: Any, **how: Any) -> NDArray[np.uint8]:
        seen[how.get("at_least"), hash(bytes(data))] += 1
        return decode(data, **how)

    for module in (streaming, scan):
        monkeypatch.setattr(module, "decode", counted)
    return seen


def trained(photos: Path) -> ImageClassifier:
    return ImageClassifier(pool="avg", encode="l2", kernel="optical", **HOW).fit(photos)


def test_training_after_a_check_has_the_same_features_and_decodes_nothing(
    large: Path,
    decoded: Counter[tuple[int | None, int]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    alone = trained(large)
    scale = alone.network_.backbone.preprocessing.resize
    assert sorted(decoded.values()) == [1] * 5
    decoded.clear()
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(tmp_path / "another-cache"))
    found = check(open_images(large), Runtime(precision="fp32", device="cpu"), image_size=64)
    assert {at_least for at_least, _ in decoded} == {scale}, "at the scale of training, and at no other"
    assert sorted(decoded.values()) == [1] * 5
    assert [f.evidence for f in found.findings if f.kind == "odd"] == ["turned by EXIF (orientation 6)"]
    decoded.clear()
    after = trained(large)
    assert not decoded
    np.testing.assert_array_equal(after.fitted.record.rows, alone.fitted.record.rows)  # type: ignore[union-attr]
    np.testing.assert_array_equal(after.decision_function(large), alone.decision_function(large))


def test_sizes_are_those_of_the_header_though_photos_are_decoded_smaller() -> None:
    file = BytesIO()
    picture(1).resize((2400, 400)).save(file, "JPEG")
    content = file.getvalue()
    seen = scan.look("a.jpg", content, decode(content, at_least=40))
    assert seen.reduced
    assert seen.size == (2400, 400)
    assert [evidence for evidence, _ in seen.oddities] == ["extreme aspect: 2400 × 400 pixels"]


@pytest.mark.parametrize(("spoiled", "kind"), [(False, "duplicate"), (True, "near-duplicate")])
def test_a_copy_in_another_format_is_told_at_full_scale(tmp_path: Path, spoiled: bool, kind: str) -> None:
    root = tmp_path / "photos"
    for label, name in enumerate(("cold", "warm")):
        (root / name).mkdir(parents=True)
        for i in range(3):
            picture(10 * label + i).save(root / name / f"{i}x.png")
    picture(60, (640, 480)).save(root / "cold" / "one.jpg")
    pixels = decode((root / "cold" / "one.jpg").read_bytes()).copy()
    pixels[:2] ^= spoiled
    Image.fromarray(pixels).save(root / "cold" / "other.png")
    found = check(open_images(root), Runtime(precision="fp32", device="cpu"), image_size=64)
    assert [f.kind for f in found.findings if f.kind.endswith("duplicate")] == [kind]


def test_several_networks_and_looks_check_as_one_that_sees_all_of_it(toy_folder: Path) -> None:
    images = open_images(toy_folder)
    runtime = Runtime(precision="fp32", device="cpu")
    names = "efficientnet_lite0,efficientnet_lite2"
    found = check(images, runtime, backbone=names, looks="crop,squash")
    alone = check(images, runtime)
    assert found.n == alone.n == len(images)
    assert found.loo_accuracy is not None
    assert found.loo_accuracy > 0.9
    assert found.counts().get("duplicate", 0) == alone.counts().get("duplicate", 0)
