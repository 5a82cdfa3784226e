import numpy as np
import pytest

from lightprobe.check.balance import balance_findings, confusable_classes
from lightprobe.check.groups import group_figures, guess_from_names, guess_groups


def test_views_are_told_by_the_last_number_of_their_names() -> None:
    paths = ["a/cup-1.jpg", "a/cup-2.jpg", "a/pan_1.jpg", "a/pan_2.jpg", "b/cup-1.jpg", "b/hat (2).jpg"]
    groups = guess_from_names(paths, np.array([0, 0, 0, 0, 1, 1]))
    assert groups is not None
    assert len(set(groups)) == 4
    assert groups[0] == groups[1] != groups[4]


@pytest.mark.parametrize(
    "paths",
    [
        ["a/IMG_1.jpg", "a/IMG_2.jpg", "b/IMG_3.jpg", "b/IMG_4.jpg"],
        ["a/x.jpg", "a/y.jpg", "b/z.jpg", "b/w.jpg"],
    ],
)
def test_names_that_only_count_are_no_groups(paths: list[str]) -> None:
    assert guess_from_names(paths, np.array([0, 0, 1, 1])) is None
    assert guess_groups(paths, np.array([0, 0, 1, 1]), np.arange(4)) is None


def test_near_duplicates_make_groups_too() -> None:
    guess = guess_groups(["a/x.jpg", "a/y.jpg", "b/z.jpg"], np.array([0, 0, 1]), np.array([0, 0, 1]))
    assert guess is not None
    assert guess[1] == "near-duplicates"


def test_the_leak_is_the_difference_in_points() -> None:
    labels, groups = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    right = np.eye(2)[labels]
    figures = group_figures(right, right[::-1], labels, groups, "given")
    assert (figures.loo_accuracy, figures.group_accuracy, figures.leak) == (1.0, 0.0, 100.0)
    assert figures.n_groups == 3


def test_small_uneven_and_one_group_classes_are_named() -> None:
    labels = np.repeat([0, 1, 2], [200, 25, 5])
    groups = np.arange(230) // 2
    groups[200:225] = 999
    found = balance_findings(labels, ["many", "few", "rare"], groups)
    assert [(f.kind, f.path) for f in found] == [
        ("small-class", "few"),
        ("small-class", "rare"),
        ("imbalance", "rare"),
    ]
    assert "one group" in found[0].evidence
    assert balance_findings(np.repeat([0, 1], 50), ["a", "b"]) == []


def test_classes_that_look_alike_are_named_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60)
    scores = rng.normal(size=(180, 3))
    scores[labels == 2, 2] += 9
    scores[labels != 2, 2] -= 9
    (pair,) = confusable_classes(scores, labels, ["a", "b", "c"])
    assert (pair.first, pair.second, pair.n) == ("a", "b", 120)


def test_of_classes_with_two_photos_nothing_is_said() -> None:
    assert confusable_classes(np.zeros((4, 2)), np.array([0, 0, 1, 1]), ["a", "b"]) == []
    # 11 of 20 at chance: were the truth 75 %, as few would be right in 4 % of all cases, so it is ruled out.
    scores = np.zeros((20, 2))
    scores[np.arange(20), np.arange(20) % 2] = [1] * 11 + [-1] * 9
    assert len(confusable_classes(scores, np.arange(20) % 2, ["a", "b"])) == 1
