"""A check on disk: `check.csv` for tables, `check.html` for eyes."""

import base64
import io
from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

from PIL import Image

from lightprobe.atomic import write_whole
from lightprobe.check.findings import Finding
from lightprobe.check.run import Check
from lightprobe.csv_text import write_csv
from lightprobe.errors import ImageError, OptionError
from lightprobe.images import ImageSet, decode

COLUMNS: Final = ("path", "kind", "evidence", "suggestion", "other_path")
PICTURE_SIDE: Final = 220
SHOWN: Final = 100  # findings of a kind with their photos; the table holds all

TITLES: Final = {
    "conflicting-label": "The same photo under two labels",
    "leak": "Test photos that stand in training",
    "unreadable": "Files that cannot be read",
    "suspicious-label": "Labels that look wrong",
    "duplicate": "The same photo twice",
    "near-duplicate": "The same picture, stored anew, rescaled, cropped or mirrored",
    "odd": "Odd files",
    "small-class": "Classes too small to judge",
    "imbalance": "Classes out of balance",
}

STYLE: Final = """\
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;
color:#222;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}
.finding{display:inline-block;vertical-align:top;margin:.6em;padding:.6em;
border:1px solid #ddd;border-radius:6px}
figure{display:inline-block;margin:0 .4em .3em 0;max-width:230px}
figcaption{font-size:12px;overflow-wrap:anywhere;color:#555}
img{max-width:220px;max-height:220px}p{margin:.3em 0;max-width:460px}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}figcaption{color:#aaa}.finding{border-color:#444}}
"""


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
    # A file name that is no text in UTF-8 is shown by its escapes.
    write_whole(page, "".join(_page(found, _pictures(images))).encode("utf-8", "backslashreplace"))
    return {"csv": str(table), "html": str(page)}


def summary_lines(found: Check) -> Iterator[str]:
    """Say in a few sentences what was found."""
    n = len(found.findings)
    yield f"{found.n} photos, {n} finding{'s' * (n != 1)}"
    for kind, count in found.counts().items():
        yield f"{count:6}  {kind}: {TITLES[kind].lower()}"
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


def _page(found: Check, picture: Callable[[str], str]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width"><title>lightprobe check</title>'
    yield f"<style>{STYLE}</style></head><body><h1>What to look at in these photos</h1>"
    yield from (f"<p>{escape(line)}</p>" for line in summary_lines(found))
    for kind, group in groupby(found.findings, key=lambda finding: finding.kind):
        findings = list(group)
        yield f"<h2>{escape(TITLES[kind])} ({len(findings)})</h2>"
        yield from (_finding(finding, picture) for finding in findings[:SHOWN])
        if len(findings) > SHOWN:
            yield f"<p>The other {len(findings) - SHOWN} are in check.csv.</p>"
    yield "</body></html>\n"


def _finding(finding: Finding, picture: Callable[[str], str]) -> str:
    figures = "".join(
        f"<figure>{picture(path)}<figcaption>{escape(path)}</figcaption></figure>"
        for path in (finding.path, finding.other_path)
        if path
    )
    said = f"<p>{escape(finding.evidence)}</p><p><b>{escape(finding.suggestion)}</b></p>"
    return f'<div class="finding">{figures}{said}</div>'


def _pictures(images: ImageSet) -> Callable[[str], str]:
    """Return a function from a path to an image element that holds the photo, small; "" if there is none."""
    place = {path: index for index, path in enumerate(images.paths)}

    def picture(path: str) -> str:
        try:
            pixels = decode(images.read(place[path]), max_pixels=images.max_pixels, at_least=PICTURE_SIDE)
        except (KeyError, ImageError, OSError):
            return ""
        image = Image.fromarray(pixels)
        image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=80)
        code = base64.b64encode(file.getvalue()).decode("ascii")
        return f'<img alt="" src="data:image/jpeg;base64,{code}">'

    return picture
