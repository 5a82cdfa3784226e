"""The part of a page about one model: from its row and what its run kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightprobe.html_text import ABSENT, percent
from lightprobe.report import exploring, quality
from lightprobe.report.drawing import as_svg, bars, new_figure, page_figure
from lightprobe.report.page import Drawing, Page, Section, Table, Tile
from lightprobe.report.words import count, interval, left_out, megabytes, seconds, some_of
from lightprobe.runs import LEFT_OUT, Answer, Artifacts, balanced_accuracy, wilson_interval

Row = Mapping[str, Any]

STAGES = {
    "features": "looking at photos",
    "search": "searching a rate",
    "generate": "making the projection",
    "encode": "encoding",
    "project": "projecting",
    "fit": "fitting",
    "predict": "test photos",
}
NAMED = 10  # classes in a sentence
SHOWN = 0.005  # seconds: a stage below has no bar


def model_page(run: Path, row: Row, evidence: Artifacts | None) -> Page:
    """Say what a model is, how good, what it confuses, what it cost and how to make it again."""
    by_split = {} if evidence is None else exploring.by_split(evidence.answers)
    kinds = {_name(split): answers for split, answers in by_split.items()}
    data: Mapping[str, Any] = {}
    classes = [] if evidence is None else evidence.facts["classes"]
    sections = [_what(row, classes), _how_good(row, by_split)]
    if kinds and evidence is not None:
        explorable = exploring.Explorable.of(run, evidence)
        data = explorable.data(evidence.answers)
        sections += [_confusions(run, by_split, explorable), _calibration(row, kinds)]
        if (plot := explorable.plot()) is not None:
            sections.append(Section("A map of the photos", blocks=[plot]))
    sections.append(_cost(row))
    if row.get("candidates"):
        sections.append(_tried(row))
    warnings = quality.data_warnings(by_split.get(LEFT_OUT, ()), row.get("n_skipped") or 0)
    warnings += _surprise(row)
    if warnings:
        sections.append(Section("What to mind in the data", warnings))
    sections.append(_again(row, evidence))
    return Page(_title(row), _subtitle(row, evidence), _tiles(row), sections, data)


def _name(split: str) -> str:
    return exploring.SPLITS[split]


def _title(row: Row) -> str:
    best = row["test_accuracy"] if row.get("test_accuracy") is not None else row.get("loo_accuracy")
    best = row.get("expected", {}).get("accuracy", best)
    return f"{count(row['n_classes'], 'class', 'classes')}, {percent(best)} right"


def _subtitle(row: Row, evidence: Artifacts | None) -> str:
    when = "" if evidence is None else f", {evidence.facts['created'][:10]}"
    return f"Method {row['method']} on {row['backbone']}, trained on {count(row['n_train'], 'photo')}{when}."


def _tiles(row: Row) -> list[Tile]:
    tiles = []
    parted = _is_parted(row)
    if row.get("loo_accuracy") is not None:
        what = "which test photos contradict" if parted else "what to expect"
        tiles.append(Tile(percent(row["loo_accuracy"]), f"{left_out(row)}, {what}"))
    if row.get("test_accuracy") is not None:
        where = f"on {row['n_test']:,} test photos ({interval(row['test_accuracy_ci95'])})"
        what = f"what to expect, {where}" if parted else where
        tiles.insert(0 if parted else len(tiles), Tile(percent(row["test_accuracy"]), what))
    tiles.append(Tile(seconds(row["seconds"]["total"]), "from files to a tested model"))
    tiles.append(Tile(megabytes(row.get("model_bytes")), "model on disk"))
    return tiles


def _what(row: Row, classes: Sequence[str]) -> Section:
    sees = f"{row['backbone']} looks at photos of {row['image_size']} pixels up to the layer {row['cut']}"
    if "," in row["backbone"]:
        names = " and ".join(row["backbone"].split(","))
        sees = f"{names} look at photos of {row['image_size']} pixels, side by side ({row['cut']})"
    parts = [f"{sees} ({row['engine']}, {row['precision']})."]
    if row["method"] == "optical":
        exact = row["components"] == "exact"
        light = "optical kernel" + ("" if exact else f" of {row['components']} random features")
        kernel = light if row["kernel"] == "optical" else "linear kernel"
        parts.append(
            f"Its output is pooled by {row['pool']}, encoded by {row['encode']}, seen through the {kernel}, "
            f"and ridge is solved in closed form, with alpha {row['alpha_relative']:.3g} of the kernel's "
            "mean variance."
        )
    if classes:
        many = (
            ""
            if len(classes) <= NAMED + 1
            else f"{len(classes)} classes, named in the table of classes below: "
        )
        parts.append(f"It tells apart {many}{some_of(classes, NAMED)}.")
    return Section("What it is", [" ".join(parts)])


def _how_good(row: Row, by_split: Mapping[str, Sequence[Answer]]) -> Section:
    sentences, rows = [], []
    for split, answers in by_split.items():
        n, right = len(answers), sum(a.right for a in answers)
        known = row.get("loo_accuracy_ci95") if split == LEFT_OUT else None
        span = interval(known or wilson_interval(right, n))
        matrix = quality.confusion(answers, sorted({a.label for a in answers} | {a.answer for a in answers}))
        balanced = percent(balanced_accuracy(matrix))
        rows.append([_name(split), f"{n:,}", f"{n - right:,}", percent(right / n), span, balanced])
    if row.get("loo_accuracy") is not None:
        unit = f"one of {row['n_groups']} groups" if row.get("n_groups") else "one"
        sentences.append(
            f"{percent(row['loo_accuracy'])} of the training photos are right when each is asked of a model "
            f"that was fitted without it (leaving {unit} out, in closed form). Alpha, thresholds and the "
            "choice of layer, encoding and kernel are held fixed meanwhile, which flatters a little."
        )
    if row.get("test_accuracy") is None:
        sentences.append("There are no test photos in this data, so leave-one-out stands alone.")
    columns = ["asked about", "photos", "wrong", "right", "95 % interval", "mean over classes"]
    table = [Table("How many answers are right", columns, rows)] if rows else []
    return Section("How good it is", sentences, table)


def _confusions(
    run: Path, by_split: Mapping[str, Sequence[Answer]], explorable: exploring.Explorable
) -> Section:
    classes, numbers = explorable.classes, explorable.numbers()
    matrices = {_name(split): quality.confusion(answers, classes) for split, answers in by_split.items()}
    sentence = quality.commonest_confusion(matrices, classes)
    blocks = [
        quality.confusion_table(matrices[_name(split)], classes, _name(split), place)
        for place, split in enumerate(exploring.SPLITS)
        if split in by_split
    ]
    blocks.append(quality.class_table(matrices, classes))
    pictures = [
        gallery
        for split, answers in by_split.items()
        for gallery in quality.galleries(run, answers, _name(split), numbers)
    ]
    return Section("What it confuses", [sentence], [*blocks, *pictures])


def _calibration(row: Row, kinds: Mapping[str, Sequence[Answer]]) -> Section:
    error = row.get("expected_calibration_error")
    sentence = "Probabilities were fitted to the leave-one-out scores, so no photo was set aside for them."
    if error is not None:
        sentence = (
            f"On test photos, what it says and how often it is right differ by {100 * error:.1f} points on "
            f"average (expected calibration error). {sentence}"
        )
    title = "How far to trust its probabilities"
    if not any(map(quality.calibration_points, kinds.values())):
        few = f"There are too few answers to draw it: a tenth of the scale takes {quality.FEW}."
        return Section(title, [f"{sentence} {few}"], [exploring.thresholds(kinds)])
    return Section(title, [sentence], [quality.calibration_drawing(kinds), exploring.thresholds(kinds)])


def _cost(row: Row) -> Section:
    cached = " Features came from the cache and count at what they cost when they were made." * bool(
        row.get("cached")
    )
    total, memory = seconds(row["seconds"]["total"]), f"{row['peak_rss_mb']:,.0f} MB"
    sentence = f"{total} in all, {memory} of memory at the peak.{cached}"
    stages = {name: value for name, value in row["seconds"].items() if name in STAGES and value >= SHOWN}
    return Section("What it cost", [sentence], [_stages(stages)] if stages else [])


@page_figure("seconds by stage")
def _stages(stages: Mapping[str, float]) -> Drawing:
    figure, (axes,) = new_figure(6.0, 0.6 + 0.36 * len(stages))
    texts = [seconds(value) for value in stages.values()]
    bars(axes, [STAGES[name] for name in stages], list(stages.values()), texts)
    said = ", ".join(f"{STAGES[name]} {seconds(value)}" for name, value in stages.items())
    return as_svg(figure, f"Seconds by stage: {said}.")


def _tried(row: Row) -> Section:
    candidates = row["candidates"]
    rows = []
    for c in candidates:
        alpha = ABSENT if c["alpha_relative"] is None else f"{c['alpha_relative']:.1e}"
        what = [c[key] for key in ("cut", "pool", "encode", "kernel")]
        rows.append([*what, c["dropped"] or percent(c["loo_accuracy"], 2), alpha])
    sentence = (
        f"{count(len(candidates), 'way')} to use the same look at the photos "
        f"{'was' if len(candidates) == 1 else 'were'} compared by {left_out(row)}; the first was taken. "
        "It has the highest accuracy, or is a cheaper network or layer within one standard error of that. "
        "Test photos were not used to choose."
    )
    columns = ["layer", "pooling", "encoding", "kernel", left_out(row), "alpha"]
    table = Table("What was tried, the one chosen first", columns, rows, emphasised=0)
    return Section("What was tried and not chosen", [sentence], [table])


def _surprise(row: Row) -> list[str]:
    """Say so where test photos are answered worse or better than leave-one-out led to expect."""
    if row.get("test_accuracy") is None or row.get("loo_accuracy") is None:
        return _series(row)
    low, high = row["test_accuracy_ci95"]
    if low <= row["loo_accuracy"] <= high:
        return _series(row)
    worse = row["test_accuracy"] < row["loo_accuracy"]
    why = (
        "they may come from elsewhere, or training photos may be copies of each other, or in series"
        if worse
        else "some of them may be copies of training photos, or easier"
    )
    return [
        f"Test photos are answered {'worse' if worse else 'better'} than {left_out(row)} led to expect "
        f"({percent(row['test_accuracy'])} against {percent(row['loo_accuracy'])}, outside the 95 % "
        f"interval): {why}.",
        *_series(row),
    ]


def _is_parted(row: Row) -> bool:
    """Whether leave-one-out and test photos part by more than both intervals."""
    return bool(row.get("expected", {}).get("parted")) and row.get("loo_accuracy") is not None


def _series(row: Row) -> list[str]:
    """Say what leaving out whole series would say, where they are guessed."""
    if (guess := row.get("group_guess")) is None:
        return []
    closes = " It closes the gap." if guess["closes"] else ""
    return [
        "Photos may come in series. Leaving out whole ones, as their names tell them, "
        f"{percent(guess['accuracy'])} are right: --group '{guess['pattern']}'.{closes}"
    ]


def _again(row: Row, evidence: Artifacts | None) -> Section:
    facts: Mapping[str, Any] = {} if evidence is None else evidence.facts
    versions = ", ".join(f"{name} {number}" for name, number in facts.get("versions", {}).items())
    notes = [f"Seed {row['seed']}. {versions or 'lightprobe ' + row['version']}."]
    if facts:
        notes.append(f"{facts['system']}, {facts['created']}.")
    code = [line for line in (facts.get("command"), facts.get("python")) if line]
    return Section("How to make it again", code=code, notes=notes)
