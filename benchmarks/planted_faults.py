"""Plant known faults in photos and count which `lightprobe check` finds: recall and precision by kind.

    python benchmarks/planted_faults.py DATA [--backbone NAME] [--weights FILE] [--each 30] [--json]

Copies of photos drawn at random are added to a copy of the data: as they are, stored anew (JPEG quality 40),
at half the size, mirrored, and cropped to 90, 80, 70 and 60 % of their sides; under another label; cut off in
the middle of the file. Recall is the share of the planted faults that are found, under their own kind. What
else is found are faults that the data had before, and mistakes: `check` is run on the untouched data too, and
a finding counts as a mistake only if it names a planted photo and is not what was planted there, or appears
between untouched photos only with the plants in place.
"""

import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from common import photo_arguments
from lightprobe.check import Check, check
from lightprobe.images import ImageSet, open_images
from lightprobe.images.decode import decode
from lightprobe.runtime import Runtime

Edit = Callable[[Image.Image, np.random.Generator], Image.Image]


def cropped(share: float) -> Edit:
    """Return an edit that keeps a window with this share of both sides."""

    def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = (round(share * side) for side in image.size)
        left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
        return image.crop((int(left), int(top), int(left) + width, int(top) + height))

    return crop


EDITS: dict[str, tuple[Edit, int]] = {
    "stored anew": (lambda image, _: image, 40),
    "half the size": (lambda image, _: image.resize((image.width // 2, image.height // 2)), 85),
    "mirrored": (lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85),
    "cropped to 90 %": (cropped(0.9), 85),
    "cropped to 80 %": (cropped(0.8), 85),
    "cropped to 70 %": (cropped(0.7), 85),
    "cropped to 60 %": (cropped(0.6), 85),
}
KIND = {
    **dict.fromkeys(EDITS, "near-duplicate"),
    "same file": "duplicate",
    "other label": "conflicting-label",
    "cut off": "unreadable",
}


def unpack(images: ImageSet, folder: Path) -> list[Path]:
    """Write every photo as `class/number.jpg`, from whatever form the data has; splits are dropped."""
    files = []
    for index in range(len(images)):
        content = images.read(index)
        file = folder / images.classes[images.labels[index]] / f"{index:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            Image.fromarray(content).save(file, quality=95)
        files.append(file)
    return files


def plant(files: list[Path], each: int) -> dict[Path, tuple[str, Path]]:
    """Add faults beside the photos; return what was planted where, and the photo it came from."""
    rng = np.random.default_rng(0)
    drawn = iter(rng.permutation(len(files)))
    planted: dict[Path, tuple[str, Path]] = {}
    classes = sorted({file.parent for file in files})
    for what in KIND:
        for _ in range(each):
            origin = files[next(drawn)]
            folder = origin.parent
            if what == "other label":
                folder = classes[(classes.index(folder) + 1) % len(classes)]
            file = folder / f"planted-{len(planted)}x.jpg"
            content = origin.read_bytes()
            if what in EDITS:
                edit, quality = EDITS[what]
                image = Image.fromarray(decode(content).permute(1, 2, 0).contiguous().numpy())
                stored = io.BytesIO()
                edit(image, rng).save(stored, "JPEG", quality=quality)
                content = stored.getvalue()
            elif what == "cut off":
                content = content[: len(content) // 2]
            file.write_bytes(content)
            planted[file] = (what, origin)
    return planted


def score(
    before: Check, after: Check, planted: dict[Path, tuple[str, Path]], root: Path
) -> list[dict[str, Any]]:
    """Count planted faults found, and findings of pairs or files that are none."""
    named = {file.relative_to(root).as_posix(): fault for file, fault in planted.items()}
    known = {(f.kind, f.path, f.other_path) for f in before.findings}
    linked = {frozenset((f.path, f.other_path)) for f in before.findings if f.other_path}
    found: dict[str, set[str]] = {what: set() for what in KIND}
    wrong = dict.fromkeys(set(KIND.values()), 0)
    right = dict.fromkeys(set(KIND.values()), 0)
    for f in after.findings:
        if f.kind not in right or (f.kind, f.path, f.other_path) in known:
            continue
        true = False
        for path, other in ((f.path, f.other_path), (f.other_path, f.path)):
            if path in named:
                what, origin = named[path]
                source = origin.relative_to(root).as_posix()
                same = other == source or frozenset((other, source)) in linked
                if f.kind == KIND[what] and (not other or same):
                    found[what].add(path)
                true |= not other or same
        right[f.kind] += true
        wrong[f.kind] += not true
    each = {what: sum(fault == what for fault, _ in planted.values()) for what in KIND}
    return [
        {
            "fault": what,
            "kind": kind,
            "planted": each[what],
            "recall": len(found[what]) / each[what],
            "precision_of_kind": right[kind] / max(1, right[kind] + wrong[kind]),
        }
        for what, kind in KIND.items()
    ]


def main() -> None:
    """Plant, check, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--each", type=int, default=30)
    args = parser.parse_args()
    how = {"backbone": args.backbone, "weights": args.weights}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = unpack(open_images(args.data), root)
        start = time.perf_counter()
        before = check(open_images(root), Runtime(progress=True), **how)
        seconds = time.perf_counter() - start
        planted = plant(files, args.each)
        rows = score(before, check(open_images(root), Runtime(progress=True), **how), planted, root)
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
    if args.json:
        json.dump({"seconds": seconds, "rows": rows}, sys.stdout)
        print()
        return
    print(f"{len(files)} photos checked in {seconds:.1f} s\n")
    print("| planted | found as | planted | recall | precision of that kind |\n|---|---|---|---|---|")
    for row in rows:
        shares = f"{row['recall']:.1%} | {row['precision_of_kind']:.1%}"
        print(f"| {row['fault']} | {row['kind']} | {row['planted']} | {shares} |")


if __name__ == "__main__":
    main()
