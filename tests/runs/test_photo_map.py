"""The map of a run: which photos, where, in how much time, and what lies in the run's folder."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightprobe import ImageClassifier
from lightprobe.errors import DataError
from lightprobe.images import open_images
from lightprobe.runs import photo_map
from lightprobe.runs.artifacts import ARTIFACTS, Answer, read_artifacts, surest_mistakes
from lightprobe.runs.photo_map import (
    BY_COMPONENTS,
    BY_TSNE,
    choose_photos,
    heat_path,
    place_photos,
    read_photo_map,
)
from lightprobe.runs.training_run import train


def answers(n_right: dict[str, int], n_wrong: dict[tuple[str, str], int]) -> list[Answer]:
    said = [(name, name) for name, n in n_right.items() for _ in range(n)]
    said += [pair for pair, n in n_wrong.items() for _ in range(n)]
    return [Answer("test", f"{i}.jpg", a, b, 0.9, a, 0.05, 0.05) for i, (a, b) in enumerate(said)]


def test_all_mistakes_are_chosen_and_the_rest_by_class() -> None:
    some = answers({"a": 500, "b": 30, "c": 500}, {("a", "b"): 20, ("b", "c"): 20})
    chosen = [some[i] for i in choose_photos(some, 130)]
    assert not any(one.right for one in chosen[:40])
    rest = [one.label for one in chosen[40:]]
    assert [rest.count(name) for name in "abc"] == [30, 30, 30]
    assert len({one.path for one in chosen}) == 130


def test_of_too_many_mistakes_every_pair_of_classes_has_some() -> None:
    some = answers({"a": 9}, {("a", "b"): 500, ("b", "a"): 5})
    chosen = [some[i] for i in choose_photos(some, 20)]
    assert [(one.label, one.answer) for one in chosen].count(("b", "a")) == 5
    assert len(chosen) == 20


def groups(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    which = np.arange(n) % 3
    return np.eye(3, 40)[which] + 0.05 * rng.normal(size=(n, 40)), which


def test_photos_that_are_alike_lie_side_by_side() -> None:
    rows, which = groups(150)
    places, by = place_photos(rows, 1000.0)
    assert (places.shape, by) == ((150, 2), BY_TSNE)
    assert places.min() == 0
    assert places.max() == 1
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (which[apart.argmin(axis=1)] == which).mean() > 0.97


def ticking() -> Callable[[], float]:
    """Return a clock that goes on by one second each time it is read."""
    ticks = count()
    return lambda: float(next(ticks))


def test_where_time_is_short_photos_are_left_out_and_then_lie_by_components(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, _ = groups(150)
    monkeypatch.setattr(photo_map, "PILOT", 50)
    asked: list[tuple[int, int]] = []
    tsne = photo_map._tsne

    def counted(X: np.ndarray, iterations: int, seed: int) -> np.ndarray:
        asked.append((len(X), iterations))
        return tsne(X, 250, seed)

    monkeypatch.setattr(photo_map, "_tsne", counted)
    # The pilot takes one second, and then three are gone.
    places, by = place_photos(rows, 6.2, clock=ticking())
    assert (len(places), by) == (100, BY_TSNE)
    assert asked == [(50, 250), (100, 400)]
    places, by = place_photos(rows, 4.0, clock=ticking())
    assert (len(places), by) == (150, BY_COMPONENTS)


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (2, 5), (12, 1), (30, 1), (30, 4)])
def test_few_and_equal_photos_have_places_too(shape: tuple[int, int]) -> None:
    for rows in (np.zeros(shape), np.random.default_rng(0).normal(size=shape)):
        places, _ = place_photos(rows, 1000.0)
        assert places.shape == (shape[0], 2)
        assert np.isfinite(places).all()


def test_a_training_keeps_a_map_with_pictures_and_heat_maps(toy_folder: Path, tmp_path: Path) -> None:
    classifier = ImageClassifier(image_size=64, precision="fp32", device="cpu", pool="avg")
    train(open_images(toy_folder), classifier, tmp_path / "run")
    found, evidence = read_photo_map(tmp_path / "run"), read_artifacts(tmp_path / "run")
    assert found is not None
    assert evidence is not None
    assert sorted(found.photos.tolist()) == list(range(48))
    with Image.open(tmp_path / "run" / ARTIFACTS / "tiles.jpg") as sheet:
        assert sheet.size == (found.columns * found.side, -(-found.n_tiles // found.columns) * found.side)
    mistakes = surest_mistakes([answer for answer in evidence.answers if answer.split == "test"])
    drawn = {path.name for path in (tmp_path / "run" / ARTIFACTS / "heat").glob("*")}
    assert drawn == {heat_path(tmp_path / "run", answer.path).name for answer in mistakes}


def test_without_a_map_none_is_written_and_an_older_one_is_gone(toy_folder: Path, tmp_path: Path) -> None:
    classifier = ImageClassifier(image_size=64, precision="fp32", device="cpu", pool="avg")
    (tmp_path / ARTIFACTS).mkdir()
    (tmp_path / "log.txt").touch()
    (tmp_path / ARTIFACTS / "map.json").write_text("{}", encoding="utf-8")
    train(open_images(toy_folder), classifier, tmp_path, with_map=False)
    assert read_photo_map(tmp_path) is None


def test_a_damaged_map_is_named(tmp_path: Path) -> None:
    (tmp_path / ARTIFACTS).mkdir()
    (tmp_path / ARTIFACTS / "map.json").write_text('{"photos": [1]}', encoding="utf-8")
    with pytest.raises(DataError, match=r"map\.json is damaged"):
        read_photo_map(tmp_path)


def test_pictures_stay_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_map, "MOST_BYTES", 20_000)
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    jpeg, n = photo_map._sheet([Image.fromarray(one) for one in noise], 7, 64)
    assert 0 < n < 40
    assert len(jpeg) <= 20_000
