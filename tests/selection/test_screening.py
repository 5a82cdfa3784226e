import numpy as np
import pytest

from lightprobe.backbones import Tap
from lightprobe.features import TapSet
from lightprobe.head import HeadOptions, OpticalRidge
from lightprobe.images import sample_mask
from lightprobe.selection import Choice, select


@pytest.fixture
def many() -> tuple[dict[TapSet, np.ndarray], np.ndarray]:
    """A thousand photos whose classes one layer shows, another half shows, and a third does not."""
    rng = np.random.default_rng(3)
    labels = np.arange(1200) % 3
    classes = np.eye(3)[labels]
    layers = {
        TapSet.of(Tap(cut, "avg")): (strength * classes + rng.normal(size=(1200, 3))).astype(np.float16)
        for cut, strength in (("good", 3.0), ("fair", 2.8), ("blind", 0.0))
    }
    return layers, labels


def test_of_many_photos_a_sample_leaves_out_what_is_far_behind_and_says_by_how_much(
    many: tuple[dict[TapSet, np.ndarray], np.ndarray],
) -> None:
    features, labels = many
    wanted = [Choice(taps, "none", "linear") for taps in features]
    selection = select(features, labels, wanted, HeadOptions())
    assert selection.choice.taps.cut == "good"
    *scored, blind = selection.candidates
    assert {c.choice.taps.cut for c in scored} == {"good", "fair"}
    assert all(len(c.correct) == len(labels) for c in scored)
    assert blind.loo_accuracy is None
    rows = sample_mask(labels, 512)
    good, bad = (
        OpticalRidge(kernel="linear")
        .fit(features[TapSet.of(Tap(cut, "avg"))][rows], labels[rows])
        .loo_accuracy_
        for cut in ("good", "blind")
    )
    assert blind.dropped == f"{100 * (good - bad):.1f} points behind on {rows.sum()} photos"


def test_of_few_photos_all_are_compared_on_all(many: tuple[dict[TapSet, np.ndarray], np.ndarray]) -> None:
    features, labels = {taps: layer[:600] for taps, layer in many[0].items()}, many[1][:600]
    selection = select(features, labels, [Choice(taps, "none", "linear") for taps in features], HeadOptions())
    assert all(len(c.correct) == 600 for c in selection.candidates)


def test_the_best_of_the_last_layers_is_compared_on_all_photos_even_if_it_is_far_behind(
    many: tuple[dict[TapSet, np.ndarray], np.ndarray],
) -> None:
    features, labels = many
    wanted = [Choice(taps, "none", "linear") for taps in features]
    selection = select(
        features, labels, wanted, HeadOptions(), never_screened=[TapSet.of(Tap("blind", "avg"))]
    )
    assert {c.choice.taps.cut for c in selection.candidates if not c.dropped} == {"good", "fair", "blind"}


def test_a_sample_that_cannot_be_fitted_leaves_out_nothing(
    many: tuple[dict[TapSet, np.ndarray], np.ndarray],
) -> None:
    features, labels = many
    groups = np.arange(1200) // 600  # the sample is one of them, and one alone cannot be left out
    wanted = [Choice(taps, "none", "linear") for taps in features]
    selection = select(features, labels, wanted, HeadOptions(), groups=groups)
    assert all(len(c.correct) == len(labels) for c in selection.candidates)
