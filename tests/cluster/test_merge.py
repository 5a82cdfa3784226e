"""Parts, and what merging makes of them: the model of one machine that saw all photos."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tests.classifier.rounding import kernel_of, score_tolerance
from tests.toys import draw_toys

from lightprobe import ImageClassifier, load
from lightprobe.cli import main
from lightprobe.cluster import COMPONENTS, Part, Shard, merge, read_part, sum_photos
from lightprobe.errors import DataError, LightprobeError, OptionError
from lightprobe.images import open_images

pytestmark = pytest.mark.usefixtures("module_cache")

FIXED: dict[str, Any] = {"precision": "fp32", "device": "cpu"}
BITS: dict[str, Any] = {"pool": "flatten", "image_size": 16, "encode": "sign", "kernel": "linear"}
FLOATS: dict[str, Any] = {"encode": "l2", "kernel": "linear"}
OPTICAL: dict[str, Any] = {"encode": "none", "components": 40}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_toys(tmp_path_factory.mktemp("photos"), n_train=44)


def make(data: Any, folder: Path, of: int, how: dict[str, Any] = FLOATS, **options: Any) -> list[Path]:
    """Sum each shard as a machine of its own would, and return the parts."""
    paths = []
    for number in range(1, of + 1):
        paths.append(folder / f"part-{number}.safetensors")
        classifier = ImageClassifier(**FIXED, **how)
        sum_photos(open_images(data), classifier, paths[-1], shard=Shard(number, of), **options)
    return paths


@pytest.fixture(scope="module")
def parts(photos: Path, tmp_path_factory: pytest.TempPathFactory, toy_networks: Path) -> Iterator[list[Path]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        yield make(photos, tmp_path_factory.mktemp("parts"), 3)


def copied(parts: list[Path], folder: Path) -> list[Path]:
    for path in parts:
        for file in path.parent.glob(f"{path.stem}.*"):
            shutil.copy(file, folder)
    return [folder / path.name for path in parts]


def saved(model: ImageClassifier, folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    model.save(folder)
    return load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("of", [1, 2, 5])
def test_merged_sign_bits_give_the_model_of_one_machine_to_the_bit(
    photos: Path, tmp_path: Path, of: int
) -> None:
    merged, config = saved(merge(make(photos, tmp_path, of, BITS)[::-1], device="cpu"), tmp_path / "merged")
    one, own = saved(ImageClassifier(**FIXED, **BITS, keep="sums").fit(photos), tmp_path / "one")
    assert merged.keys() == one.keys()
    assert "sums.gram" in one
    for name, tensor in one.items():
        np.testing.assert_array_equal(merged[name], tensor, name)
    own["head"]["plan"] = config["head"]["plan"]  # a sentence
    assert {name for name, value in own.items() if config[name] != value} <= {"seconds", "checksum"}


@pytest.mark.parametrize("how", [FLOATS, OPTICAL])
def test_merged_floats_give_the_model_of_one_machine_to_rounding(
    photos: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    model = merge(make(photos, tmp_path, 4, how))
    one = ImageClassifier(**FIXED, **how, keep="sums").fit(photos)
    assert (model.paths_, model.loo_accuracy_) == (one.paths_, one.loo_accuracy_)
    assert model.head_.alpha_relative_ == one.head_.alpha_relative_
    kept = ImageClassifier(**FIXED, **how).fit(photos)
    assert kept.kept_ is not None
    rows = kept.kept_.rows
    phi = rows if "components" not in how else kept.head_.features_.transform(rows)
    tolerance = score_tolerance(kernel_of(phi, "linear"), one.head_.alpha_)
    test = photos / "test"
    np.testing.assert_allclose(
        model.decision_function(test), one.decision_function(test), rtol=0, atol=tolerance
    )
    assert model.sums_ is not None and one.sums_ is not None
    # Sums over n rows in double precision, added in another order.
    bound = 132 * np.finfo(np.float64).eps * np.abs(one.sums_.sums.gram).max()
    np.testing.assert_allclose(model.sums_.sums.gram, one.sums_.sums.gram, rtol=0, atol=bound)


def test_without_options_linear_is_compared_with_4096_components(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert COMPONENTS == 4096
    monkeypatch.setattr("lightprobe.cluster.summing.COMPONENTS", 64)  # which are solved sooner
    model = merge(make(photos, tmp_path, 2, {}))
    assert {(c.choice.encode, c.choice.kernel) for c in model.candidates_} == {
        (encode, kernel) for encode in ("l2", "sign") for kernel in ("linear", "optical")
    }
    assert model.components in ("auto", 64)
    assert model.keep == "sums"
    # What it says it was made with makes it again, on one machine.
    one = ImageClassifier(**model.get_params()).fit(photos)
    assert one.loo_accuracy_ == model.loo_accuracy_
    added = model.update(add=photos / "test").update_.n_added
    assert added == 12


def test_shards_part_the_list_whatever_its_order_and_keep_groups_whole(photos: Path) -> None:
    images = open_images(photos).training.grouped_by(r"([0-9])\.png$")
    shuffled = images.select(np.random.default_rng(0).permutation(len(images)))
    owners: dict[str, int] = {}
    for number in (1, 2, 3):
        own = [images.paths[i] for i in Shard(number, 3).places(images)]
        assert sorted(own) == sorted(shuffled.paths[i] for i in Shard(number, 3).places(shuffled))
        owners |= dict.fromkeys(own, number)
    assert len(owners) == len(images)
    assert images.groups is not None
    pairs = {(group, owners[path]) for group, path in zip(images.groups, images.paths, strict=True)}
    assert len(pairs) == 10
    sizes = [len(Shard(number, 5).places(open_images(photos).training)) for number in range(1, 6)]
    assert max(sizes) - min(sizes) <= 1
    with pytest.raises(DataError, match="Shard 12/12 has no photos, as there are only 10 groups"):
        Shard(12, 12).places(images)


def test_groups_are_left_out_across_parts_as_on_one_machine(photos: Path, tmp_path: Path) -> None:
    paths = []
    for number in (1, 2):
        paths.append(tmp_path / f"{number}.safetensors")
        images = open_images(photos, group=r"([0-9]+)\.png$")
        sum_photos(images, ImageClassifier(**FIXED, **FLOATS), paths[-1], shard=Shard(number, 2))
    model = merge(paths)
    one = ImageClassifier(**FIXED, **FLOATS, keep="sums", group=r"([0-9]+)\.png$").fit(photos)
    assert model.n_groups_ == one.n_groups_ == 44
    alone = merge(make(photos, tmp_path, 2))
    apart = np.abs(alone.loo_scores_ - one.loo_scores_).max()
    np.testing.assert_allclose(model.loo_scores_, one.loo_scores_, rtol=0, atol=apart / 100)


def test_a_bad_file_is_listed_and_costs_no_part(photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "toys"
    shutil.copytree(photos, data)
    (data / "train" / "disc" / "bad.png").write_bytes(b"no picture")
    model = merge(make(data, tmp_path, 3))
    assert [skipped.path for skipped in model.skipped_] == ["train/disc/bad.png"]
    assert model.n_train_ == 132


def refused(paths: list[Path], **how: Any) -> str:
    with pytest.raises(LightprobeError) as caught:
        merge(paths, **how)
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".")
    return said


def test_parts_that_are_missing_double_or_of_another_cut_are_refused(
    photos: Path, parts: list[Path], tmp_path: Path
) -> None:
    assert "Of 3 shards 2 is missing" in refused([parts[0], parts[2]])
    assert "overlap: both are shard 1/3" in refused([*parts, parts[0]])
    assert "2/3 of the same photos" in refused([make(photos, tmp_path, 1)[0], *parts[1:]])
    assert "is not there" in refused([tmp_path / "none.safetensors"])
    assert refused([]).startswith("There are no parts")
    with pytest.raises(OptionError, match="3/16"):
        Shard.parse("17/16")


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"encode": "none"}, "candidates"),
        ({"cut": "block2"}, "candidates"),
        ({"image_size": 40}, "networks"),
        ({"backbone": "efficientnet_lite2"}, "networks"),
        ({"random_state": 1}, "seed"),
        ({"class_map": "disc=disc,other=*"}, "classes"),
    ],
)
def test_parts_of_another_kind_are_refused(
    photos: Path, parts: list[Path], tmp_path: Path, other: dict[str, Any], differs: str
) -> None:
    how = FLOATS | other
    images = open_images(photos, class_map=how.get("class_map"))
    sum_photos(images, ImageClassifier(**FIXED, **how), tmp_path / "other.safetensors", shard=Shard(2, 3))
    assert f"do not fit: their {differs} differ" in refused(
        [parts[0], tmp_path / "other.safetensors", parts[2]]
    )


def test_another_engine_or_precision_is_mixed_in_only_when_allowed(
    parts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bf16(path: Path) -> Part:
        part = read_part(path)
        return (
            replace(part, runs=[run | {"precision": "bf16"} for run in part.runs])
            if path == parts[1]
            else part
        )

    monkeypatch.setattr("lightprobe.cluster.merging.read_part", bf16)
    assert "openvino bf16" in refused(parts)
    assert merge(parts, mixed=True).loo_accuracy_ > 0.5


def test_sites_are_merged_unless_a_photo_is_in_both(photos: Path, tmp_path: Path) -> None:
    sites = [tmp_path / name for name in ("north", "south")]
    for place, site in enumerate(sites):
        for file in sorted((photos / "train").rglob("*.png")):
            if int(file.stem.split()[1]) % 2 == place:
                (site / file.parent.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, site / file.parent.name / f"{int(file.stem.split()[1]) // 2}.png")
    alike = [make(site, tmp_path / f"{site.name}-alike", 1) for site in sites]
    assert "make them with a `site` each" in refused([*alike[0], *alike[1]])
    paths = [
        make(site, tmp_path / f"{site.name}-parts", 2 - place, site=site.name)
        for place, site in enumerate(sites)
    ]
    model = merge([*paths[0], *paths[1]])
    assert {"north/disc/0.png", "south/disc/0.png"} < set(model.paths_)
    assert model.n_train_ == len(set(model.paths_)) == 132
    one = ImageClassifier(**FIXED, **FLOATS, keep="sums").fit(photos)
    assert model.loo_accuracy_ == one.loo_accuracy_
    shutil.copy(sites[0] / "disc" / "0.png", sites[1] / "disc" / "again.png")
    again = make(sites[1], tmp_path / "again", 1, site="south")
    assert "overlap: " in refused([*paths[0], *again])


def test_damaged_files_and_features_of_another_part_are_refused(parts: list[Path], tmp_path: Path) -> None:
    mine = copied(parts, tmp_path)
    features = [path.with_name(f"{path.stem}.features.npy") for path in mine]
    shutil.copy(features[0], features[1])
    assert "part-2.features.npy is no whole file of sums" in refused(mine)
    features[1].unlink()
    assert "part-2.features.npy is missing" in refused(mine)
    content = bytearray(mine[2].read_bytes())
    content[-9] ^= 1
    mine[2].write_bytes(content)
    assert "part-3.safetensors is no whole file of sums" in refused(mine)


def test_classes_of_few_photos_are_refused_and_nothing_of_anyone_is_replaced(
    photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="fewer than 20 photos here"):
        make(photos, tmp_path, 3, min_per_class=20)
    assert not list(tmp_path.iterdir())
    (tmp_path / "part-1.safetensors").write_bytes(b"a thesis")
    with pytest.raises(OptionError, match="is no part of sums"):
        make(photos, tmp_path, 3)
    assert (tmp_path / "part-1.safetensors").read_bytes() == b"a thesis"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"components": "exact"}, "compares each photo with every other"),
        ({"precision": "int8"}, "every shard has others"),
        ({"quality": "best"}, "name the networks"),
        ({"class_weight": "balanced"}, "balanced classes weigh every photo anew"),
    ],
)
def test_what_sums_cannot_give_is_refused(
    photos: Path, tmp_path: Path, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        sum_photos(open_images(photos), ImageClassifier(**how), tmp_path / "part.safetensors")


def test_the_command_line_makes_parts_and_a_run_of_them(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(tmp_path / f"part-{number}.safetensors") for number in (1, 2)]
    options = ["--precision=fp32", "--encode=l2", "--kernel=linear", "--device=cpu", "-q"]
    for number, name in enumerate(names, 1):
        words = ["sums", str(photos), "--shard", f"{number}/2", "--out", name, *options]
        assert main([*words, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["shard"], said["n"], said["n_listed"]) == (f"{number}/2", 66, 132)
    run = tmp_path / "run"
    assert main(["merge", *names, "--out", str(run), "--device=cpu", "--alpha=0.5", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["n_train"], row["alpha_relative"], row["test_accuracy"]) == (132, 0.5, None)
    assert (run / "report.html").is_file()
    model = load(run / "model")
    assert isinstance(model, ImageClassifier)
    assert model.loo_accuracy_ == row["loo_accuracy"]
    assert main(["merge", names[0], "--out", str(run)]) == 2
    assert "2 is missing" in capsys.readouterr().err
