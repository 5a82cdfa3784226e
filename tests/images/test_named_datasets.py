import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.images.toy_photos import write_photo

from lightprobe.errors import DataError, MissingExtraError
from lightprobe.images import NAMED_DATASETS, open_images


def refuse(*_: Any, **__: Any) -> None:
    raise OSError("[Errno -2] Name or service not known")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.torch
def test_every_name_has_its_class_in_torchvision() -> None:
    import torchvision.datasets

    for name, entry in NAMED_DATASETS.items():
        assert name == entry.name
        assert name == entry.kind.lower()
        assert hasattr(torchvision.datasets, entry.kind)


@pytest.mark.torch
def test_a_dataset_without_splits_comes_unsplit_and_as_files(tmp_path: Path) -> None:
    for name in ("Forest", "River"):
        for number in range(2):
            write_photo(tmp_path / "eurosat" / "2750" / name / f"{name}_{number}.png")
    images = open_images("EuroSAT", root=tmp_path)
    assert images.classes == ("Forest", "River")
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert set(images.splits.tolist()) == {""}
    assert images.read(0) == (tmp_path / "eurosat" / "2750" / "Forest" / "Forest_0.png").read_bytes()


@pytest.mark.torch
def test_a_dataset_with_three_splits_keeps_them(tmp_path: Path) -> None:
    base = tmp_path / "dtd" / "dtd"
    (base / "labels").mkdir(parents=True)
    for colour, (split, lines) in enumerate(
        {"train": ["dotted/1.png", "woven/2.png"], "val": ["woven/3.png"], "test": ["dotted/4.png"]}.items()
    ):
        (base / "labels" / f"{split}1.txt").write_text("\n".join(lines))
        for line in lines:
            write_photo(base / "images" / line, (colour, 0, 0))
    images = open_images("dtd", root=tmp_path)
    assert images.splits.tolist() == ["train", "train", "val", "test"]
    assert [images.classes[label] for label in images.labels] == ["dotted", "woven", "woven", "dotted"]
    assert images.paths == ("train/0", "train/1", "val/2", "test/3")
    assert images.read(3) == (base / "images" / "dotted" / "4.png").read_bytes()


@pytest.mark.torch
def test_cifar_is_read_as_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    batches = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for batch, image in zip(batches, pixels, strict=True):
        entry = {"data": image.reshape(1, -1), "labels": [batches.index(batch) % 2]}
        (folder / batch).write_bytes(pickle.dumps(entry))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["airplane", "cat"]}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    images = open_images("CIFAR-10", root=tmp_path)
    assert images.splits.tolist() == ["train"] * 5 + ["test"]
    assert images.classes == ("airplane", "cat")
    assert images.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert np.array_equal(images.read(5), pixels[5].transpose(1, 2, 0))


@pytest.mark.torch
def test_what_torchvision_prints_does_not_reach_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Talkative:
        targets = (0, 1)

        def __init__(self, root: Path, train: bool, download: bool) -> None:
            sys.stdout.write("Files already downloaded and verified")

        def __len__(self) -> int:
            return len(self.targets)

    monkeypatch.setattr("torchvision.datasets.MNIST", Talkative)
    assert len(open_images("mnist", root=tmp_path)) == 4
    assert capsys.readouterr().out == ""


@pytest.mark.torch
@pytest.mark.parametrize("name", sorted(NAMED_DATASETS))
def test_a_download_that_fails_is_one_sentence_with_name_folder_and_way_out(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(
        DataError, match=f"the dataset {name} is not in .*: connect to the internet.*`root`"
    ) as error:
        open_images(name, root=tmp_path / "root")
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_without_torchvision_a_named_dataset_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as if it were not installed
    with pytest.raises(
        MissingExtraError, match=r"^The data set mnist needs .* pip install 'lightprobe\[torch\]'"
    ):
        open_images("mnist", root=tmp_path)


def test_a_named_dataset_asks_for_a_root() -> None:
    with pytest.raises(DataError, match="stl10 is a dataset to download: say where to keep it"):
        open_images("stl10")


def test_a_path_that_exists_wins_over_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photo(tmp_path / "mnist" / "a" / "1.png")
    write_photo(tmp_path / "mnist" / "b" / "2.png")
    monkeypatch.chdir(tmp_path)
    assert open_images("mnist").classes == ("a", "b")
