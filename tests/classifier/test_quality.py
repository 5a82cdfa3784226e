"""Levels of quality: what each looks through, what is said of it, and when a dearer one is not taken."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.toys import draw_toys

from lightprobe import ImageClassifier, load
from lightprobe.backbones import BEST, DEFAULT, PACKAGED
from lightprobe.classifier.levels import Gained, Level, _level
from lightprobe.cli import main
from lightprobe.errors import OptionError
from lightprobe.features import TapSet
from lightprobe.selection import Candidate, Choice, Photos

HOW: dict[str, Any] = {"encode": "l2", "kernel": "optical", "precision": "fp32", "device": "cpu"}


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_toys(tmp_path_factory.mktemp("quality"), 6, 2)


def test_a_level_looks_through_what_it_says() -> None:
    assert Level.named("fast") == Level("fast", (DEFAULT,), (None,))
    assert Level.named("balanced") == Level("balanced", PACKAGED, (None, None))
    best = Level.named("best", "mobilenet_v2=a.pth,resnet18=b.pth")
    assert best.networks == (*PACKAGED, "mobilenet_v2", "resnet18")
    assert best.weights == (None, None, "a.pth", "b.pth")
    assert best.looks == ("squash", "crop", "mirror")
    assert [one.name for one in best.missing] == [name for name in BEST if name != "mobilenet_v2"]


@pytest.mark.torch
def test_the_best_level_takes_in_what_a_library_has_cached(tmp_path: Path) -> None:
    (absent,) = (one for one in Level.named("best").missing if one.name == "mobilenet_v2")
    absent.cached_file.parent.mkdir(parents=True)
    absent.cached_file.write_bytes(b"")
    assert Level.named("best").networks == (*PACKAGED, "mobilenet_v2")


def test_what_a_level_has_no_place_for_is_refused(toys: Path) -> None:
    with pytest.raises(OptionError, match="`quality` is 'great'; it must be fast, balanced, best"):
        ImageClassifier(quality="great").fit(toys)
    with pytest.raises(OptionError, match="hold their weights"):
        ImageClassifier(quality="balanced", weights="a.pth").fit(toys)
    with pytest.raises(OptionError, match="write NAME=FILE"):
        ImageClassifier(quality="best", weights="a.pth").fit(toys)


def test_a_named_network_goes_before_the_level(toys: Path) -> None:
    model = ImageClassifier(PACKAGED[1], quality="best", **HOW).fit(toys)
    assert [network.backbone.name for network in model.networks_] == [PACKAGED[1]]
    assert model.gained_ is None


@pytest.mark.parametrize("quality", ["balanced", "best"])
def test_where_leave_one_out_sees_no_gain_the_fast_level_is_taken(
    quality: str, toys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="lightprobe.quality"):
        model = ImageClassifier(quality=quality, **HOW).fit(toys)
    (said, *missing) = [record.getMessage() for record in caplog.records]
    looks = 1 if quality == "balanced" else 3
    assert said.startswith(f"quality {quality}: 2 networks × {looks} look")
    assert "18 photos" in said
    assert len(missing) == (0 if quality == "balanced" else len(BEST))
    assert all("curl" in line or "hf download" in line for line in missing)
    assert model.loo_accuracy_ == 1.0  # which no level can gain on
    gained = model.gained_
    assert gained is not None
    assert (gained.asked, gained.gain, gained.error) == (quality, 0.0, 0.0)
    assert len(model.networks_) == 1  # the cheaper of the two, which the toys are alike
    again = load(model.save(tmp_path / "model"))
    assert again.gained_ == gained
    assert again.get_params()["quality"] == quality


def test_the_command_says_what_a_level_gained(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--quality", "balanced", "--precision", "fp32"]
    assert main(["train", str(toys), "--out", str(tmp_path / "run"), *how]) == 0
    said = capsys.readouterr()
    assert "quality balanced: 2 networks × 1 look, about " in said.err
    taken = "fell back to fast" if "fell back" in said.out else "gained +0.0 points over fast"
    assert f"--quality balanced {taken}" in said.out
    row = json.loads((tmp_path / "run" / "rows.jsonl").read_text(encoding="utf-8"))
    assert (row["quality"], row["quality_gain"]) == ("balanced", 0.0)


def test_a_gain_is_that_of_the_winner_over_the_default_network_alone() -> None:
    def candidate(cut: str, wrong: int) -> Candidate:
        correct = np.arange(200) >= wrong
        taps = TapSet.parse(cut, "avg")
        return Candidate(Choice(taps, "l2", "optical"), loo_accuracy=float(correct.mean()), correct=correct)

    alone, both = candidate(f"{DEFAULT}:a", 20), candidate(f"{DEFAULT}:a+{PACKAGED[1]}:a", 6)
    photos = Photos.of(np.ones(200), None)
    gained = Gained.of("best", [both, candidate(f"{PACKAGED[1]}:a", 2), alone], photos, None)
    assert gained is not None
    assert (gained.asked, gained.taken) == ("best", "balanced")
    assert gained.gain == pytest.approx(14 / 200)
    assert gained.error == pytest.approx(np.sqrt(14 - 14**2 / 200) / 200)
    known = Gained.of("best", [both], photos, alone)
    assert known == gained


@pytest.mark.parametrize(
    ("cut", "level"),
    [
        ("bn2", "fast"),
        (f"{DEFAULT}:bn2", "fast"),
        (f"{DEFAULT} crop:bn2", "fast"),
        (f"{PACKAGED[1]}:bn2", "balanced"),
        (f"{DEFAULT}:bn2+{PACKAGED[1]}:bn2", "balanced"),
        (f"{DEFAULT}:bn2+mobilenet_v2:features", "best"),
        ("crop:bn2+squash:bn2", "best"),
        (f"{DEFAULT} crop:bn2+{DEFAULT} mirror:bn2", "best"),
    ],
)
def test_a_level_is_told_by_networks_and_looks(cut: str, level: str) -> None:
    assert _level(TapSet.parse(cut, "avg")) == level


def test_of_more_than_two_networks_leave_one_out_prefers_two_or_three(
    toys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    four = Level("best", (*PACKAGED, *PACKAGED), (None,) * 4, ("crop", "mirror", "squash"))
    monkeypatch.setattr(Level, "named", classmethod(lambda _cls, *_: four))
    seen: list[Level] = []
    monkeypatch.setattr(Level, "announce", lambda level, *_: seen.append(level))
    model = ImageClassifier(quality="best", **HOW, cache=False).fit(toys)
    assert model.gained_ is not None
    assert model.loo_accuracy_ == 1.0
    kept = [len(one.networks) for one in seen]
    assert kept in ([2], [3])
