from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.images.toy_photos import pixels, smooth, write_photo

from lightprobe.errors import DataError, ImageError
from lightprobe.images import ImageSet, open_images, open_unlabelled

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)


class Toys:
    """A map-style dataset, by what it can do; `asked` counts the images it had to make."""

    def __init__(self, images: Any, labels: Any, **attributes: Any) -> None:
        self.images = images
        self.answers = labels
        self.asked = 0
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        self.asked += 1
        if self.images[index] is None:
            raise KeyError("gone")
        return self.images[index], self.answers[index]


def names(images: ImageSet) -> list[str]:
    return [images.classes[label] for label in images.labels]


def test_an_array_and_its_labels() -> None:
    images = open_images((STACK, np.array([10, 9, 10, 9])))
    assert images.classes == ("9", "10")
    assert names(images) == ["10", "9", "10", "9"]
    assert images.paths == ("0", "1", "2", "3")
    assert all((images.read(i) == STACK[i]).all() for i in range(4))


def test_paths_and_their_labels(tmp_path: Path) -> None:
    paths = [write_photo(tmp_path / f"{i}.png", (i, 0, 0)) for i in range(2)]
    images = open_images(([str(paths[0]), paths[1]], ["dog", "cat"]))
    assert images.paths == tuple(path.as_posix() for path in paths)
    assert names(images) == ["dog", "cat"]
    assert [images.read(i) for i in range(2)] == [path.read_bytes() for path in paths]


def test_a_path_that_is_not_there_is_found_when_it_is_read() -> None:
    images = open_images((["nope.png", "neither.png"], [0, 1]))
    with pytest.raises(ImageError, match="no such file"):
        images.read(0)


def test_pil_images_arrays_grey_and_colour_can_be_mixed() -> None:
    grey = STACK[1, :, :, 0]
    images = open_images(([grey, Image.fromarray(STACK[3])], ["a", "b"]))
    assert np.array_equal(images.read(0), np.stack([grey] * 3, axis=2))
    assert np.array_equal(images.read(1), STACK[3])


@pytest.mark.torch
def test_tensors_have_their_channels_first() -> None:
    import torch

    grey = STACK[1, :, :, 0]
    items = [torch.from_numpy(STACK[0]).permute(2, 0, 1), torch.from_numpy(grey)[None]]
    images = open_images((items, ["a", "b"]))
    assert np.array_equal(images.read(0), STACK[0])
    assert np.array_equal(images.read(1), np.stack([grey] * 3, axis=2))
    with pytest.raises(DataError, match="of float32 is not an image"):
        open_images((torch.zeros(2, 3, 4, 4), [0, 1]))


def test_an_image_set_is_taken_as_it_is_and_mapped() -> None:
    images = open_images((STACK, ["a", "b", "c", "a"]))
    assert open_images(images) is images
    assert open_images(images, class_map="x=a,rest=*").classes == ("rest", "x")


def test_a_dataset_with_targets_is_listed_without_making_an_image_but_the_first() -> None:
    dataset = Toys(STACK, [1, 0, 1, 2], targets=np.array([1, 0, 1, 2]), classes=["c10", "c9", "unused", "c2"])
    images = open_images(Toys(STACK, [1, 0, 1, 1], targets=[1, 0, 1, 1], classes=["c10", "c9", "unused"]))
    assert images.classes == ("c9", "c10")
    assert names(images) == ["c9", "c10", "c9", "c9"]
    assert names(open_images(dataset)) == ["c9", "c10", "c9", "unused"]
    assert dataset.asked == 1
    assert np.array_equal(images.read(2), STACK[2])


def test_a_dataset_without_targets_is_asked_for_each_label() -> None:
    assert names(open_images(Toys(STACK, ["b", "a", "a", "b"]))) == ["b", "a", "a", "b"]


def test_labels_changed_on_the_way_out_are_the_ones_that_count() -> None:
    dataset = Toys(STACK, [5, 6, 5, 6], targets=[0, 1, 0, 1], target_transform=lambda label: label + 5)
    assert names(open_images(dataset)) == ["5", "6", "5", "6"]


def test_integers_are_places_in_the_list_of_classes_even_if_classes_are_called_by_numbers() -> None:
    dataset = Toys(STACK, [1, 2, 1, 2], targets=[1, 2, 1, 2], classes=["2", "1", "0"])
    assert names(open_images(dataset)) == ["1", "0", "1", "0"]


def test_labels_that_are_names_stay_names() -> None:
    dataset = Toys(STACK, ["b", "a", "a", "b"], targets=["b", "a", "a", "b"], classes=["a", "b"])
    assert names(open_images(dataset)) == ["b", "a", "a", "b"]


def test_a_first_photo_that_cannot_be_opened_is_left_for_later() -> None:
    class Broken(Toys):
        def __getitem__(self, index: int) -> tuple[Any, int]:
            raise OSError("cannot identify image file")

    images = open_images(Broken(STACK, [0, 1, 0, 1], targets=[0, 1, 0, 1]))
    with pytest.raises(ImageError, match="the dataset cannot give it: OSError"):
        images.read(0)


@pytest.mark.torch
def test_targets_can_be_a_tensor() -> None:
    import torch

    dataset = Toys(STACK, [1, 0, 1, 2], targets=torch.tensor([1, 0, 1, 2]), classes=["c10", "c9", "c2"])
    assert names(open_images(dataset)) == ["c9", "c10", "c9", "c2"]


@pytest.mark.torch
def test_a_subset_keeps_the_names_of_its_classes() -> None:
    from torch.utils.data import Dataset, Subset

    class Theirs(Toys, Dataset[Any]): ...

    dataset = Theirs(STACK, [0, 1, 0, 1], targets=[0, 1, 0, 1], classes=["cat", "dog"])
    images = open_images(Subset(Subset(dataset, [3, 2, 0]), [0, 2]))
    assert names(images) == ["dog", "cat"]
    assert np.array_equal(images.read(0), STACK[3])
    assert np.array_equal(images.read(1), STACK[0])


@pytest.mark.torch
def test_torchvisions_own_datasets_work() -> None:
    from torchvision.datasets import FakeData

    images = open_images(FakeData(size=4, image_size=(3, 8, 8), num_classes=2))
    first = images.read(0)
    assert isinstance(first, np.ndarray)
    assert first.shape == (8, 8, 3)


@pytest.mark.torch
def test_an_image_folder_is_read_as_files(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    file = write_photo(tmp_path / "a" / "1.png")
    write_photo(tmp_path / "b" / "2.png")
    images = open_images(ImageFolder(tmp_path))
    assert images.classes == ("a", "b")
    assert images.paths[0] == file.as_posix()
    assert images.read(0) == file.read_bytes()


@pytest.mark.torch
def test_an_image_folder_with_a_transform_is_read_through_it(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    write_photo(tmp_path / "a" / "1.png", (1, 2, 3))
    write_photo(tmp_path / "b" / "2.png")
    images = open_images(ImageFolder(tmp_path, transform=lambda image: image.resize((2, 2))))
    assert np.array_equal(images.read(0), np.full((2, 2, 3), (1, 2, 3)))


def test_an_image_a_dataset_cannot_make_is_an_image_error() -> None:
    images = open_images(Toys([STACK[0], None, STACK[2]], [0, 1, 1], targets=[0, 1, 1]))
    with pytest.raises(ImageError, match="the dataset cannot give it: KeyError"):
        images.read(1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((STACK, [0, 1]), "4 images came with 2 labels"),
        ((STACK[0], [0] * 5), r"shape \(5, 6, 3\) is not a stack of images: give \(n, h, w, 3\)"),
        ((STACK.astype(np.float32), [0, 1, 0, 1]), r"\(5, 6, 3\) of float32 is not an image of 8-bit"),
        ((STACK, [0.5, 1, 0, 1]), "0.5 is not a label"),
        ((STACK, [None, 1, 0, 1]), "None is not a label"),
        ((STACK, ["", "a", "a", "a"]), "'' is not a label"),
        (([], []), "an empty sequence of images"),
        (("a.jpg", ["cat"]), "one path .* came with labels"),
        ((["a.jpg", "b.jpg", "a.jpg"], [0, 1, 0]), "a.jpg came more than once"),
        (([3, 4], [0, 1]), "the first image cannot be used .int is not an image.: give a path"),
        (STACK, "ndarray is not labelled data"),
        ([1, 2], "list is not labelled data"),
        (7, "int is not labelled data"),
        (Toys([], []), "the dataset Toys is empty"),
        ({"image": STACK}, "dict is not labelled data"),
        (range(3), "an item of range is not a pair"),
        (Toys(STACK.astype(float), [0, 1, 0, 1]), "the first image cannot be used"),
        (Toys(STACK, [0, 1, 2, 3], classes=["a", "b"]), "labels outside its list of 2 classes"),
        (Toys(STACK, [0, 1, 2, 2], classes=["crane", "maillot", "crane"]), "several classes crane: "),
    ],
)
def test_what_cannot_be_data_is_one_clear_sentence(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        open_images(data)
    assert "\n" not in str(error.value)


def test_a_single_image_to_predict_on_must_stand_in_a_list() -> None:
    with pytest.raises(DataError, match="not a stack of images"):
        open_unlabelled(pixels())  # type: ignore[arg-type]  # wrong on purpose
    assert len(open_unlabelled([pixels(), smooth()])) == 2
    assert len(open_unlabelled(STACK)) == 4  # type: ignore[arg-type]  # an array is a sequence, too
