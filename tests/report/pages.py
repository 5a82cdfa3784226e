"""What the tests of pages share: made-up runs, and a reader of HTML that believes no text."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lightprobe.images import open_images
from lightprobe.runs.artifacts import Answer, keep, thumbnail_path

HOSTILE = ("<script>alert(1)</script>", "a\"b' onload='x", "../../etc $x$ & {{ 7*7 }}")


class Reader(HTMLParser):
    """Collects tags, their attributes, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def read_page(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def train_row(**changes: Any) -> dict[str, Any]:
    row = {
        "method": "optical", "backbone": "efficientnet_lite0", "cut": "end", "image_size": 64,
        "precision": "fp32", "engine": "eager", "weight_bytes": 10**6, "agreement": 1.0, "pool": "avg",
        "encode": "l2", "kernel": "optical", "components": "exact", "alpha": 0.1,
        "alpha_relative": 0.01, "n_train": 60, "n_test": 30, "n_classes": 3, "n_skipped": 0, "n_groups": None,
        "loo_accuracy": 0.9, "test_accuracy": 0.8, "test_accuracy_ci95": [0.63, 0.9],
        "expected_calibration_error": 0.04, "peak_rss_mb": 500.0, "model_bytes": 2 * 10**6,
        "seed": 0, "version": "0", "model": "run/model",
        "seconds": {"features": 2.0, "fit": 0.5, "predict": 0.7, "total": 3.2}, "cached": [],
        "candidates": [
            {"cut": "end", "pool": "avg", "encode": "l2", "kernel": "optical", "loo_accuracy": 0.9,
             "alpha_relative": 0.01, "cost": 1, "dropped": ""},
            {"cut": "end", "pool": "avg", "encode": "sign", "kernel": "linear", "loo_accuracy": None,
             "alpha_relative": None, "cost": 0, "dropped": "all bits are ones"},
        ],
    }  # fmt: skip
    return row | changes


def write_rows(run: Path, *rows: dict[str, Any]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    with (run / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def keep_answers(run: Path, classes: tuple[str, ...], n: int = 30, *, pictures: bool = True) -> list[Answer]:
    """Keep made-up answers: of every five photos one is wrong, the surer the later."""
    answers = []
    for split in ("left-out", "test"):
        for i in range(n):
            label, other = classes[i % len(classes)], classes[(i + 1) % len(classes)]
            said, second = (other, label) if i % 5 == 0 else (label, other)
            p = 0.5 + 0.4 * i / n
            own = 1 - p if i % 5 == 0 else p
            answers.append(Answer(split, f"{split}/{label}/{i}.jpg", label, said, p, second, 1 - p, own))
    images = open_images((np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"]))
    keep(run, images, answers, classes, "lightprobe train photos", "ImageClassifier()")
    for answer in answers if pictures else ():
        Image.new("RGB", (8, 8)).save(thumbnail_path(run, answer.path))
    return answers
