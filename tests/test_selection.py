import numpy as np
import pytest
from lightprobe.selection.comparison import _contenders
from lightprobe.selection.optimism import optimism
from lightprobe.selection.paired import Photos
from sklearn.linear_model import Ridge

from lightprobe.backbones import Tap, create_backbone
from lightprobe.errors import OptionError, ResourceError
from lightprobe.head import OpticalRidge
from lightprobe.images import sample_mask
from lightprobe.selection import Candidate, Choice, affordable_taps, choices, select, stage_cuts

AVG, FLAT = Tap("layer", "avg"), Tap("layer", "flatten")


@pytest.fixture
def features() -> dict[Tap, np.ndarray]:
    """Features whose products tell two classes apart, which only the optical kernel sees; avg is positive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    return {FLAT: X.astype(np.float16), AVG: np.abs(rng.normal(size=(120, 4))).astype(np.float16)}


@pytest.fixture
def labels(features: dict[Tap, np.ndarray]) -> np.ndarray:
    return np.asarray(features[FLAT][:, 0] * features[FLAT][:, 1] > 0, dtype=np.int64)


def test_the_winner_is_the_kernel_that_can_see_the_classes(
    features: dict[Tap, np.ndarray], labels: np.ndarray
) -> None:
    selection = select(features, labels, choices([AVG, FLAT], "none", "auto"), OpticalRidge())
    assert selection.choice == Choice(FLAT, "none", "optical")
    assert selection.candidates[0].choice == selection.choice
    best = selection.candidates[0].loo_accuracy
    assert best is not None
    assert best > 0.75
    assert all((c.loo_accuracy or 0) < 0.7 for c in selection.candidates if c.choice.kernel == "linear")


def test_a_candidates_score_is_that_of_as_many_refits(
    features: dict[Tap, np.ndarray], labels: np.ndarray
) -> None:
    choice = Choice(FLAT, "none", "linear")
    selection = select(features, labels, [choice], OpticalRidge(alpha=0.1))
    X, Y = features[FLAT].astype(float), np.where(labels[:, None] == [0, 1], 1.0, -1.0)
    alpha = selection.head.alpha_
    right = 0
    for i in range(len(X)):
        rest = np.delete(np.arange(len(X)), i)
        right += Ridge(alpha).fit(X[rest], Y[rest]).predict(X[[i]])[0].argmax() == labels[i]
    assert selection.candidates[0].loo_accuracy == pytest.approx(right / len(X))


def test_positive_features_have_no_sign_bits_to_tell_apart_and_are_dropped_not_scored(
    features: dict[Tap, np.ndarray], labels: np.ndarray
) -> None:
    selection = select(features, labels, choices([AVG], "auto", "auto"), OpticalRidge())
    dropped = [c for c in selection.candidates if c.dropped]
    assert {(c.choice.encode, c.choice.kernel) for c in dropped} == {("sign", "linear"), ("sign", "optical")}
    assert all(c.loo_accuracy is None for c in dropped)
    with pytest.raises(OptionError, match="None of the 1 ways"):
        select(features, labels, choices([AVG], "sign", "linear"), OpticalRidge())


def test_of_two_that_leave_one_out_cannot_tell_apart_the_cheaper_wins() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 2
    narrow = (labels[:, None] * 2 - 1 + rng.normal(size=(200, 4)) * 0.8).astype(np.float16)
    wide = np.hstack([narrow, rng.normal(size=(200, 300)).astype(np.float16) * 0.01])
    for order in ((AVG, FLAT), (FLAT, AVG)):
        matrices = {AVG: narrow, FLAT: wide}
        selection = select(matrices, labels, [Choice(t, "none", "linear") for t in order], OpticalRidge())
        assert selection.choice.tap == AVG


def test_where_photos_come_in_groups_the_error_is_that_of_groups() -> None:
    """Ten views of a thing err together: what 400 photos would tell apart, 40 things do not."""
    correct = np.ones((2, 400), bool)
    correct[0, :20], correct[1, 20:30] = False, False  # two things, and another one
    cheap, best = (
        Candidate(Choice(tap, "none", "linear"), loo_accuracy=row.mean(), correct=row)
        for tap, row in zip((AVG, FLAT), correct, strict=True)
    )
    difference = best.correct.astype(float) - cheap.correct
    by_photo = difference.std() / np.sqrt(400)
    by_thing = difference.reshape(40, 10).mean(axis=1).std() / np.sqrt(40)
    assert by_photo < difference.mean() < by_thing
    assert _contenders([cheap, best], Photos.of(np.ones(400), None)) == [best]
    assert _contenders([cheap, best], Photos.of(np.ones(400), np.arange(400) // 10)) == [cheap, best]


def test_with_class_weights_a_rare_class_counts_as_much_as_a_common_one() -> None:
    labels = np.repeat([0, 1], [90, 10])
    correct = np.ones((2, 100), bool)
    correct[0, 90:98] = False  # eight of ten rare ones
    correct[1, :20] = False  # twenty of ninety common ones
    first, second = (
        Candidate(Choice(tap, "none", "linear"), loo_accuracy=row.mean(), correct=row)
        for tap, row in zip((AVG, FLAT), correct, strict=True)
    )
    assert _contenders([first, second], Photos.of(np.ones(100), None))[0] == first
    balanced = np.where(labels == 0, 100 / 180, 100 / 20)
    assert _contenders([first, second], Photos.of(balanced, None)) == [second]


def test_a_head_let_go_during_the_comparison_is_fitted_again_if_it_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(90) % 3
    matrices = {AVG: rng.normal(size=(90, 5)).astype(np.float16)}
    monkeypatch.setattr(
        "lightprobe.selection.comparison._contenders",
        lambda tried, *_: tried[:1] if len(tried) == 2 else tried[1:],
    )
    selection = select(matrices, labels, choices([AVG], "none", "auto"), OpticalRidge())
    assert selection.head.kernel == selection.choice.kernel


@pytest.fixture
def many() -> tuple[dict[Tap, np.ndarray], np.ndarray]:
    """A thousand photos whose classes one layer shows, another half shows, and a third does not."""
    rng = np.random.default_rng(3)
    labels = np.arange(1200) % 3
    classes = np.eye(3)[labels]
    layers = {
        tap: (strength * classes + rng.normal(size=(1200, 3))).astype(np.float16)
        for tap, strength in (
            (Tap("good", "avg"), 3.0),
            (Tap("fair", "avg"), 2.8),
            (Tap("blind", "avg"), 0.0),
        )
    }
    return layers, labels


def test_of_many_photos_a_sample_leaves_out_what_is_far_behind_and_says_by_how_much(
    many: tuple[dict[Tap, np.ndarray], np.ndarray],
) -> None:
    features, labels = many
    wanted = [Choice(tap, "none", "linear") for tap in features]
    selection = select(features, labels, wanted, OpticalRidge())
    assert selection.choice.tap.cut == "good"
    *scored, blind = selection.candidates
    assert {c.choice.tap.cut for c in scored} == {"good", "fair"}
    assert all(len(c.correct) == len(labels) for c in scored)
    assert blind.loo_accuracy is None
    rows = sample_mask(labels, 512)
    good, bad = (
        OpticalRidge(kernel="linear").fit(features[Tap(cut, "avg")][rows], labels[rows]).loo_accuracy_
        for cut in ("good", "blind")
    )
    assert blind.dropped == f"{100 * (good - bad):.1f} points behind on {rows.sum()} photos"


def test_of_few_photos_all_are_compared_on_all(many: tuple[dict[Tap, np.ndarray], np.ndarray]) -> None:
    features, labels = {tap: layer[:600] for tap, layer in many[0].items()}, many[1][:600]
    selection = select(features, labels, [Choice(tap, "none", "linear") for tap in features], OpticalRidge())
    assert all(len(c.correct) == 600 for c in selection.candidates)


def test_the_best_of_the_last_layers_is_compared_on_all_photos_even_if_it_is_far_behind(
    many: tuple[dict[Tap, np.ndarray], np.ndarray],
) -> None:
    features, labels = many
    wanted = [Choice(tap, "none", "linear") for tap in features]
    selection = select(features, labels, wanted, OpticalRidge(), spared={"blind"})
    assert {c.choice.tap.cut for c in selection.candidates if not c.dropped} == {"good", "fair", "blind"}


def test_a_sample_that_cannot_be_fitted_leaves_out_nothing(
    many: tuple[dict[Tap, np.ndarray], np.ndarray],
) -> None:
    features, labels = many
    groups = np.arange(1200) // 600  # the sample is one of them, and one alone cannot be left out
    wanted = [Choice(tap, "none", "linear") for tap in features]
    selection = select(features, labels, wanted, OpticalRidge(), groups=groups)
    assert all(len(c.correct) == len(labels) for c in selection.candidates)


def test_a_choice_and_a_candidate_survive_json() -> None:
    candidate = Candidate(Choice(AVG, "l2", "optical"), 0.5, 0.4, 0.1, 12)
    assert Candidate.from_config(candidate.to_config()) == candidate


def test_features_that_would_not_fit_in_memory_are_left_out_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", cut="features.4", image_size=64)
    sizes = backbone.feature_sizes([Tap(backbone.cut, "avg"), Tap(backbone.cut, "flatten")])
    small, large = sizes.values()
    assert small < large
    taps, dropped = affordable_taps(backbone, 100, "auto", max_memory=100 * 4 * small)
    assert [tap.pool for tap in taps] == ["avg"]
    assert [tap.pool for tap in dropped] == ["flatten"]
    assert "flatten is left out" in caplog.text
    with pytest.raises(ResourceError, match="max_memory"):
        affordable_taps(backbone, 100, "flatten", max_memory=100 * 4 * small)


@pytest.mark.parametrize(
    ("network", "sides"), [("squeezenet1_1", [111, 55, 27, 13]), ("resnet18", [56, 28, 14, 7])]
)
def test_a_stage_ends_where_the_resolution_changes(network: str, sides: list[int]) -> None:
    backbone = create_backbone(network, weights="random")
    cuts = stage_cuts(backbone)
    shapes = {info.name: info.shape[-1] for info in backbone.describe()}
    assert cuts[-1] == backbone.cut
    found = [shapes[cut] for cut in cuts]
    assert found == sides


def test_earlier_layers_are_averaged_and_the_last_one_is_taken_both_ways() -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=64)
    cuts = stage_cuts(backbone)
    taps, dropped = affordable_taps(backbone, 10, "auto", None, cuts[:-1])
    assert taps == [*(Tap(cut, "avg") for cut in cuts), Tap(cuts[-1], "flatten")]
    assert not dropped


def test_optimism_is_what_repeating_the_whole_comparison_shows() -> None:
    """Eight candidates, all right on 70 % of what there is: what the winner has above that is luck."""
    rng = np.random.default_rng(0)
    n, costs = 300, np.arange(8)[::-1]
    ones, units = np.ones(n), np.arange(n)
    truth, estimates = [], []
    for _ in range(60):
        correct = rng.random((8, n)) < 0.7
        tried = [
            Candidate(Choice(AVG, "none", str(i)), loo_accuracy=row.mean(), cost=int(cost), correct=row)
            for i, (row, cost) in enumerate(zip(correct, costs, strict=True))
        ]
        winner = min(_contenders(tried, Photos(ones, units)), key=lambda c: c.cost)
        truth.append(winner.correct.mean() - 0.7)
        estimates.append(optimism(correct, costs.tolist(), ones, units))
    assert np.mean(truth) > 0.004
    assert np.mean(estimates) == pytest.approx(np.mean(truth), rel=0.5)
    assert optimism(correct[:1], [1], ones, units) == 0.0
    clear = np.vstack([np.ones(n, bool), correct])
    assert optimism(clear, range(9), ones, units) < 0.001
