from typing import Any

import pytest

from lightprobe.photo_model.card import optical_card


def config(**changes: Any) -> dict[str, Any]:
    return {
        "backbone": {
            "name": "efficientnet_lite0",
            "cut": "end",
            "weights": "efficientnet_lite0.onnx",
            "preprocessing": {"crop": 224},
        },
        "choice": {"pool": "avg", "encode": "l2", "kernel": "optical"},
        "head": {"alpha": 0.1, "alpha_relative": 0.01},
        "classes": ["cat", "dog"],
        "n_train": 40,
        "n_groups": None,
        "kept": None,
        "loo_accuracy": 0.925,
        "precision": "fp32",
    } | changes


def test_the_hub_reads_accuracy_and_task_from_the_card() -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(optical_card(config())).data
    assert (data.library_name, data.pipeline_tag) == ("lightprobe", "image-classification")
    (result,) = data.eval_results
    assert (result.task_type, result.metric_type, result.metric_value) == (
        "image-classification",
        "accuracy",
        0.925,
    )
    assert result.metric_name == "accuracy (leave-one-out)"


def test_a_hostile_class_name_leaves_the_table_a_table() -> None:
    card = optical_card(config(classes=["a|b", "<script>x</script>", "---\nlicense: mit"]))
    (line,) = [line for line in card.splitlines() if line.startswith("| classes")]
    assert r"a\|b" in line
    assert r"\<script\>" in line
    assert card.splitlines().count("---") == 2
    assert "license: mit |" in line
