import numpy as np
import pytest
from sklearn.linear_model import Ridge

from lightprobe.backbones import Tap
from lightprobe.errors import OptionError
from lightprobe.features import TapSet
from lightprobe.head import HeadOptions
from lightprobe.selection import Choice, choices, select

AVG, FLAT = TapSet.of(Tap("layer", "avg")), TapSet.of(Tap("layer", "flatten"))


@pytest.fixture
def features() -> dict[TapSet, np.ndarray]:
    """Features whose products tell two classes apart, which only the optical kernel sees; avg is positive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    return {FLAT: X.astype(np.float16), AVG: np.abs(rng.normal(size=(120, 4))).astype(np.float16)}


@pytest.fixture
def labels(features: dict[TapSet, np.ndarray]) -> np.ndarray:
    return np.asarray(features[FLAT][:, 0] * features[FLAT][:, 1] > 0, dtype=np.int64)


def test_the_winner_is_the_kernel_that_can_see_the_classes(
    features: dict[TapSet, np.ndarray], labels: np.ndarray
) -> None:
    selection = select(features, labels, choices([AVG, FLAT], "none", "auto"), HeadOptions())
    assert selection.choice == Choice(FLAT, "none", "optical")
    assert selection.candidates[0].choice == selection.choice
    best = selection.candidates[0].loo_accuracy
    assert best is not None
    assert best > 0.75
    assert all((c.loo_accuracy or 0) < 0.7 for c in selection.candidates if c.choice.kernel == "linear")


def test_a_candidates_score_is_that_of_as_many_refits(
    features: dict[TapSet, np.ndarray], labels: np.ndarray
) -> None:
    choice = Choice(FLAT, "none", "linear")
    selection = select(features, labels, [choice], HeadOptions(alpha=0.1))
    X, Y = features[FLAT].astype(float), np.where(labels[:, None] == [0, 1], 1.0, -1.0)
    alpha = selection.head.alpha
    right = 0
    for i in range(len(X)):
        rest = np.delete(np.arange(len(X)), i)
        right += Ridge(alpha).fit(X[rest], Y[rest]).predict(X[[i]])[0].argmax() == labels[i]
    assert selection.candidates[0].loo_accuracy == pytest.approx(right / len(X))


def test_positive_features_have_no_sign_bits_to_tell_apart_and_are_dropped_not_scored(
    features: dict[TapSet, np.ndarray], labels: np.ndarray
) -> None:
    selection = select(features, labels, choices([AVG], "auto", "auto"), HeadOptions())
    dropped = [c for c in selection.candidates if c.dropped]
    assert {(c.choice.encode, c.choice.kernel) for c in dropped} == {("sign", "linear"), ("sign", "optical")}
    assert all(c.loo_accuracy is None for c in dropped)
    with pytest.raises(OptionError, match="None of the 1 ways"):
        select(features, labels, choices([AVG], "sign", "linear"), HeadOptions())


def test_of_two_layers_that_leave_one_out_cannot_tell_apart_the_cheaper_wins() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(600) % 2
    narrow = (labels[:, None] * 2 - 1 + rng.normal(size=(600, 4)) * 0.8).astype(np.float16)
    wide = np.hstack([narrow, rng.normal(size=(600, 300)).astype(np.float16) * 0.01])
    early, last = TapSet.of(Tap("early", "avg")), TapSet.of(Tap("last", "avg"))
    for order in ((early, last), (last, early)):
        matrices = {early: narrow, last: wide}
        selection = select(matrices, labels, [Choice(t, "none", "linear") for t in order], HeadOptions())
        assert selection.choice.taps == early


def test_a_head_let_go_during_the_comparison_is_fitted_again_if_it_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(90) % 3
    matrices = {AVG: rng.normal(size=(90, 5)).astype(np.float16)}
    monkeypatch.setattr(
        "lightprobe.selection.search._contenders",
        lambda tried, *_: tried[:1] if len(tried) == 2 else tried[1:],
    )
    selection = select(matrices, labels, choices([AVG], "none", "auto"), HeadOptions())
    assert selection.head.decision.kernel == selection.choice.kernel
