import subprocess
import sys

import numpy as np
import pytest

from lightprobe.errors import DataError, OptionError
from lightprobe.images import ImageSet, Source, natural_key, require_every_class
from lightprobe.images.imageset import SourceChain, listed


class Letters(Source):
    """A source whose images are single bytes, so that a test sees which was read."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def read(self, index: int) -> bytes:
        return self.text[index : index + 1]


def an_image_set(names: list[str], splits: list[str] | None = None) -> ImageSet:
    paths = [f"{name}/{i}.jpg" for i, name in enumerate(names)]
    return ImageSet.from_names(paths, names, Letters(b"abcdefghij"), splits=splits)


def test_numbers_in_names_are_ordered_by_value() -> None:
    names = ["10", "9", "2", "b10", "b9", "B2", "a", "1.10", "1.9", "007", "7"]
    assert sorted(names, key=natural_key) == [
        "1.9",
        "1.10",
        "2",
        "007",
        "7",
        "9",
        "10",
        "a",
        "B2",
        "b9",
        "b10",
    ]


def test_natural_order_ignores_case_but_tells_equal_names_apart() -> None:
    assert sorted(["b", "A", "a", "B"], key=natural_key) == ["A", "a", "B", "b"]


def test_a_number_of_any_length_has_a_place() -> None:
    assert natural_key("9" * 5000) > natural_key("8" + "9" * 4999)


def test_classes_come_in_natural_order_and_labels_follow_them() -> None:
    images = an_image_set(["10", "2", "1", "2"])
    assert images.classes == ("1", "2", "10")
    assert images.labels.tolist() == [2, 1, 0, 1]
    assert images.labels.dtype == np.int64


def test_decomposed_and_composed_accents_name_the_same_class() -> None:
    assert an_image_set(["caf\u00e9", "cafe\u0301"]).classes == ("caf\u00e9",)


def test_select_takes_masks_and_indices_and_keeps_the_classes() -> None:
    images = an_image_set(["a", "b", "c"])
    by_mask = images.select(np.array([False, False, True]))
    by_index = images.select([2, 0])
    assert by_mask.paths == ("c/2.jpg",)
    assert by_mask.read(0) == b"c"
    assert by_index.labels.tolist() == [2, 0]
    assert [by_index.read(i) for i in range(2)] == [b"c", b"a"]
    assert by_mask.classes == by_index.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("splits", "training", "test", "validation"),
    [
        (["", "", ""], [0, 1, 2], None, None),
        (["train", "", "val"], [0, 1], [2], None),
        (["train", "val", "test"], [0, 1], [2], [1]),
        (["train", "", "test"], [0, 1], [2], None),
    ],
)
def test_val_is_for_testing_unless_there_is_a_test_split(
    splits: list[str], training: list[int], test: list[int] | None, validation: list[int] | None
) -> None:
    images = an_image_set(["a", "b", "c"], splits)
    assert images.training.positions.tolist() == training
    for got, expected in ((images.test, test), (images.validation, validation)):
        assert (None if got is None else got.positions.tolist()) == expected


def test_labels_are_matched_to_a_models_classes_by_name() -> None:
    images = an_image_set(["cat", "dog", "cat"]).aligned_to(["dog", "bird", "cat"])
    assert images.labels.tolist() == [2, 0, 2]
    assert images.classes == ("dog", "bird", "cat")


def test_a_class_the_model_does_not_know_is_named() -> None:
    with pytest.raises(DataError, match=r"images of wolf, which the model does not know.*`class_map="):
        an_image_set(["cat", "wolf"]).aligned_to(["cat", "dog"])


def test_an_unknown_class_without_images_is_no_error() -> None:
    assert an_image_set(["cat", "wolf"]).select([0]).aligned_to(["cat", "dog"]).labels.tolist() == [0]


def test_groups_are_found_in_paths() -> None:
    images = ImageSet.from_names(["a/p1_x.jpg", "b/p2_y.jpg"], ["a", "b"], Letters(b"ab"))
    assert images.groups is None
    by_part = images.grouped_by(r"(p\d)_").groups
    by_whole = images.grouped_by(r"p\d").groups
    assert by_part is not None
    assert by_part.tolist() == ["p1", "p2"]
    assert by_whole is not None
    assert by_whole.tolist() == ["p1", "p2"]


def test_a_group_pattern_must_be_one_and_match() -> None:
    images = an_image_set(["a", "b"])
    with pytest.raises(OptionError, match=r"'\(' is not a regular expression"):
        images.grouped_by("(")
    with pytest.raises(DataError, match=r"finds nothing in a/0.jpg, b/1.jpg"):
        images.grouped_by("zebra")


def test_every_class_must_have_images() -> None:
    images = an_image_set(["a", "b", "b"])
    require_every_class(images, "training images")
    with pytest.raises(DataError, match="no readable images of a: "):
        require_every_class(images.select([1, 2]), "readable images")
    with pytest.raises(DataError, match="there are no training images: "):
        require_every_class(images.select([]), "training images")


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataError, match=r"all training images are of one class \(a\)"):
        require_every_class(an_image_set(["a", "a"]), "training images")


def test_chained_sources_are_read_in_turn() -> None:
    chain = SourceChain([(Letters(b"ab"), 2), (Letters(b""), 0), (Letters(b"xyz"), 3)])
    assert b"".join(bytes(chain.read(i)) for i in range(5)) == b"abxyz"


def test_long_lists_are_cut_short() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(10)], limit=3) == "0, 1, 2 and 7 more"


def test_listing_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, lightprobe.images; print(sorted({'torch', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"[]"
    )
