import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lightprobe.errors import ModelFileError
from lightprobe.photo_model.disk import model_digest, read_model, write_model

TENSORS = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(4, dtype=np.float16)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_model(tmp_path / "new" / "model", TENSORS, {"classes": ["é", "2"]}, "# card\n")
    tensors, config = read_model(tmp_path / "new" / "model")
    assert config["classes"] == ["é", "2"]
    assert tensors.keys() == TENSORS.keys()
    for name, written in TENSORS.items():
        assert tensors[name].dtype == written.dtype
        np.testing.assert_array_equal(tensors[name], written)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["model"]


def test_a_model_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    write_model(tmp_path / "m", TENSORS, {"n": 1}, "")
    write_model(tmp_path / "m", TENSORS, {"n": 2}, "")
    assert read_model(tmp_path / "m")[1]["n"] == 2
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "cat.jpg").write_bytes(b"x")
    for target in (precious, precious / "cat.jpg"):
        with pytest.raises(ModelFileError, match="not a lightprobe model"):
            write_model(target, TENSORS, {}, "")
    assert (precious / "cat.jpg").read_bytes() == b"x"


def test_a_failed_write_leaves_the_old_model_and_no_litter(tmp_path: Path) -> None:
    write_model(tmp_path / "m", TENSORS, {"n": 1}, "")
    with pytest.raises(ModelFileError, match="n is nan, which JSON cannot hold"):
        write_model(tmp_path / "m", TENSORS, {"n": float("nan")}, "")
    assert read_model(tmp_path / "m")[1]["n"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_tampered_and_foreign_folders_are_refused_with_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    with pytest.raises(ModelFileError, match="holds no lightprobe model"):
        read_model(folder)
    write_model(folder, TENSORS, {}, "")
    tensors, config = folder / "model.safetensors", folder / "config.json"
    whole = tensors.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"\x01", b""):
        tensors.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="changed or damaged"):
            read_model(folder)
    tensors.unlink()
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model(folder)
    tensors.write_bytes(whole)
    described = json.loads(config.read_text(encoding="utf-8"))
    for content, sentence in (
        ("{", "cannot be read"),
        ("[]", "not written by lightprobe"),
        (json.dumps({**described, "format": "other"}), "not written by lightprobe"),
        (json.dumps({**described, "format_version": 99}), "format version 99"),
    ):
        config.write_text(content, encoding="utf-8")
        with pytest.raises(ModelFileError, match=sentence):
            read_model(folder)


@pytest.mark.torch
def test_a_model_of_another_method_names_what_reads_it(toy_folder: Path, tmp_path: Path) -> None:
    from lightprobe import ImageClassifier, LinearProbe, load

    folder = ImageClassifier(precision="fp32").fit(toy_folder).save(tmp_path / "run" / "model")
    with pytest.raises(ModelFileError, match=r"by the method 'optical', and LinearProbe .*lightprobe\.load"):
        LinearProbe.load(folder)
    for named in (folder, folder.parent):
        assert load(named).classes_.tolist() == ["disc", "noise", "stripes"]


def test_a_flipped_bit_anywhere_in_a_model_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write_model(folder, TENSORS, {"classes": ["cat", "dog"], "mean": [0.485]}, "")
    random = np.random.default_rng(0)
    for name in ("config.json", "model.safetensors"):
        whole = (folder / name).read_bytes()
        for place in range(len(whole)) if name == "config.json" else random.integers(len(whole), size=50):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << int(random.integers(8))
            (folder / name).write_bytes(flipped)
            with pytest.raises(ModelFileError):
                read_model(folder)
        (folder / name).write_bytes(whole)
    read_model(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(tmp_path: Path, value: float) -> None:
    write_model(tmp_path / "m", {"head.weight": np.array([1.0, value], np.float32)}, {}, "")
    with pytest.raises(ModelFileError, match=r"NaN or infinity, in 'head\.weight'"):
        read_model(tmp_path / "m")


def test_a_configuration_nested_without_end_is_one_sentence(tmp_path: Path) -> None:
    write_model(tmp_path / "m", TENSORS, {}, "")
    (tmp_path / "m" / "config.json").write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model(tmp_path / "m")


def test_a_model_without_a_checksum_is_read_as_older_ones_are(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write_model(folder, TENSORS, {"n": 1}, "")
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del described["checksum"]
    (folder / "config.json").write_text(json.dumps({**described, "format_version": 1}), encoding="utf-8")
    assert read_model(folder)[1]["n"] == 1
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(ModelFileError, match="changed or damaged"):
        read_model(folder)


@pytest.mark.parametrize("swap", ["exchange", "renames"])
def test_a_save_that_is_killed_leaves_the_old_model_or_the_new_one(tmp_path: Path, swap: str) -> None:
    command = [sys.executable, "-m", "tests.photo_model.killed_save", str(tmp_path / "m"), swap, "0", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills, saves = map(int, re.findall(r"(\d+) (?:kills|saves)", done.stdout))
    assert kills > 10
    assert 0 < saves < kills  # some kills came before the new model stood, and some after


def test_a_model_is_saved_through_a_link(tmp_path: Path) -> None:
    write_model(tmp_path / "v3", TENSORS, {"n": 1}, "")
    (tmp_path / "current").symlink_to("v3")
    write_model(tmp_path / "current", TENSORS, {"n": 2}, "")
    assert (tmp_path / "current").is_symlink()
    assert read_model(tmp_path / "v3")[1]["n"] == 2


def test_what_others_put_into_a_models_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    write_model(folder, TENSORS, {"n": 1}, "")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "more").mkdir()
    (folder / "more" / "deep.txt").write_text("mine, too", encoding="utf-8")
    write_model(folder, TENSORS, {"n": 2}, "")
    assert read_model(folder)[1]["n"] == 2
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert (folder / "more" / "deep.txt").read_text(encoding="utf-8") == "mine, too"


def test_files_of_a_model_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_model(tmp_path / "m", TENSORS, {}, "")
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "m").iterdir()}
    assert modes == dict.fromkeys(("model.safetensors", "config.json", "README.md"), 0o640)


def test_another_model_than_was_read_is_not_replaced(tmp_path: Path) -> None:
    first = write_model(tmp_path / "m", TENSORS, {"n": 1}, "")
    assert model_digest(tmp_path / "m") == first
    second = write_model(tmp_path / "m", TENSORS, {"n": 2}, "", first)
    with pytest.raises(ModelFileError, match="somebody has changed it"):
        write_model(tmp_path / "m", TENSORS, {"n": 3}, "", first)
    assert read_model(tmp_path / "m")[1]["n"] == 2
    write_model(tmp_path / "m", TENSORS, {"n": 3}, "", second)


def test_a_full_disk_is_one_sentence_and_the_old_model_stays(tmp_path: Path) -> None:
    """`ulimit -f` stands for the full disk: writing stops at 8 kB."""
    write_model(tmp_path / "m", TENSORS, {"n": 1}, "")
    code = (
        "import resource, signal, sys, numpy; from pathlib import Path\n"
        "from lightprobe.errors import WriteError; from lightprobe.photo_model.disk import write_model\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "try: write_model(Path(sys.argv[1]), {'a': numpy.zeros(10**6)}, {}, '')\n"
        "except WriteError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m")], capture_output=True, text=True, check=False
    )
    assert "cannot be written (File too large): raise the limit on the size of files" in done.stdout
    assert read_model(tmp_path / "m")[1]["n"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
