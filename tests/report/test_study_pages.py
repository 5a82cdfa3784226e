from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.pages import HOSTILE, read_page, train_row, write_rows

from lightprobe.report import study_sections, write_report
from lightprobe.report.studies.curve import fit_curve


def study_row(study: str, configuration: dict[str, Any], **changes: Any) -> dict[str, Any]:
    changes = {
        "seconds": {"features": 2.0, "generate": 0.1, "project": 0.2, "fit": 0.5, "total": 2.8}
    } | changes
    return train_row(study=study, configuration=configuration, identity="x", command="", **changes)


def layer(cut: str, kernel: str, accuracy: float, parameters: int) -> dict[str, Any]:
    sizes = {"fp32": 4 * parameters, "fp16": 2 * parameters, "int8": parameters}
    return study_row(
        "layers", {"cut": cut, "kernel": kernel, "within": 0.02}, cut=cut, kernel=kernel, within=0.02,
        test_accuracy=accuracy, parameters=parameters, bytes=sizes, model_bytes=4 * parameters,
    )  # fmt: skip


def test_the_smallest_network_within_the_loss_is_named() -> None:
    rows = [
        layer(cut, kernel, accuracy, parameters)
        for cut, accuracy, parameters in (
            ("end", 0.90, 10**6),
            ("middle", 0.885, 10**5),
            ("start", 0.5, 10**4),
        )
        for kernel in ("optical",)
    ]
    (section,) = study_sections(rows)
    assert "The best model ends at end" in section.sentences[0]
    assert "within 2 points of it ends at middle" in section.sentences[0]
    table = section.tables[0]
    assert table.emphasised == 1


def test_a_layer_that_could_not_be_fitted_stays_in_the_table() -> None:
    rows = [layer("end", "linear", 0.9, 10**6), layer("stem", "linear", 0.5, 10**3)]
    rows[1]["dropped"] = "the same for every row"
    (section,) = study_sections(rows)
    assert section.tables[0].rows[1][-1] == "no fit"


def test_precisions_are_held_against_fp32() -> None:
    rows = [
        study_row("precision", {"precision": "fp32"}, precision="fp32", test_accuracy=0.9, weight_bytes=400),
        study_row(
            "precision", {"precision": "int8"}, precision="int8", test_accuracy=0.895, weight_bytes=100,
            seconds={"features": 0.5, "fit": 0.5, "total": 1.0},
        ),
        {"study": "precision", "configuration": {"precision": "fp16"}, "identity": "x", "command": "",
         "backbone": "efficientnet_lite0", "dropped": "no such arithmetic"},
    ]  # fmt: skip
    (section,) = study_sections(rows)
    text = section.sentences[0].replace("\N{NO-BREAK SPACE}", " ")
    assert "int8 −0.5 points at 4 times the speed and 25 % of the weights' bytes" in text
    assert section.tables[0].rows[-1][-1] == "not available here"


def test_a_curve_through_exact_errors_is_found_again() -> None:
    sizes = (50.0, 100.0, 200.0, 400.0, 800.0)
    draws = {n: [0.05 + 0.9 * n**-0.5] * 3 for n in sizes}
    curve = fit_curve(draws, 1000)
    assert curve is not None
    assert float(curve.error(3200)) == pytest.approx(0.05 + 0.9 * 3200**-0.5, abs=2e-3)
    gain, low, high = curve.gain(1600)
    assert gain == pytest.approx(0.9 * (800**-0.5 - 1600**-0.5), abs=2e-3)
    assert low <= gain <= high


def test_the_interval_of_a_gain_holds_the_truth_nearly_always() -> None:
    rng = np.random.default_rng(0)
    sizes, inside = (50.0, 100.0, 200.0, 400.0, 800.0), 0
    for trial in range(20):
        draws = {n: (0.05 + 0.9 * n**-0.5 + rng.normal(0, 0.006, 5)).tolist() for n in sizes}
        curve = fit_curve(draws, 2000, trial)
        assert curve is not None
        _, low, high = curve.gain(1600)
        inside += low <= 0.9 * (800**-0.5 - 1600**-0.5) <= high
    assert inside >= 15


def test_three_sizes_are_too_few_for_a_curve() -> None:
    assert fit_curve({1.0: [0.5], 2.0: [0.4], 3.0: [0.3]}, 100) is None


def test_several_studies_and_hostile_names_make_one_page(tmp_path: Path) -> None:
    rows = [
        study_row(
            "backbones", {"networks": [[name, None]]}, backbone=name, test_accuracy=0.8 + 0.01 * i,
            weight_bytes=10**6,
        )
        for i, name in enumerate(HOSTILE)
    ]  # fmt: skip
    moved = [
        study_row("sensitivity", {"setting": setting, "value": value}, test_accuracy=0.8 + 0.01 * value)
        for setting, values in (("none", (0,)), ("seed of R", (0, 1)), ("alpha", (0, 4)))
        for value in values
    ]
    write_rows(tmp_path, *rows, *moved)
    page = read_page(write_report(tmp_path))
    assert page.tags.count("script") == 2
    assert all(name in page.text for name in HOSTILE)
    assert "alpha by 4.0, seed of R by 1.0" in page.text
    assert page.tags.count("svg") == 2
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
