import json
from pathlib import Path

import numpy as np
import pytest

from lightprobe.errors import ModelFileError
from lightprobe.photo_model.disk import read_model, write_model

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
