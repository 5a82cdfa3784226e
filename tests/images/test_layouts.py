from pathlib import Path

import pytest

from lightprobe.errors import AmbiguousDataError, DataError, OptionError
from lightprobe.images.layout import Layout, arrange
from lightprobe.images.listing import Listing
from lightprobe.images.split_names import roles_of


def read(*files: str, classes: str | None = None, empty: tuple[str, ...] = ()) -> Layout:
    return arrange(Listing(sorted(files), [], [], list(empty)), "photos", classes)


def two(split: str, *classes: str) -> list[str]:
    return [f"{split}/{name}/{n}.jpg" for name in classes or ("cat", "dog") for n in (1, 2)]


@pytest.mark.parametrize(
    ("train", "other", "role"),
    [
        ("Training", "Testing", "test"),
        ("TRAIN", "dev", "val"),
        ("train", "eval", "val"),
        ("train_set", "test_set", "test"),
        ("training set", "Test-Set", "test"),
        ("trainset", "valset", "val"),
        ("train_images", "test_images", "test"),
        ("images_train", "images_val", "val"),
        ("seg_train", "seg_test", "test"),
        ("asl-alphabet-train", "ASL alphabet test", "test"),
        ("train_2019", "validation_2019", "val"),
        ("train", "validation_set", "val"),
    ],
)
def test_public_sets_names_of_splits_are_known(train: str, other: str, role: str) -> None:
    found = read(*two(train), *two(other))
    assert set(found.names) == {"cat", "dog"}
    by_folder = {path.split("/")[0]: split for path, split in zip(found.paths, found.splits, strict=True)}
    assert by_folder == {train: "train", other: role}


def test_of_train_dev_and_eval_the_last_is_the_test() -> None:
    assert roles_of(("train", "dev", "eval")) == {"train": "train", "dev": "val", "eval": "test"}
    assert roles_of(("train", "eval", "test")) == {"train": "train", "eval": "val", "test": "test"}


@pytest.mark.parametrize(
    "names", [("train", "bus"), ("steam_train", "bus"), ("steam_train", "toy_train"), ("test", "val", "bus")]
)
def test_classes_may_be_called_like_splits(names: tuple[str, ...]) -> None:
    found = read(*(f"{name}/{n}.jpg" for name in names for n in (1, 2)))
    assert set(found.names) == set(names)
    assert set(found.splits) == {""}


def test_a_split_folder_that_is_repeated_in_itself_is_looked_through() -> None:
    found = read(*two("test_set/test_set"), *two("training_set/training_set"))
    assert set(found.names) == {"cat", "dog"}
    assert set(found.splits) == {"train", "test"}


def test_photos_for_predicting_beside_splits_are_left_out_with_a_reason() -> None:
    found = read(*two("seg_train"), *two("seg_test"), "seg_pred/1.jpg", "seg_pred/2.jpg")
    assert set(found.splits) == {"train", "test"}
    assert [one.path for one in found.skipped] == ["seg_pred/1.jpg", "seg_pred/2.jpg"]


@pytest.mark.parametrize("tops", [("fresh", "rotten"), ("a", "b"), ("train/fresh", "train/rotten")])
def test_folders_over_the_same_folders_stop_with_both_ways_out(tops: tuple[str, str]) -> None:
    files = [file for top in tops for file in two(top, "apple", "banana")]
    with pytest.raises(
        AmbiguousDataError,
        match=r"same folders \(apple, banana\) in .* `classes='top'` for 2 .*`classes='leaf'` for",
    ) as told:
        read(*files)
    assert list(told.value.choices) == ["top", "leaf", "path"]
    assert set(read(*files, classes="top").names) == {top.rpartition("/")[2] for top in tops}
    assert set(read(*files, classes="leaf").names) == {"apple", "banana"}


def test_one_shared_folder_or_few_or_photos_right_in_the_class_are_no_second_reading() -> None:
    assert set(read("cat/images/1.jpg", "cat/more/2.jpg", "dog/images/1.jpg").names) == {"cat", "dog"}
    direct = [f"{top}/{n}.jpg" for top in ("cat", "dog") for n in range(5)]
    assert set(read(*direct, "cat/a/1.jpg", "cat/b/1.jpg", "dog/a/1.jpg", "dog/b/1.jpg").names) == {
        "cat",
        "dog",
    }
    assert set(read(*two("cat", "siam"), *two("dog", "pug")).names) == {"cat", "dog"}


FRUIT = ("Fruit/Apple/Golden", "Fruit/Apple/Gala", "Fruit/Kiwi", "Packages/Juice/Bravo", "Packages/Oatly")


@pytest.mark.parametrize("split", ["", "train/"])
def test_classes_in_classes_stop_with_what_each_way_of_reading_makes(split: str) -> None:
    files = [file for folder in FRUIT for file in (f"{split}{folder}/1.jpg", f"{split}{folder}/2.jpg")]
    with pytest.raises(AmbiguousDataError, match="folders in folders, and photos in 5 of them") as told:
        read(*files)
    assert told.value.choices == {
        "top": "2 classes (Fruit, Packages)",
        "leaf": "5 classes (Bravo, Gala, Golden and 2 more)",
        "path": "5 classes (Fruit/Apple/Gala, Fruit/Apple/Golden, Fruit/Kiwi and 2 more)",
    }
    assert set(read(*files, classes="top").names) == {"Fruit", "Packages"}
    assert set(read(*files, classes="leaf").names) == {"Golden", "Gala", "Kiwi", "Bravo", "Oatly"}
    assert set(read(*files, classes="path").names) == set(FRUIT)


def test_the_command_line_shows_the_commands_to_choose_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.images.toy_photos import write_photo

    from lightprobe.cli import main

    for folder in FRUIT:
        write_photo(tmp_path / "my photos" / folder / "1.jpg")
    words = ["check", str(tmp_path / "my photos"), "--out", str(tmp_path / "out"), "-q"]
    assert main(words) == 2
    err = capsys.readouterr().err
    for way in ("top", "leaf", "path"):
        assert (
            f"lightprobe check '{tmp_path / 'my photos'}' --out {tmp_path / 'out'} -q --classes {way}\n"
            in err
        )
    assert not (tmp_path / "out").exists()


def test_leaf_takes_the_folder_of_the_photo_below_any_split() -> None:
    found = read(
        "train/Fruit/Apple/Golden/1.jpg",
        "train/Juice/2.jpg",
        "test/Fruit/Pear/3.jpg",
        "train/4.jpg",
        classes="leaf",
    )
    assert dict(zip(found.paths, found.names, strict=True)) == {
        "test/Fruit/Pear/3.jpg": "Pear",
        "train/Fruit/Apple/Golden/1.jpg": "Golden",
        "train/Juice/2.jpg": "Juice",
    }
    assert [one.path for one in found.skipped] == ["train/4.jpg"]


def test_splits_without_a_common_class_and_splits_beside_classes_are_refused() -> None:
    with pytest.raises(DataError, match="no class folder in common"):
        read(*two("train", "cat", "dog"), *two("test", "fox", "owl"))
    with pytest.raises(DataError, match=r"has train, called like a split .* beside sample .*`classes='top'`"):
        read(*two("train"), "sample/1.jpg")
    assert set(read(*two("train"), "sample/1.jpg", classes="top").names) == {"train", "sample"}
    with pytest.raises(DataError, match="images of asl_test in photos are not in class folders"):
        read(*two("asl_train"), "asl_test/1.jpg")
    with pytest.raises(OptionError, match="`classes` is 'middle'; allowed are top, leaf, path"):
        read(*two("train"), classes="middle")


def test_an_empty_split_and_an_empty_class_are_told() -> None:
    found = read(*two("train"), empty=("test", "train/fox"))
    assert [(one.path, one.reason) for one in found.skipped] == [
        ("test", "a folder without images"),
        ("train/fox", "a folder without images"),
    ]


def test_every_verb_that_opens_labelled_data_takes_classes(capsys: pytest.CaptureFixture[str]) -> None:
    from lightprobe.cli import main

    for verb in ("train", "check", "compare", "study", "extract", "evaluate", "look", "update"):
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        assert "--classes" in capsys.readouterr().out, verb


def test_a_model_remembers_which_folder_was_the_class(tmp_path: Path) -> None:
    from sklearn.base import clone
    from tests.images.toy_photos import write_photo

    from lightprobe import ImageClassifier
    from lightprobe.backprop import FineTune, LinearProbe, Scratch
    from lightprobe.images import open_images
    from lightprobe.photo_model import open_labelled

    for file in (*two("fresh", "apple", "pear"), *two("rotten", "apple", "pear")):
        write_photo(tmp_path / file)
    assert open_images(tmp_path, classes="leaf").classes == ("apple", "pear")
    for kind in (ImageClassifier, LinearProbe, FineTune, Scratch):
        told = clone(kind(classes="leaf")).get_params()
        images = open_labelled(str(tmp_path), class_map=told["class_map"], classes=told["classes"])
        assert images.classes == ("apple", "pear")
