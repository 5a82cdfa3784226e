import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.images.toy_photos import pixels, write_photo

from lightprobe.errors import DataError, ImageError
from lightprobe.images import ImageSet, as_labels, decode, open_images, open_unlabelled

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
    floats = open_images((torch.rand(2, 3, 4, 4), [0, 1]))
    assert np.shape(floats.read(0)) == (4, 4, 3)
    with pytest.raises(DataError, match="floats that are not all between 0 and 1"):
        open_images((torch.rand(2, 3, 4, 4) - 0.5, [0, 1]))


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
        ((STACK.astype(np.float32), [0, 1, 0, 1]), "floats that are not all between 0 and 1 are no pixels"),
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


def test_a_single_photo_is_a_list_of_one(tmp_path: Path) -> None:
    file = write_photo(tmp_path / "1.png", (1, 2, 3))
    content = file.read_bytes()
    once = (file, str(file), content, io.BytesIO(content), Image.open(file), pixels(), {"bytes": content})
    for photo in once:
        images = open_unlabelled(photo)
        assert len(images) == 1
        seen = images.read(0)
        assert np.shape(decode(seen) if isinstance(seen, bytes) else seen)[2] == 3
        assert len(open_unlabelled([photo, photo])) == 2
    assert len(open_unlabelled(STACK)) == 4
    with pytest.raises(DataError, match="not a stack of images"):
        open_unlabelled(STACK[None])


def test_floats_of_torchvisions_transforms_are_the_pixels_that_they_were_made_of() -> None:
    floats = (STACK / 255).astype(np.float32)
    images = open_images((list(floats), [0, 1, 0, 1]))
    assert all(np.array_equal(images.read(place), STACK[place]) for place in range(4))
    assert np.array_equal(open_unlabelled(floats[0]).read(0), STACK[0])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 2, 10, -1], np.array([-1, 2, 10])),
        (np.array([3, 4, 3, 4], np.int32), np.array([3, 4])),
        ([True, False, True, True], np.array([False, True])),
        (["10", "2", "2", "2"], np.array(["2", "10"])),
        ([1, "b", 1, 1], np.array(["1", "b"])),
    ],
)
def test_labels_keep_their_type(labels: Any, classes: Any) -> None:
    images = open_images((STACK, labels))
    told = as_labels(images.classes, images.label_kind)
    assert told.dtype.kind == classes.dtype.kind
    assert told.tolist() == classes.tolist()


def test_a_data_frame_is_read_as_a_table_and_may_hold_the_photos(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_photo(tmp_path / "1.png")
    write_photo(tmp_path / "2.png")
    frame = pandas.DataFrame(
        {
            "filename": [str(tmp_path / "1.png"), tmp_path / "2.png"],
            "target": [7, 3],
            "split": ["train", "dev"],
        },
        index=[5, 9],
    )
    images = open_images(frame)
    assert (images.classes, images.label_kind, images.splits.tolist()) == (
        ("3", "7"),
        "int",
        ["train", "val"],
    )
    assert open_unlabelled(frame).paths == images.paths
    assert open_images((frame["filename"], frame["target"])).classes == ("3", "7")
    memory = pandas.DataFrame({"image": [Image.fromarray(one) for one in STACK[:2]], "what": ["a", "b"]})
    assert np.array_equal(open_images(memory, label_column="what").read(1), STACK[1])
    with pytest.raises(DataError, match=r"the DataFrame has no column 'label'.*`label_column`"):
        open_images(memory)
    frame.loc[5, "target"] = None
    with pytest.raises(DataError, match="the DataFrame, line 0, column target: empty"):
        open_images(frame)


class Photos:
    """Stands for `datasets.Image`, whose class is called Image."""

    def __init__(self, decode: bool = True) -> None:
        self.decode = decode


Photos.__name__ = "Image"


class ClassLabel:
    def __init__(self, names: list[str]) -> None:
        self.names = names


class HuggingFace:
    """Stands for a Dataset: rows are dicts, columns have features, a cast returns another."""

    def __init__(self, columns: dict[str, list[Any]], features: dict[str, Any]) -> None:
        self.columns, self.features, self.column_names = columns, features, list(columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: Any) -> Any:
        return self.columns[key] if isinstance(key, str) else {k: v[key] for k, v in self.columns.items()}

    def cast_column(self, name: str, feature: Any) -> "HuggingFace":
        assert not feature.decode, "the photo's own bytes are asked for"
        return HuggingFace(self.columns, {**self.features, name: feature})


def test_hugging_faces_data_sets_are_read_by_their_features(tmp_path: Path) -> None:
    content = write_photo(tmp_path / "1.png").read_bytes()
    photos = [{"bytes": content, "path": None}, {"bytes": None, "path": str(tmp_path / "1.png")}]
    features = {"img": Photos(), "fine": ClassLabel(["cat", "dog"])}
    part = HuggingFace({"img": photos, "fine": [1, 0]}, features)
    images = open_images({"train": part, "validation": part})
    assert images.classes == ("cat", "dog")
    assert images.splits.tolist() == ["train", "train", "val", "val"]
    assert images.paths[2] == "validation/0"
    assert [images.read(place) for place in range(4)] == [content] * 4
    assert len(open_unlabelled(part)) == 2
    plain = HuggingFace({"img": photos, "label": [5, 4]}, {"img": Photos(), "label": object()})
    assert (open_images(plain).classes, open_images(plain).label_kind) == (("4", "5"), "int")
    with pytest.raises(DataError, match="splits more, which are neither"):
        open_images({"train": part, "more": part})
    with pytest.raises(DataError, match="without a class in its column fine"):
        open_images(HuggingFace({"img": photos, "fine": [1, -1]}, features))
