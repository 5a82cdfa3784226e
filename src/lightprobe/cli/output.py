"""What verbs print: results on stdout, for people or as one JSON object."""

import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lightprobe.cli import training_text

if TYPE_CHECKING:
    from lightprobe.backbones import BackboneInfo, Published
    from lightprobe.labelling import NextPhotos
    from lightprobe.report import Section

NAMED = 20  # photos left out that are named on the screen

# What moves the cursor, colours the screen or ends a line, though it stands in a name.
_CONTROL = re.compile("[\\x00-\\x08\\n-\\x1f\\x7f-\\x9f\\u2028\\u2029]")


def as_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    _write(_json(value) + "\n")


def as_json_list(name: str, values: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object, {name: [...]}, whose entries are written as they come."""
    _write(f"{{{_json(name)}: [")
    for place, value in enumerate(values):
        _write(f"{', ' if place else ''}{_json(value)}")
    _write("]}\n")


def note(sentence: str) -> None:
    """Print what is no result, on stderr."""
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(legible(sentence).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def names(values: Iterable[str]) -> None:
    """Print one name a line."""
    for value in values:
        _line(value)


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows under their keys, numbers to the right."""
    if not rows:
        return
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    right = [all(isinstance(row[column], int | float | None) for row in rows) for column in columns]
    for line in (columns, *cells):
        padded = (
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right, strict=True)
        )
        _line("  ".join(padded).rstrip())


def training(row: Mapping[str, Any], report: str = "", *, verbose: bool = False) -> None:
    """Print what a training came to and what to do next; what it compared and cost if `verbose`."""
    names(training_text.summary(row))
    if row.get("quality") not in (None, "fast"):
        names(_gained(row))
    if row.get("interrupted"):
        _line("Stopped by Ctrl-C: the same command with --resume goes on.")
    if verbose:
        _line()
        _details(row)
    if report:
        _line()
        names(training_text.next_steps(row, report))


def _gained(row: Mapping[str, Any]) -> list[str]:
    """Say what a level of quality was worth, and whether a cheaper one was taken."""
    asked, taken = row["quality"], row["quality_taken"]
    if taken == "fast":
        return [f"--quality {asked} fell back to fast: leave-one-out sees no gain beyond its standard error."]
    gain, error = 100 * row["quality_gain"], 100 * row["quality_gain_se"]
    back = "" if taken == asked else f" It fell back to {taken}: more gained nothing beyond that."
    worth = f"{gain:+.1f} points over fast by leave-one-out (standard error {error:.1f})"
    return [f"--quality {asked} gained {worth}.{back}"]


def _details(row: Mapping[str, Any]) -> None:
    """Print what a training compared, chose, reached and cost."""
    precision = row["precision"]
    if precision != "fp32":
        precision += f" (R² with fp32 {row['agreement']:.3f})"
    _line(f"{row['backbone']} up to {row['cut']}, {row['image_size']} px, {row['engine']} {precision}")
    if row["method"] != "optical":
        _learned(row)
        return
    unit = f"one of {row['n_groups']} groups" if row["n_groups"] else "one"
    _line(f"Compared by leaving {unit} out on the training images:")
    table([_candidate(c, c is row["candidates"][0]) for c in row["candidates"]])
    if row["optimism"] >= 0.0005:
        luck = 100 * row["optimism"]
        _line(f"of which luck           {luck:.1f} points at a guess, as the best of several was chosen")
    if row["cut_gain"] is not None:
        gain = 100 * row["cut_gain"]
        _line(f"--cut auto gained       {gain:+.1f} points over the last layer, on the same photos left out")
    _outcome(row)


def _learned(row: Mapping[str, Any]) -> None:
    _line(
        f"{row['method']}, {row['epochs']} epochs at learning rate {row['lr']:.3g}, "
        f"the weights of epoch {row['best_epoch']}"
    )
    _outcome(row)


def _outcome(row: Mapping[str, Any]) -> None:
    seconds = row["seconds"]
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items() if stage != "total")
    cached = " (features from the cache, at their recorded cost)" if row["cached"] else ""
    _line(f"seconds                 {seconds['total']:.1f}: {stages}{cached}")
    _line(f"memory at its peak      {row['peak_rss_mb']:.0f} MB")
    _line(f"model                   {row['model']} ({row['model_bytes'] / 1e6:.1f} MB)")


def sums(summary: Mapping[str, Any]) -> None:
    """Print what a part of a model is over, and where it lies."""
    skipped = f" ({summary['n_skipped']} files skipped)" if summary["n_skipped"] else ""
    _line(f"shard {summary['shard']} of {summary['n_listed']} training images: {summary['n']} seen{skipped}")
    seconds = ", ".join(f"{stage} {value:.1f}" for stage, value in summary["seconds"].items())
    _line(f"seconds                 {seconds}")
    _line(f"part                    {summary['file']} ({summary['bytes'] / 1e6:.1f} MB with its features)")


def figure(path: str) -> None:
    """Print where a figure lies."""
    _line(f"figure                  {path}")


def report(path: str) -> None:
    """Print where a run's page lies."""
    _line(f"report                  {path}")


def section(said: "Section") -> None:
    """Print what a study says, and its tables."""
    _line(said.title)
    for sentence in said.sentences:
        _line()
        for line in textwrap.wrap(sentence, 100):
            _line(line)
    for block in said.tables:
        _line()
        table([dict(zip(block.columns, row, strict=True)) for row in block.rows])
    _line()


def demo(row: Mapping[str, Any]) -> None:
    """Print a training on the digits, the picture of it, and what to type next."""
    training(row)
    _line(f"picture                 {row['picture']}")
    _line()
    _line("Next:")
    _line(f"  lightprobe predict {row['model']} {row['test_images']}")
    _line(f"  lightprobe evaluate {row['model']} {row['test_images']}")
    _line("  lightprobe train PHOTOS --out run         PHOTOS holds a folder of photos for each class")


def looked(seen: Mapping[str, Any], picture: object) -> None:
    """Print what a model made of a photo, and its layers."""
    if "layers" in seen:
        how = {"exact": "exactly", "covering": "by covering parts of the photo"}[seen["evidence"]]
        _line(f"{seen['label']}, {seen['probability']:.1%}; the evidence is located {how}")
        _line()
        layers = [{**layer, "shape": " × ".join(map(str, layer["shape"]))} for layer in seen["layers"]]
        table(layers)
        _line()
    _line(f"picture {picture}")


def update(row: Mapping[str, Any]) -> None:
    """Print what an update changed and what the model is now."""
    known = f" ({row['n_known']} more were there already)" if row["n_known"] else ""
    _line(
        f"added {row['n_added']}{known}, removed {row['n_removed']}, relabelled {row['n_relabelled']} photos"
    )
    for skipped in row["skipped"]:
        _line(f"left out: {skipped['path']} {skipped['reason']}")
    if row["scrubbed"]:
        _line(f"taken out of the run, too: {', '.join(row['scrubbed'])}")
    _line(f"{row['n_train']} training photos of {len(row['classes'])} classes: {', '.join(row['classes'])}")
    before, after = row["loo_accuracy_before"], row["loo_accuracy"]
    if row["stale"]:
        _line(f"leave-one-out accuracy  {after:.2%}   of the last training: sums cannot bring it up to date")
    else:
        _line(f"leave-one-out accuracy  {after:.2%}   before {before:.2%}")
    _line(f"seconds                 {row['seconds']:.1f}")


def next_photos(
    chosen: "NextPhotos", table_file: object | None, model: object | None, *, quiet: bool
) -> None:
    """Say on stderr what was left out and, unless `quiet`, how many photos were chosen and what to do."""
    for skipped in chosen.skipped[:NAMED]:
        note(f"left out: {skipped.path} {skipped.reason}")
    if len(chosen.skipped) > NAMED:
        note(f"left out: {len(chosen.skipped) - NAMED} more, which --json names")
    if quiet:
        return
    known = f"; {chosen.n_known} more are known to the model" if chosen.n_known else ""
    repeated = f"; {chosen.n_repeated} were passed over, as they repeat these" if chosen.n_repeated else ""
    note(f"{len(chosen.photos)} of {chosen.n_unlabelled} photos without labels{known}{repeated}.")
    if table_file is not None:
        learn = f"train {table_file}" if model is None else f"update {model} --add {table_file}"
        note(f"Next: fill in the column label of {table_file}, then lightprobe {learn}")


def export(info: Mapping[str, Any]) -> None:
    """Print what was written and how faithful it is."""
    parity = info["parity"]
    _line(f"{info['file']} ({info['file_bytes'] / 1e6:.1f} MB)")
    _line(f"from photos of any size to the probabilities of {len(info['classes'])} classes")
    _line(
        f"beside the model, on {parity['n']} pictures ({parity['photos']}): {parity['top1_agreement']:.2%} "
        f"same answers, probabilities within {parity['max_probability_difference']:.1e}"
    )
    if parity["max_difference_in_fp32"] is not None:
        _line(f"given the same pixels in fp32, within {parity['max_difference_in_fp32']:.1e}")


def serving(address: str, token: str | None = None) -> None:
    """Say where a server is, and what opens it."""
    if token is not None:
        note(f"Who opens {address}/?token={quote(token, safe='')} may ask; keep it from others.")
    note(f"Serving at {address}, documented at {address}/docs; Ctrl-C stops it.")


def networks(listed: "Sequence[Published]") -> None:
    """Print which networks are at hand, and what those that are not would take."""
    table(
        [
            {
                "name": one.name,
                "weights": one.state,
                "MB": f"{one.megabytes:.0f}",
                "licence": one.licence or "none stated",
                "missing extra": one.missing_extra or "",
            }
            for one in listed
        ]
    )
    _line()
    _line("inside: in the installation; cached: on this machine; download: fetched when first named.")
    _line("Others are timm:NAME, any of timm's, and files, FILE.onnx or FILE.xml.")


def backbone(info: "BackboneInfo") -> None:
    """Print a network's facts and its cut points."""
    facts = [f"{info.image_size} px", f"weights {info.weights}", f"{info.megabytes:.0f} MB"]
    if info.accuracy is not None:
        facts.append(f"ImageNet top-1 {info.accuracy:.1f} %")
    _line(f"{info.name}: {', '.join(facts)}")
    _line()
    table(
        [
            {
                "cut": cut.name,
                "output": " × ".join(map(str, cut.shape)),
                "avg": cut.pooled,
                "flatten": cut.flattened,
                "parameters": cut.parameters,
                "of whole": f"{cut.share:.1%}",
            }
            for cut in info.cuts
        ]
    )


def extraction(summary: Mapping[str, Any]) -> None:
    """Print what lies in a file of features."""
    skipped = f", {summary['n_skipped']} files left out" if summary["n_skipped"] else ""
    _line(f"{summary['file']}: {summary['n']} images of {len(summary['classes'])} classes{skipped}")
    for name, (n, size) in summary["features"].items():
        _line(f"  {name}: {n} × {size}, float16")


def evaluation(summary: Mapping[str, Any]) -> None:
    """Print accuracy, the table of classes, the confusion matrix and calibration."""
    low, high = summary["accuracy_ci95"]
    _line(
        f"accuracy {summary['accuracy']:.2%} on {summary['n']} images, 95 % interval {low:.1%} to {high:.1%}"
    )
    _line(f"balanced accuracy {summary['balanced_accuracy']:.2%}, the mean of the classes' recalls")
    _line(
        f"expected calibration error {summary['expected_calibration_error']:.3f}; "
        f"perfect calibration stays below {summary['calibration_error_limit95']:.3f} in 95 of 100 such tests"
    )
    if summary["n_skipped"]:
        _line(f"{summary['n_skipped']} files are left out")
    _line()
    table(
        [
            {**c, "recall": _percent(c["recall"]), "precision": _percent(c["precision"])}
            for c in summary["per_class"]
        ]
    )
    _line()
    _line("Confusion: rows are true classes, columns are answers, in the order above.")
    width = max(len(str(n)) for row in summary["confusion"] for n in row) + 2
    for row in summary["confusion"]:
        _line("".join(str(n).rjust(width) for n in row))


def _candidate(candidate: Mapping[str, Any], won: bool) -> dict[str, Any]:
    accuracy = candidate["loo_accuracy"]
    return {
        "": "→" if won else " ",
        "layer": candidate["cut"],
        "pool": candidate["pool"],
        "encode": candidate["encode"],
        "kernel": candidate["kernel"],
        "leave-one-out": candidate["dropped"] or _percent(accuracy),
        "alpha": "" if accuracy is None else f"{candidate['alpha_relative']:.1e}",
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def legible(text: str) -> str:
    """Escape what a name may hold and a terminal would obey."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def _line(text: str = "") -> None:
    _write(legible(text) + "\n")


def _json(value: Any) -> str:
    """Write JSON in UTF-8; on a stream of another encoding, in ASCII, which is JSON in any."""
    from lightprobe.json_text import to_json  # and with it NumPy, which help and usage can do without

    return to_json(value, ascii_only=(sys.stdout.encoding or "").lower().replace("-", "") != "utf8")


def _write(text: str) -> None:
    """Write to stdout, escaping what its encoding lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
