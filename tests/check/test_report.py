"""The check's table, page and JSON, whatever was found."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from lightprobe.check import Check, summary_lines, write_report
from lightprobe.check.balance import balance_findings
from lightprobe.csv_text import read_csv
from lightprobe.images import open_images

NAMES = ["caf\udce9", "two\nlines", "a,b", '"', "<b>&", "猫", "\u2028"]


@pytest.mark.parametrize("counts", [[1, 1], [0, 30], [25, 25], [1, 200], [40] * 3 + [2] * 4, [1] * 200])
def test_whatever_was_found_is_written(counts: list[int], tmp_path: Path) -> None:
    names = [f"{NAMES[i % len(NAMES)]} {i}" for i in range(len(counts))]
    findings = balance_findings(np.repeat(np.arange(len(counts)), counts), names)
    small = sum(n < 20 for n in counts)
    found = Check(findings, sum(counts))
    images = open_images((np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"]))
    files = write_report(found, images, tmp_path / "out")
    assert len([f for f in findings if f.kind == "small-class"]) == small
    json.dumps([asdict(f) for f in findings])  # plain values, without the writer's help
    assert [row["path"] for row in read_csv(Path(files["csv"]))] == [f.path for f in findings]
    page = Path(files["html"]).read_text(encoding="utf-8")
    assert all("caf\\udce9 0" in page for f in findings if names[0] in f"{f.path} {f.evidence}")
    assert "<b>&" not in page
    assert next(summary_lines(found)).startswith(f"{sum(counts)} photos, {len(findings)} finding")
