"""The card that lies beside a model that was trained by gradients, for people."""

from collections.abc import Mapping
from datetime import date
from typing import Any


def model_card(config: Mapping[str, Any]) -> str:
    """Write Markdown from a model's configuration."""
    backbone = config["backbone"]
    network = f"{backbone['name']} up to `{backbone['cut']}`, weights {backbone['weights']}"
    size = f"{backbone['preprocessing']['crop']} px, {config['precision']}"
    epochs = f"{len(config['history'])} epochs, the weights of epoch {config['best_epoch']}"
    return f"""\
# An image classifier by lightprobe

| | |
|---|---|
| classes | {", ".join(config["classes"])} |
| method | {config["method"]}, {epochs} |
| trained on | {config["n_train"]} photos, {date.today().isoformat()} |
| validation | {config["val_accuracy"]:.1%} of {config["n_validation"]} photos, which chose the epoch |
| network | {network}, {size} |

Use it:

    lightprobe predict FOLDER photo.jpg

    from lightprobe import load
    load("FOLDER").predict(["photo.jpg"])

It holds no training photo. It answers with one of its classes whatever it is shown.
"""
