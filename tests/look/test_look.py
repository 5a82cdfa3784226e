import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
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
from lightprobe.look.model import _outputs
from lightprobe.look.saliency import PARTS, exact_saliency, occlusion_saliency

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU: dict[str, Any] = {"image_size": 64, "device": "cpu", "engine": "eager", "precision": "fp32"}


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
    pixels = clf.network_.backbone.preprocessing.prepare(_tensor(photos[0][0]))
    maps = _outputs(clf.network_.backbone, pixels)[clf.network_.backbone.cut]
    for which in range(classes):
        evidence = exact_saliency(clf.fitted, maps, which)
        assert evidence is not None
        assert evidence.shape == maps.shape[1:]
        # float16 features: a few parts in a thousand.
        assert evidence.sum() == pytest.approx(scores[which] - scores.mean(), rel=2e-2, abs=2e-2)


def _tensor(pixels: NDArray[Any]) -> torch.Tensor:

    return torch.from_numpy(pixels).permute(2, 0, 1)


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


class TopLeft:
    """A runner that sees how white the top left corner is."""

    engine, precision, device, weight_bytes, fingerprint = "toy", "fp32", torch.device("cpu"), 0, "toy"

    def __init__(self, taps: tuple[Tap, ...]) -> None:
        self.taps = taps
        self.state: Mapping[str, torch.Tensor] = {}

    def __call__(self, batch: torch.Tensor) -> dict[Tap, torch.Tensor]:
        return {self.taps[0]: batch[:, :, :4, :4].float().mean((1, 2, 3))[:, None] / 255}


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
    maps = np.zeros((440, 2, 2))
    assert exact_saliency(clf.fitted, maps, 0) is None
    corner = Corner(**{part.name: getattr(clf.fitted, part.name) for part in fields(Fitted)})
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:8, :8] = 255
    evidence = occlusion_saliency(corner, photo, 0, clf.runtime)
    assert evidence.shape == (PARTS, PARTS)
    assert evidence.argmax() == 0
    assert evidence[0, 0] > 0.9
    assert np.abs(evidence.flat[1:]).max() < 1e-9


def test_look_draws_a_model_of_either_kind_at_work(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(toy_folder / "test" / "disc" / "disc 100.png")
    small = ["--image-size", "64", "--device", "cpu", "--engine", "eager", "--precision", "fp32", "-q"]
    method = ["--method", "linear-probe", "--epochs", "2", "--lr", "0.1"]
    for name, options in (("light", ["--pool", "flatten"]), ("probe", method)):
        run = str(tmp_path / name)
        assert main(["train", str(toy_folder), "--out", run, *small, *options]) == 0
        capsys.readouterr()
        picture = tmp_path / f"{name}.png"
        assert main(["look", f"{run}/model", photo, "--out", str(picture), "--json", "--device", "cpu"]) == 0
        seen = json.loads(capsys.readouterr().out)
        assert seen["evidence"] == ("covering" if name == "light" else "exact")
        assert seen["layers"][-1]["shape"] == [440, 2, 2]
        assert size_of(picture) == (1650, 1100)
    assert main(["look", f"{run}/model", "--out", str(tmp_path / "x.png")]) == 2
    assert "needs a photo" in capsys.readouterr().err


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
