"""The same photos and seed give the same model, however they are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from lightprobe import ImageClassifier
from lightprobe.images import open_images

FIXED: dict[str, Any] = {"precision": "fp32", "device": "cpu", "cache": False, "pool": "avg"}


def tensors(model: ImageClassifier, folder: Path) -> dict[str, Any]:
    return load_file(model.save(folder) / "model.safetensors")


@pytest.mark.parametrize(
    "how", [{"encode": "sign", "kernel": "linear"}, {"encode": "l2", "kernel": "optical"}]
)
def test_neither_workers_nor_a_second_run_change_a_bit(
    toy_folder: Path, tmp_path: Path, how: dict[str, str]
) -> None:
    if how["encode"] == "sign":
        how = {**how, "pool": "flatten"}
    first = tensors(ImageClassifier(**{**FIXED, **how}, workers=1).fit(toy_folder), tmp_path / "1")
    second = tensors(ImageClassifier(**{**FIXED, **how}, workers=4).fit(toy_folder), tmp_path / "2")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor, second[name], err_msg=name)


def test_the_order_of_files_moves_probabilities_by_rounding_alone(toy_folder: Path) -> None:
    images = open_images(toy_folder)
    answers = []
    for order in (np.arange(len(images)), np.random.default_rng(0).permutation(len(images))):
        model = ImageClassifier(**FIXED, encode="l2", kernel="optical").fit(images.select(order))
        answers.append(model.predict_proba(str(toy_folder / "test")))
    # Some hundred sums of doubles, in another order, divided by no small eigenvalue.
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-9)
