"""The card that lies beside a saved model: what it is, how good, and how to use it, for people.

It opens with the metadata that the Hugging Face hub reads (https://huggingface.co/docs/hub/model-cards), so
that a model's folder can be uploaded as it is.
"""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from lightprobe.atomic import write_whole
from lightprobe.json_text import to_json
from lightprobe.photo_model.disk import CARD

KEEPS = {
    "features": """\
It holds no training photo. It keeps their encoded features, names and classes, so that photos can be added,
taken out and relabelled without training again (`lightprobe update FOLDER ...`). Who asks for a photo to be
forgotten is served by `lightprobe update FOLDER --remove PHOTO`.""",
    "sums": """\
It holds no training photo and no features of one: it keeps sums of features over each class, and the photos'
names, classes and digests. Photos can be added without training again (`lightprobe update FOLDER --add
DATA`); one that is at hand again can be relabelled, or taken out, as who asks for it to be forgotten wants
(`--remove PHOTO`). The sum of a class that has one photo only is that photo's features. What leave-one-out
says (alpha, calibration, expected accuracy) is of the last training.""",
    "nothing": """\
It holds no training photo, and keeps nothing that was computed from a single one of them, nor its name. So it
cannot be updated, only trained again.""",
}


def optical_card(config: Mapping[str, Any]) -> str:
    """Write Markdown from a model's configuration."""
    choice, head = config["choice"], config["head"]
    networks = " beside ".join(map(_network, [config, *config.get("beside", ())]))
    kept = KEEPS["sums" if config.get("sums") else "nothing" if config["kept"] is None else "features"]
    since = " of the last training; it was updated from sums since" if config.get("stale") else ""
    left_out = f"leaving out one of {config['n_groups']} groups" if config["n_groups"] else "leave-one-out"
    novelty = {
        "scores and neighbours": ", by its scores and by the nearest training photos",
        "scores": ", by its scores alone, which see less than the nearest training photos would",
    }.get(config.get("novelty", ""), "")
    names = ", ".join(_in_table(name) for name in config["classes"])
    return f"""\
---
{_metadata(config)}
---

# An image classifier by lightprobe

| | |
|---|---|
| classes | {names} |
| trained on | {config["n_train"]} photos, {date.today().isoformat()} |
| expected accuracy | {config["loo_accuracy"]:.1%}, by {left_out} on the training photos{since} |
| network | {networks} |
| pooling, encoding, kernel | {choice["pool"]}, {choice["encode"]}, {choice["kernel"]} |
| ridge | alpha {head["alpha"]:.3g}, {head["alpha_relative"]:.3g} of tr(Kc)/n |

Use it:

    lightprobe predict FOLDER photo.jpg

    from lightprobe import load
    load("FOLDER").predict(["photo.jpg"])

{kept}

It answers with one of its classes whatever it is shown. With `--unknown RATE` it says what it does not
know{novelty}.
"""


def contradict_card(folder: Path, expected: Mapping[str, Any]) -> None:
    """Put what test photos say first in the card of a saved model: `accuracy`, `n` and `ci95`.

    For models whose leave-one-out accuracy test photos contradict.
    """
    path = folder / CARD
    low, high = expected["ci95"]
    told = (
        f"| expected accuracy | {expected['accuracy']:.1%} ({low:.1%} to {high:.1%}), on {expected['n']:,} "
        "test photos, which contradict the figure below |\n| on training photos | "
    )
    text = path.read_text(encoding="utf-8").replace("| expected accuracy | ", told, 1)
    metric = to_json({"type": "accuracy", "value": round(expected["accuracy"], 4), "name": "accuracy (test)"})
    text = re.sub(r'("metrics": ?\[)(?=\{)', lambda found: f"{found[1]}{metric}, ", text, count=1)
    write_whole(path, text.encode("utf-8", "backslashreplace"))


def _network(config: Mapping[str, Any]) -> str:
    """Describe one network of a model."""
    backbone = config["backbone"]
    size = f"{backbone['preprocessing']['crop']} px, {config['precision']}"
    return f"{backbone['name']} up to `{backbone['cut']}`, weights {backbone['weights']}, {size}"


def _metadata(config: Mapping[str, Any]) -> str:
    """Write the hub's YAML; its values are JSON, which YAML contains, so no name can break out of them."""
    how = "leave-group-out" if config["n_groups"] else "leave-one-out"
    accuracy = {"type": "accuracy", "value": round(config["loo_accuracy"], 4), "name": f"accuracy ({how})"}
    result = {
        "task": {"type": "image-classification"},
        "dataset": {
            "name": f"{config['n_train']} photos of {len(config['classes'])} classes",
            "type": "imagefolder",
        },
        "metrics": [accuracy],
    }
    networks = [each["backbone"]["name"] for each in (config, *config.get("beside", ()))]
    fields = {
        "library_name": "lightprobe",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "transfer-learning", "random-features", "ridge-regression"],
        "metrics": ["accuracy"],
        "model-index": [{"name": f"lightprobe on {' and '.join(networks)}", "results": [result]}],
    }
    return "\n".join(f"{key}: {to_json(value)}" for key, value in fields.items())


def _in_table(name: str) -> str:
    """Escape what Markdown, or the HTML that it may hold, would take for its own."""
    return re.sub(r"([\\`*_{}\[\]<>&|#~$])", r"\\\1", " ".join(name.split()))
