"""Commands on full and read-only disks, and under a limit on the size of files.

Disks are made in a mount namespace of its own (unshare), where the system allows one; the limit is ulimit -f.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
from tests.hostile.toy_model import toys

VERBS = ("train", "predict", "update", "export", "extract", "check", "compare")
KINDS = ("limit", "full", "read-only", "full cache", "read-only cache")


def case(number: int, random: np.random.Generator, folder: Path) -> str:
    """Run a command where something cannot be written."""
    kind, verb = KINDS[number % len(KINDS)], VERBS[number // len(KINDS) % len(VERBS)]
    if kind != "limit" and not _has_namespaces():
        kind = "limit"
    kilobytes = int(random.choice([0, 4, 16, 48, 100, 200]))
    photos, model = toys()
    disk, cache_folder = folder / "disk", folder / "cache"
    for place in (disk, cache_folder):
        place.mkdir()
    command = [sys.executable, "-m", "tests.hostile.faults", kind, verb, str(kilobytes)]
    command += [str(photos), str(model), str(disk), str(cache_folder)]
    if kind != "limit":
        command = ["unshare", "-rm", *command]
    # Python, too, would write: what it has compiled, and it takes half of that for the whole.
    environment = {**os.environ, "LIGHTPROBE_CACHE": str(cache_folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=200)
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return f"{kind}, {verb}: {done.stderr[-300:]}"
    return f"{kind} ({kilobytes} kB), {verb}: {said}" if said else ""


@cache
def _has_namespaces() -> bool:
    tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is not None and not subprocess.run(tried, check=False).returncode


def main(
    kind: str, verb: str, kilobytes: int, photos: str, model: str, disk: Path, cache_folder: Path
) -> str:
    """Prepare the disk, run the command, and say what fell."""
    affected = cache_folder if kind.endswith("cache") else disk
    if kind.startswith("full"):
        # As large as what lies there before, and so many kilobytes.
        size = (
            0 if affected == cache_folder else sum(f.stat().st_size for f in Path(model).iterdir()) + 20_000
        )
        size += kilobytes << 10
        options = f"size={max(size, 4096)}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(affected)], check=True)
    own = Path(shutil.copytree(model, disk / "run" / "model"))
    table = disk / "t.csv"
    table.write_text("old", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    if kind.startswith("read-only"):
        subprocess.run(["mount", "--bind", str(affected), str(affected)], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(affected)], check=True)
    one = str(next(Path(photos).rglob("train/*/*.png")))
    toy = str(Path(photos).parent / "toy.onnx")
    network = ["--backbone", toy, "--precision", "fp32", "--device", "cpu"]
    words = {
        "train": [photos, "--out", str(disk / "new"), *network],
        "predict": [str(own), photos, "--csv", str(table)],
        "update": [str(own), "--remove", one],
        "export": [str(own), "--format", "onnx", "--out", str(disk / "m.onnx")],
        "extract": [photos, "--out", str(disk / "f.npz"), *network],
        "check": [photos, "--out", str(disk / "checked"), *network],
        "compare": [photos, "--out", str(disk / "compared"), "--methods", "optical", *network],
    }
    status, said = _run([verb, *words[verb], "-q"], kilobytes if kind == "limit" else None)
    if "Traceback" in said or "fault of lightprobe" in said:
        return said[-400:]
    if status not in (0, 1, 2):
        return f"ended with {status}: {said[-300:]}"
    if status == 2 and not said.strip():
        return "no sentence"
    if kind.endswith("cache") and status == 2:
        return f"stopped for the sake of its cache: {said[-300:]}"
    return _what_changed(verb, own, before, table, status)


def _run(words: list[str], limit: int | None) -> tuple[int, str]:
    code = "import sys; from lightprobe.cli import main; sys.exit(main())"
    shell = "" if limit is None else f"ulimit -f {limit}; "
    command = ["sh", "-c", f'{shell}exec "$0" "$@"', sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def _what_changed(verb: str, own: Path, before: dict[str, bytes], table: Path, status: int) -> str:
    """Say what is not as it has to be: the model is whole, and the table the old one or the new."""
    from lightprobe import load

    now = {path.name: path.read_bytes() for path in own.iterdir()}
    if (verb != "update" or status == 2) and now != before:
        return "the model was changed"
    load(own)
    whole = table.read_text(encoding="utf-8")
    if whole != "old" and (verb != "predict" or whole.count("\n") != 49):
        return f"the table has {len(whole)} bytes"
    return ""


if __name__ == "__main__":
    kind_, verb_, kilobytes_, photos_, model_, disk_, cache_ = sys.argv[1:]
    fell = main(kind_, verb_, int(kilobytes_), photos_, model_, Path(disk_), Path(cache_))
    sys.stdout.write(json.dumps(fell))
