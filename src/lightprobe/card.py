"""The card that lies beside a saved model: what it is, how good, and how to use it, for people."""

from collections.abc import Mapping
from datetime import date
from typing import Any

KEEPS = {
    True: """\
It holds no training photo. It keeps their encoded features, names and classes, so that photos can be added,
taken out and relabelled without training again (`lightprobe update FOLDER ...`). Who asks for a photo to be
forgotten is served by `lightprobe update FOLDER --remove PHOTO`.""",
    False: """\
It holds no training photo, and keeps nothing that was computed from a single one of them, nor its name. So it
cannot be updated, only trained again.""",
}


def model_card(config: Mapping[str, Any]) -> str:
    """Write Markdown from a model's configuration."""
    backbone, choice, head = config["backbone"], config["choice"], config["head"]
    network = f"{backbone['name']} up to `{backbone['cut']}`, weights {backbone['weights']}"
    kept = KEEPS[config["kept"] is not None]
    size = f"{backbone['preprocessing']['crop']} px, {config['precision']}"
    left_out = f"leaving out one of {config['n_groups']} groups" if config["n_groups"] else "leave-one-out"
    return f"""\
# An image classifier by lightprobe

| | |
|---|---|
| classes | {", ".join(config["classes"])} |
| trained on | {config["n_train"]} photos, {date.today().isoformat()} |
| expected accuracy | {config["loo_accuracy"]:.1%}, by {left_out} on the training photos |
| network | {network}, {size} |
| pooling, encoding, kernel | {choice["pool"]}, {choice["encode"]}, {choice["kernel"]} |
| ridge | alpha {head["alpha"]:.3g}, {head["alpha_relative"]:.3g} of tr(Kc)/n |

Use it:

    lightprobe predict FOLDER photo.jpg

    from lightprobe import load
    load("FOLDER").predict(["photo.jpg"])

{kept}

It answers with one of its classes whatever it is shown.
"""
