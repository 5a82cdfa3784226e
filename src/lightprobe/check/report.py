"""A check on disk: `check.csv` for tables, `check.html` for eyes."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from lightprobe.check.decisions import choices
from lightprobe.check.findings import KINDS, Finding
from lightprobe.check.run import Check
from lightprobe.csv_text import write_csv
from lightprobe.errors import ImageError, OptionError
from lightprobe.html_text import write_page
from lightprobe.images import ImageSet, data_address, thumbnail

COLUMNS: Final = ("path", "kind", "evidence", "suggestion", "other_path")
PICTURE_SIDE: Final = 220
SHOWN: Final = 100  # findings of a kind with their photos; the table holds all


def write_report(found: Check, images: ImageSet, out: Path) -> dict[str, str]:
    """Write `check.csv` and `check.html` into a folder, and return their paths by name.

    Raises
    ------
    OptionError
        If `out` is a file.
    """
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file: name a folder for the report with --out.")
    out.mkdir(parents=True, exist_ok=True)
    table, page = out / "check.csv", out / "check.html"
    write_csv(table, COLUMNS, ([getattr(one, column) for column in COLUMNS] for one in found.findings))
    kinds = list(_kinds(found.findings, images))
    shown = [finding for kind in kinds for finding in kind["shown"] if finding["choices"]]
    for number, finding in enumerate(shown):
        finding["number"] = number
    data = [{"choices": finding["choices"]} for finding in shown]
    write_page(page, "check", summary=summary_lines(found), kinds=kinds, side=PICTURE_SIDE, data=data)
    return {"csv": str(table), "html": str(page)}


def summary_lines(found: Check) -> Iterator[str]:
    """Say in a few sentences what was found."""
    n = len(found.findings)
    yield f"{found.n} photos, {n} finding{'s' * (n != 1)}"
    for kind, count in found.counts().items():
        yield f"{count:6}  {kind}: {KINDS[kind].lower()}"
    if found.unjudged:
        yield f"labels could not be judged: {found.unjudged}"
    if found.wrong_labels is not None and found.loo_accuracy is not None:
        yield f"leave-one-out accuracy {found.loo_accuracy:.1%}, copies left out together"
        yield f"about {found.wrong_labels:.1%} of the labels look wrong to the network, hard photos included"
    if found.groups is not None:
        g = found.groups
        where = "groups as given" if g.source == "given" else f"groups guessed from {g.source}"
        yield (
            f"leaving out whole groups ({g.n_groups} {where}): {g.group_accuracy:.1%} "
            f"instead of {g.loo_accuracy:.1%}, so plain leave-one-out overstates by {g.leak:.1f} points"
        )
    for pair in found.confusable:
        yield (
            f"{pair.first} and {pair.second} cannot be told apart: "
            f"{pair.accuracy:.0%} of {pair.n} photos right, no better than chance"
        )


def _kinds(findings: Sequence[Finding], images: ImageSet) -> Iterator[dict[str, Any]]:
    """Yield what the page shows of each kind: its first findings, with their photos where there are any."""
    place = {path: index for index, path in enumerate(images.paths)}
    labels = {path: images.classes[images.labels[index]] for path, index in place.items()}
    splits = dict(zip(images.paths, images.splits.tolist(), strict=True))

    def photo(path: str) -> tuple[str, str]:
        try:
            content = images.read(place[path])
            return path, data_address(thumbnail(content, PICTURE_SIDE, max_pixels=images.max_pixels))
        except (KeyError, ImageError, OSError):
            return path, ""

    for kind, group in groupby(findings, key=lambda finding: finding.kind):
        of_kind = list(group)
        shown = [
            {
                "photos": [photo(path) for path in (one.path, one.other_path) if path],
                "evidence": one.evidence,
                "suggestion": one.suggestion,
                "choices": choices(one, labels, splits),
                "number": None,
            }
            for one in of_kind[:SHOWN]
        ]
        yield {"title": KINDS[kind], "n": len(of_kind), "shown": shown}
