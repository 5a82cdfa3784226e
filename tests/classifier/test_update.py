import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.toys import toy_image

from lightprobe import ImageClassifier, load
from lightprobe.classifier.training_record import TrainingIndex
from lightprobe.errors import DataError, OptionError
from lightprobe.images import open_images
from lightprobe.paths import cache_folder
from lightprobe.ridge import solve as solve_module

CHOSEN = {"pool": "avg", "encode": "l2", "kernel": "optical"}
HEADS: list[dict[str, Any]] = [
    CHOSEN,
    {"pool": "flatten", "encode": "sign", "kernel": "optical"},
    {"pool": "avg", "encode": "l2", "kernel": "linear"},
    {"pool": "avg", "encode": "none", "components": 24},
]


def toy_classifier(**parameters: Any) -> ImageClassifier:
    return ImageClassifier(**{"precision": "fp32", "device": "cpu", **CHOSEN, **parameters})


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """Two new photos of a known class, three of a new one."""
    root = tmp_path / "more"
    for kind, drawn, seeds in (("disc", "disc", (50, 51)), ("static", "noise", (52, 53, 54))):
        (root / kind).mkdir(parents=True)
        for seed in seeds:
            tint = 1 if kind == "disc" else np.array([1.0, 0.2, 0.2])
            Image.fromarray((toy_image(drawn, seed) * tint).astype(np.uint8)).save(
                root / kind / f"{seed}.png"
            )
    return root


def assert_equal_models(one: ImageClassifier, other: ImageClassifier, photos: Path) -> None:
    assert one.classes_.tolist() == other.classes_.tolist()
    np.testing.assert_allclose(one.loo_scores_, other.loo_scores_, rtol=0, atol=1e-10)
    assert one.head_.alpha_ == pytest.approx(other.head_.alpha_, rel=1e-10)
    assert one.head_.calibration_.scale == pytest.approx(other.head_.calibration_.scale, rel=1e-6)
    assert (one.loo_accuracy_, one.n_train_) == (other.loo_accuracy_, other.n_train_)
    np.testing.assert_allclose(one.predict_proba(photos), other.predict_proba(photos), rtol=0, atol=1e-8)


def refit(toy_folder: Path, paths: list[Path], labels: list[str], how: dict[str, Any]) -> ImageClassifier:
    return toy_classifier(**how).fit(open_images((paths, labels)))


@pytest.mark.parametrize("how", HEADS)
def test_an_update_is_the_fit_on_the_changed_set(
    toy_folder: Path, more: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    model = toy_classifier(**how).fit(toy_folder)
    # From the disk, as most updates are.
    model = load(model.save(tmp_path / "model"))
    gone = {"train/disc/disc 3.png", "train/noise/noise 0.png"}
    changed = {"train/stripes/stripes 5.png": "disc", "train/noise/noise 7.png": "static"}
    before = list(model.paths_)
    model.update(more, remove=sorted(gone), relabel=changed)
    stayed = [name for name in before if name not in gone]
    added = sorted(more.rglob("*.png"))
    paths = [toy_folder / name for name in stayed] + added
    labels = [changed.get(name, name.split("/")[1]) for name in stayed] + [path.parent.name for path in added]
    assert_equal_models(model, refit(toy_folder, paths, labels, how), toy_folder / "test")
    done = model.update_
    assert (done.n_added, done.n_removed, done.n_relabelled, done.n_known) == (5, 2, 2, 0)
    again = load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(
        again.predict_proba(toy_folder / "test"), model.predict_proba(toy_folder / "test")
    )
    again.update(remove=[str(path) for path in added[:1]])
    keep = [i for i, path in enumerate(paths) if path != added[0]]
    other = refit(toy_folder, [paths[i] for i in keep], [labels[i] for i in keep], how)
    assert_equal_models(again, other, toy_folder / "test")


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_photos_taken_out_and_added_again_leave_the_model_and_so_does_any_order(
    toy_folder: Path, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    # Half of the photos settle alpha, as from 4,000 on; labels are drawn, so that halves would differ.
    monkeypatch.setattr(solve_module, "WARM_ROWS", 16)
    monkeypatch.setattr(solve_module, "SETTLED_ROWS", 24)
    rng = np.random.default_rng(5)
    paths = sorted((toy_folder / "train").rglob("*.png"))
    labels = rng.permutation(np.arange(len(paths)) % 3).astype(str).tolist()
    how = {"kernel": kernel, "pool": "flatten"}
    model = refit(toy_folder, paths, labels, how)
    alpha, answers = model.head_.alpha_, model.predict_proba(toy_folder / "test")
    some = rng.permutation(len(paths))[:12].tolist()
    model.update(remove=[paths[i] for i in some])
    model.update(open_images(([paths[i] for i in some], [labels[i] for i in some])))
    order = rng.permutation(len(paths)).tolist()
    other = refit(toy_folder, [paths[i] for i in order], [labels[i] for i in order], how)
    for again in (model, other):
        assert again.head_.alpha_ == pytest.approx(alpha, rel=1e-9)
        np.testing.assert_allclose(again.predict_proba(toy_folder / "test"), answers, rtol=0, atol=1e-6)


def test_choosing_again_is_the_whole_fit_on_the_changed_set(toy_folder: Path, more: Path) -> None:
    free = {"pool": "auto", "encode": "auto", "kernel": "auto"}
    model = toy_classifier(**free).fit(toy_folder)
    model.update(more, reselect=True)
    paths = [toy_folder / name for name in model.paths_[:36]] + sorted(more.rglob("*.png"))
    other = refit(toy_folder, paths, [path.parent.name for path in paths], free)
    assert model.choice_ == other.choice_
    assert [c.choice for c in model.candidates_] == [c.choice for c in other.candidates_]
    assert_equal_models(model, other, toy_folder / "test")
    shutil.rmtree(cache_folder())
    with pytest.raises(DataError, match="feature cache"):
        model.update(reselect=True)


def test_groups_stay_together_through_an_update(toy_folder: Path, more: Path) -> None:
    how = {"group": r"(\d)\.png$"}
    model = toy_classifier(**how).fit(toy_folder)
    model.update(more, remove=["train/disc/disc 3.png"])
    paths = [toy_folder / name for name in model.paths_[:35]] + sorted(more.rglob("*.png"))
    images = open_images((paths, [path.parent.name for path in paths]), group=how["group"])
    assert_equal_models(model, toy_classifier(**how).fit(images), toy_folder / "test")
    assert model.n_groups_ == len(set(images.groups if images.groups is not None else ()))


def test_what_is_there_already_is_not_added_twice(toy_folder: Path, more: Path) -> None:
    model = toy_classifier().fit(toy_folder)
    scores = model.loo_scores_
    model.update(toy_folder)
    assert (model.update_.n_added, model.update_.n_known) == (0, 36)
    np.testing.assert_array_equal(model.loo_scores_, scores)
    shutil.copy(next((toy_folder / "train" / "noise").iterdir()), more / "disc" / "copy.png")
    with pytest.raises(DataError, match=r"copy\.png is to be added as disc and is in the model as noise"):
        model.update(more)
    np.testing.assert_array_equal(model.loo_scores_, scores)


def test_a_new_photo_of_an_old_name_gets_a_name_of_its_own(toy_folder: Path, tmp_path: Path) -> None:
    model = toy_classifier().fit(toy_folder / "train")
    (tmp_path / "other" / "disc").mkdir(parents=True)
    Image.fromarray(toy_image("disc", 77)).save(tmp_path / "other" / "disc" / "disc 3.png")
    model.update(tmp_path / "other")
    assert model.paths_[-1] == "disc/disc 3.png (2)"
    model.update(remove=["disc/disc 3.png (2)"])
    assert model.n_train_ == 36


def test_a_photo_is_found_by_name_by_path_or_by_its_bytes(toy_folder: Path, tmp_path: Path) -> None:
    model = toy_classifier().fit(toy_folder)
    moved = tmp_path / "somewhere.png"
    shutil.move(toy_folder / "train" / "disc" / "disc 1.png", moved)
    asked: list[str | Path] = [
        "train/disc/disc 0.png",
        moved,
        "disc 2.png",
        toy_folder / "train" / "disc" / "disc 3.png",
    ]
    (toy_folder / "train" / "disc" / "disc 3.png").unlink()
    model.update(remove=asked)
    assert model.update_.removed == tuple(f"train/disc/disc {i}.png" for i in range(4))
    with pytest.raises(DataError, match="not among the 32 training photos"):
        model.update(remove=["train/disc/disc 0.png"])


def test_a_class_without_photos_is_gone_and_two_must_stay(toy_folder: Path) -> None:
    model = toy_classifier().fit(toy_folder)
    noise, disc = ([name for name in model.paths_ if f"/{kind}/" in name] for kind in ("noise", "disc"))
    model.update(relabel=dict.fromkeys(noise, "stripes"))
    assert model.classes_.tolist() == ["disc", "stripes"]
    scores = model.loo_scores_
    with pytest.raises(DataError, match="at least two"):
        model.update(remove=disc)
    np.testing.assert_array_equal(model.loo_scores_, scores)
    assert model.classes_.tolist() == ["disc", "stripes"]


@pytest.mark.parametrize("how", HEADS[:3])
def test_a_photo_that_is_forgotten_is_in_no_byte_of_model_and_cache(
    toy_folder: Path, tmp_path: Path, own_cache: Path, how: dict[str, Any]
) -> None:
    model = toy_classifier(**how).fit(toy_folder)
    assert model.kept_ is not None
    name = "train/disc/disc 3.png"
    place = model.paths_.index(name)
    row, digest = model.kept_.rows[place], model.kept_.digests[place].tobytes()
    packed = np.packbits(row) if row.dtype == np.uint8 else row
    traces = (packed.tobytes(), digest, b"disc 3.png")
    folder = model.save(tmp_path / "model")
    there = [b"".join(p.read_bytes() for p in root.rglob("*") if p.is_file()) for root in (folder, own_cache)]
    assert all(trace in there[0] for trace in traces)
    assert digest in there[1]
    load(folder).update(remove=[name]).save(folder)
    there = [b"".join(p.read_bytes() for p in root.rglob("*") if p.is_file()) for root in (folder, own_cache)]
    assert not any(trace in files for trace in traces for files in there)


def test_a_model_that_keeps_nothing_says_so_and_holds_no_name(toy_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`kernel='linear'`"):
        toy_classifier(keep="nothing").fit(toy_folder)
    model = toy_classifier(keep="nothing", kernel="linear").fit(toy_folder)
    folder = model.save(tmp_path / "model")
    assert not any(b"disc 3.png" in path.read_bytes() for path in folder.iterdir())
    again = load(folder)
    photos = toy_folder / "test"
    np.testing.assert_array_equal(again.predict_proba(photos), model.predict_proba(photos))
    assert len(again.loo_scores_) == len(again.paths_) == 0
    with pytest.raises(OptionError, match="keeps nothing of its training photos"):
        again.update(remove=["train/disc/disc 3.png"])
    assert "keeps nothing" in (folder / "README.md").read_text(encoding="utf-8")


def index_of(*names: str, contents: str = "") -> TrainingIndex:
    digests = [[ord(mark)] * 20 for mark in contents or "abcdefgh"[: len(names)]]
    return TrainingIndex(names, np.array(digests, dtype=np.uint8), np.zeros(len(names), dtype=np.int64))


def test_a_photo_is_found_by_any_spelling_of_its_name() -> None:
    accent = unicodedata.normalize("NFC", "café/é.jpg")
    known = index_of("cat/1.jpg", accent, unicodedata.normalize("NFD", "old/ö.jpg"))
    spelled = {
        "./cat/1.jpg": 0,
        "cat\\1.jpg": 0,
        "dog/../cat//1.jpg": 0,
        "photos/cat/1.jpg": 0,
        "1.jpg": 0,
        unicodedata.normalize("NFD", accent): 1,
        unicodedata.normalize("NFC", "old/ö.jpg"): 2,
    }
    for name, place in spelled.items():
        assert known.find([name]).tolist() == [place], name


def test_copies_of_a_photo_are_found_with_it_and_take_one_label() -> None:
    known = index_of("train/cat/1.jpg", "val/cat/copy.jpg", "train/dog/2.jpg", contents="aab")
    assert known.find(["val/cat/copy.jpg"]).tolist() == [0, 1]
    assert known.corrections({"train/cat/1.jpg": "fox"}) == {
        0: ("fox", "train/cat/1.jpg"),
        1: ("fox", "train/cat/1.jpg"),
    }
    with pytest.raises(DataError, match="the same photo, fox: give one label for both"):
        known.corrections({"train/cat/1.jpg": "fox", "val/cat/copy.jpg": "cat"})
