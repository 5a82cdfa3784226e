import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from tests.toys import CLASSES, toy_image

from lightprobe import ImageClassifier
from lightprobe.backbones import Tap
from lightprobe.classifier import Fitted
from lightprobe.cli import main
from lightprobe.features import BackboneRunner
from lightprobe.images import open_images
from lightprobe.look import draw_data
from lightprobe.look.model import _draw_answer, _outputs
from lightprobe.look.saliency import PARTS, exact_saliency, occlusion_saliency

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU: dict[str, Any] = {"image_size": 64, "device": "cpu", "precision": "fp32"}

pytestmark = pytest.mark.usefixtures("module_cache")


@pytest.fixture(scope="module")
def photos() -> tuple[NDArray[Any], list[str]]:
    pictures = [toy_image(kind, seed, 64) for kind in CLASSES for seed in range(10)]
    return np.stack(pictures), [kind for kind in CLASSES for _ in range(10)]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kernel", ["linear", "optical"])
@pytest.mark.parametrize("encode", ["l2", "none"])
def test_evidence_over_all_positions_adds_up_to_the_score(
    photos: tuple[NDArray[Any], list[str]], kernel: str, encode: str, classes: int
) -> None:
    keep = slice(0, 10 * classes)
    clf = ImageClassifier(pool="avg", kernel=kernel, encode=encode, **CPU)
    clf.fit(photos[0][keep], photos[1][keep])
    scores = clf.decision_function(photos[0][:1])[0] - clf.head_.intercept_
    scores = np.array([-scores.item(), scores.item()]) if classes == 2 else scores
    pixels = clf.network_.backbone.preprocessing.prepare(photos[0][0])
    maps = _outputs(clf.network_.backbone, pixels)[clf.network_.backbone.cut]
    for which in range(classes):
        evidence = exact_saliency(clf.fitted, maps, which)
        assert evidence is not None
        assert evidence.shape == maps.shape[1:]
        # float16 features: a few parts in a thousand.
        assert evidence.sum() == pytest.approx(scores[which] - scores.mean(), rel=2e-2, abs=2e-2)


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


class TopLeft:
    """A runner that sees how white the top left corner is."""

    engine, precision, device, weight_bytes, fingerprint = "toy", "fp32", "cpu", 0, "toy"

    def __init__(self, taps: tuple[Tap, ...]) -> None:
        self.taps = taps
        self.state: Mapping[str, NDArray[Any]] = {}

    def __call__(self, batch: NDArray[np.uint8]) -> dict[Tap, NDArray[np.float32]]:
        return {self.taps[0]: batch[:, :4, :4].mean((1, 2, 3), dtype=np.float32)[:, None] / 255}


class Corner(Fitted):
    """Calls it class 0 as long as the top left corner is white."""

    def runners(self, device: str) -> list[BackboneRunner]:
        return [BackboneRunner(self.network.backbone, TopLeft(self.tap_set.taps))]

    def probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        sure = features[:, 0].astype(float)
        return np.stack([sure, 1 - sure], axis=1)


def test_bits_have_no_exact_saliency_and_covering_finds_the_part_that_decides(
    photos: tuple[NDArray[Any], list[str]],
) -> None:
    clf = ImageClassifier(pool="flatten", encode="sign", kernel="linear", **CPU).fit(*photos)
    maps = np.zeros((24, 8, 8))
    assert exact_saliency(clf.fitted, maps, 0) is None
    corner = Corner(**{part.name: getattr(clf.fitted, part.name) for part in fields(Fitted)})
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:8, :8] = 255
    evidence = occlusion_saliency(corner, photo, 0, clf.runtime)
    assert evidence.shape == (PARTS, PARTS)
    assert evidence.argmax() == 0
    assert evidence[0, 0] > 0.9
    assert np.abs(evidence.flat[1:]).max() < 1e-9


BY_GRADIENTS = ("--epochs", "1", "--lr", "0.1", "--method")


@pytest.mark.parametrize(
    ("options", "evidence", "last"),
    [
        (["--pool", "flatten"], "covering", [24, 4, 4]),
        pytest.param([*BY_GRADIENTS, "linear-probe"], "exact", [24, 4, 4], marks=pytest.mark.torch),
        pytest.param(
            [*BY_GRADIENTS, "scratch", "--network", "cnn2"], "exact", [256, 1, 1], marks=pytest.mark.torch
        ),
    ],
    ids=["the light", "a probe", "from scratch"],
)
def test_look_draws_a_model_of_any_kind_at_work(
    options: list[str],
    evidence: str,
    last: list[int],
    toy_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo, picture = str(toy_folder / "test" / "disc" / "disc 100.png"), tmp_path / "picture.png"
    small = ["--image-size", "32", "--device", "cpu", "--precision", "fp32", "-q"]
    model = str(tmp_path / "run" / "model")
    assert main(["train", str(toy_folder), "--out", str(tmp_path / "run"), *small, *options]) == 0
    capsys.readouterr()
    assert main(["look", model, photo, "--out", str(picture), "--json", "--device", "cpu"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["evidence"] == evidence
    assert seen["layers"][-1]["shape"] == last
    assert size_of(picture) == (1650, 1100)
    assert main(["look", model, "--out", str(tmp_path / "x.png")]) == 2
    assert "needs a photo" in capsys.readouterr().err


@pytest.mark.parametrize("side", [32, 36, 260])
def test_evidence_is_drawn_over_the_part_of_the_photo_that_gave_it(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[NDArray[Any]] = []
    monkeypatch.setattr(Axes, "imshow", lambda _axes, picture, **_how: shown.append(picture))
    evidence = np.zeros((7, 8))
    evidence[1, 6] = 1
    _draw_answer(Figure(), np.zeros((side, side, 3), np.uint8), evidence, "disc", "the photo")
    _, _, smooth = shown
    assert smooth.shape == (side, side)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    # Of equals the first is the greatest: a pixel beside the middle.
    assert (row + 0.5, column + 0.5) == pytest.approx((1.5 / 7 * side, 6.5 / 8 * side), abs=0.51)


def test_a_page_of_photos_shows_eight_of_each_class_and_passes_over_damaged_ones(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(11):
        (toy_folder / "train" / "disc" / f"disc {seed}.png").write_bytes(b"")
    shown: list[NDArray[np.uint8]] = []
    imshow = Axes.imshow

    def watched(axes: Axes, picture: NDArray[np.uint8], **how: Any) -> Any:
        shown.append(picture)
        return imshow(axes, picture, **how)

    monkeypatch.setattr(Axes, "imshow", watched)
    draw_data(open_images(toy_folder), tmp_path / "page.png")
    assert [picture.shape for picture in shown] == [(160, 160, 3)] * (5 + 8 + 8), "5 of 16 discs are whole"
    assert len({picture.tobytes() for picture in shown}) == len(shown), "none of them twice"
    assert size_of(tmp_path / "page.png") == (1320, 495)
