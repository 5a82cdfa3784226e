"""Time and memory against n photos, m bits and k features: lines, exponents, and a billion on paper.

    python benchmarks/scaling.py [--quick] [--json] [--figure scaling.png] [--jobs JOB ... --others JSON]

Three jobs, each along every axis it depends on, the other sizes held:

    projection   OpticalFeatures, structured, rows in batches of 1,000 that are forgotten afterwards
    exact        OpticalRidge on the exact kernel, one alpha, leave-one-out scores included
    primal       OpticalRidge on k structured features, likewise, in the least memory it accepts

Every point runs in a fresh process. Seconds are the best of up to ten runs, which a busy machine disturbs
least; memory is what the job adds to the highest mark of the process that holds its bits. An exponent is the
slope of log y on log x by least squares, with its standard error. One alpha, because a search takes three to
seven of them, as the data will have it, and would blur the slopes. The photos are toys, bits whose chance of
being one depends on the class.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

N_CLASSES, DENSITY, CONTRAST, BATCH = 10, 0.3, 0.03, 1000
ALPHA = 0.1  # relative
REPEATS, ENOUGH_SECONDS = 10, 5.0  # at a point, the one run that it needs aside
PAPER_PHOTOS, PAPER_COMPONENTS = (10**6, 10**9), 16_384
Sizes = dict[str, int]
Sweep = dict[str, list[int]]
Lines = dict[str, dict[str, dict[str, "Line"]]]  # job -> axis -> quantity

# The sizes held, and the values taken along each axis in turn.
HELD: dict[str, Sizes] = {
    "projection": {"n": 1000, "m": 16_384, "k": 16_384},
    "exact": {"n": 2000, "m": 8192},
    "primal": {"n": 10_000, "m": 4096, "k": 1024},
}
SWEEPS: dict[str, Sweep] = {
    "projection": {
        "n": [1000, 3000, 10_000, 30_000, 100_000],
        "m": [16_384, 32_768, 65_536, 131_072],
        "k": [16_384, 32_768, 65_536, 131_072],
    },
    "exact": {"n": [1000, 2000, 4000, 8000], "m": [8192, 16_384, 32_768, 65_536, 131_072]},
    "primal": {
        "n": [3000, 10_000, 30_000, 100_000],
        "m": [4096, 16_384, 32_768, 65_536],
        "k": [512, 1024, 2048, 4096],
    },
}
QUICK: dict[str, Sweep] = {
    "projection": {"n": [1000, 4000, 16_000], "m": [16_384, 32_768, 65_536], "k": [16_384, 32_768, 65_536]},
    "exact": {"n": [1000, 2000, 3000], "m": [8192, 16_384, 32_768]},
    "primal": {"n": [2500, 5000, 10_000], "m": [4096, 16_384, 32_768], "k": [512, 1024, 2048]},
}
# What counting operations and bytes says of large n: a check on the slopes, and a second line to a billion.
THEORY = {
    "projection": {"seconds": 1, "memory_mb": 0},
    "exact": {"seconds": 3, "memory_mb": 2},
    "primal": {"seconds": 1, "memory_mb": 0},
}
UNITS = {"seconds": "seconds", "memory_mb": "MB beside the bits"}


class Line(NamedTuple):
    """y = exp(level) · x^exponent, by least squares in logarithms, with the exponent's standard error."""

    exponent: float
    error: float
    level: float

    def at(self, x: float) -> float:
        """Return y."""
        return float(np.exp(self.level + self.exponent * np.log(x)))


def fit_line(x: list[float], y: list[float]) -> Line:
    """Regress log y on log x."""
    u, v = np.log(x), np.log(y)
    spread = float(np.sum((u - u.mean()) ** 2))
    exponent = float((u - u.mean()) @ v / spread)
    level = float(v.mean() - exponent * u.mean())
    residual = v - level - exponent * u
    error = float(np.sqrt(residual @ residual / max(len(x) - 2, 1) / spread))
    return Line(exponent, error, level)


def toy_bits(n: int, m: int) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Bits (n, m), 0 or 1, and their classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % N_CLASSES
    chance = (DENSITY + CONTRAST * rng.standard_normal((N_CLASSES, m))).astype(np.float32)
    bits = np.empty((n, m), dtype=np.uint8)
    for start in range(0, n, BATCH):
        for row in range(start, min(start + BATCH, n)):
            bits[row] = rng.random(m, dtype=np.float32) < chance[labels[row]]
    return bits, labels


def projection_job(n: int, m: int, k: int) -> Callable[[], Any]:
    """Project n rows, batch after batch; the batches are the same rows, which costs the same."""
    from lightprobe.optics import OpticalFeatures

    bits, _ = toy_bits(min(n, BATCH), m)
    optics = OpticalFeatures(k, random_state=0, device="cpu").fit(bits)
    optics.transform(bits[:2])  # loads what was compiled

    def project() -> None:
        for start in range(0, n, BATCH):
            optics.transform(bits[: min(BATCH, n - start)])

    return project


def exact_job(n: int, m: int) -> Callable[[], Any]:
    """Fit the exact kernel."""
    return _fit_job(n, m, components="exact")


def primal_job(n: int, m: int, k: int) -> Callable[[], Any]:
    """Fit k random features, made again at each reading."""
    from lightprobe.ridge import primal_bytes

    return _fit_job(n, m, components=k, max_memory=primal_bytes(k))


def _fit_job(n: int, m: int, **options: Any) -> Callable[[], Any]:
    from lightprobe.head import OpticalRidge

    bits, labels = toy_bits(n, m)
    few = slice(2 * N_CLASSES)  # loads what was compiled, and wakes the thread pools
    OpticalRidge(components=8, device="cpu").fit(bits[few], labels[few])
    head = OpticalRidge(alpha=ALPHA, random_state=0, device="cpu", **options)
    return lambda: head.fit(bits, labels)


JOBS: dict[str, Callable[..., Callable[[], Any]]] = {
    "projection": projection_job,
    "exact": exact_job,
    "primal": primal_job,
}


def measure(job: str, sizes: Sizes) -> dict[str, float]:
    """Seconds and added memory of one point; runs in a process of its own."""
    run = JOBS[job](**sizes)
    before = _high_water_mb()
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) + min(seconds, default=0) < ENOUGH_SECONDS:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1:
            memory = _high_water_mb() - before
    return {"seconds": min(seconds), "memory_mb": max(memory, 1.0)}  # for its logarithm


def _high_water_mb() -> float:
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return float(info.peak_wset) / 1e6
    import resource

    kilobytes = 1 if sys.platform == "darwin" else 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes / 1e6


def points(sweeps: dict[str, Sweep]) -> list[dict[str, Any]]:
    """Measure every point of every sweep; one that stands in two sweeps is measured once."""
    rows: list[dict[str, Any]] = []
    known: dict[str, dict[str, float]] = {}
    for job, sweep in sweeps.items():
        for axis, values in sweep.items():
            for value in values:
                sizes = HELD[job] | {axis: value}
                point = f"{job} {sizes}"
                if point not in known:
                    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                        known[point] = process.submit(measure, job, sizes).result()
                rows.append({"job": job, "axis": axis, **sizes, **known[point]})
                print(rows[-1], file=sys.stderr)
    return rows


def along(rows: list[dict[str, Any]], job: str, axis: str, quantity: str) -> tuple[list[float], list[float]]:
    """Pick one sweep: the values along the axis, and what was measured there."""
    chosen = [row for row in rows if row["job"] == job and row["axis"] == axis]
    return [row[axis] for row in chosen], [row[quantity] for row in chosen]


def all_lines(rows: list[dict[str, Any]]) -> Lines:
    """Fit a line to every sweep."""
    return {
        job: {axis: {q: fit_line(*along(rows, job, axis, q)) for q in UNITS} for axis in sweep}
        for job, sweep in SWEEPS.items()
    }


def on_paper(rows: list[dict[str, Any]], lines: Lines) -> list[dict[str, Any]]:
    """Seconds and MB for a million photos and a billion: by the fitted line, and by theory's slope.

    The latter runs through the largest n measured. The job with k features is also carried to 16,384 of them,
    by its slope along k, or 2 as the count of operations and bytes has it.
    """
    found = []
    for job, theory in THEORY.items():
        widths = [HELD[job].get("k")] + [PAPER_COMPONENTS] * (job == "primal")
        for k in widths:
            for n in PAPER_PHOTOS:
                row: dict[str, Any] = {"job": job, "n": n, "m": HELD[job]["m"], "k": k}
                for quantity, slope in theory.items():
                    sizes, values = along(rows, job, "n", quantity)
                    fitted = lines[job]["n"][quantity].at(n)
                    counted = values[-1] * (n / sizes[-1]) ** slope
                    if k is not None and k != HELD[job]["k"]:
                        wider = k / HELD[job]["k"]
                        fitted *= wider ** lines[job]["k"][quantity].exponent
                        counted *= wider**2
                    row[quantity] = {"fitted": fitted, "counted": counted}
                found.append(row)
    return found


def draw(rows: list[dict[str, Any]], lines: Lines, target: Path) -> None:
    """Draw every sweep, its line and its exponent, time above and memory below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    names = {"n": "photos, n", "m": "bits, m", "k": "features, k"}
    figure, panels = plt.subplots(2, 3, figsize=(11, 6.4), sharex="col", sharey="row", layout="constrained")
    for (quantity, unit), across in zip(UNITS.items(), panels, strict=True):
        for axis, panel in zip(names, across, strict=True):
            for colour, job in enumerate(lines):
                if axis not in lines[job]:
                    continue
                x, y = along(rows, job, axis, quantity)
                line = lines[job][axis][quantity]
                panel.plot(x, y, "o", color=f"C{colour}", markersize=5)
                panel.plot(x, [line.at(value) for value in x], color=f"C{colour}", label=job)
                panel.text(
                    0.03,
                    0.96 - 0.08 * colour,
                    f"{line.exponent:.2f} ± {line.error:.2f}",
                    transform=panel.transAxes,
                    va="top",
                    fontsize=8,
                    color=f"C{colour}",
                )
            panel.set(xscale="log", yscale="log")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.yaxis.set_minor_formatter(NullFormatter())
            panel.margins(y=0.25)
            panel.grid(alpha=0.25)
            if quantity == "memory_mb":
                panel.set_xlabel(names[axis])
        across[0].set_ylabel(unit)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(target, dpi=110)
    plt.close(figure)


def table(result: dict[str, Any]) -> str:
    """Say the points, the exponents and the figures on paper."""
    out = [f"{'job':12}{'n':>8}{'m':>9}{'k':>9}{'seconds':>10}{'MB':>9}"]
    out += [
        f"{row['job']:12}{row['n']:8}{row['m']:9}{row.get('k', ''):>9}"
        f"{row['seconds']:10.3f}{row['memory_mb']:9.0f}"
        for row in result["rows"]
    ]
    out += ["", "exponents (± standard error)   time            memory"]
    for job, axes in result["exponents"].items():
        for axis, of in axes.items():
            slopes = [f"{of[q]['exponent']:6.2f} ± {of[q]['error']:.2f}" for q in UNITS]
            out.append(f"{job:12} against {axis}         {'   '.join(slopes)}")
    out += ["", "on paper: by the fitted line | by operations and bytes, from the largest point"]
    for row in result["paper"]:
        k = f", k = {row['k']}" if row["k"] else ""
        out.append(
            f"{row['job']:12} n = {row['n']:.0e}, m = {row['m']}{k}: "
            + ", ".join(
                f"{row[q]['fitted']:.2g} | {row[q]['counted']:.2g} {unit.split()[0]}"
                for q, unit in UNITS.items()
            )
        )
    return "\n".join(out)


def main() -> None:
    """Measure, fit, and print the table or the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller points")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--figure", type=Path, help="draw the lines there")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="measure these only")
    parser.add_argument(
        "--others", type=Path, metavar="JSON", help="what --json printed before: the other jobs' points"
    )
    args = parser.parse_args()
    if set(args.jobs) < set(JOBS) and args.others is None:
        parser.error("--jobs needs --others for the other jobs' points")
    start = time.perf_counter()
    sweeps = QUICK if args.quick else SWEEPS
    rows = points({job: sweeps[job] for job in args.jobs})
    if args.others:
        earlier = json.loads(args.others.read_text(encoding="utf-8"))["rows"]
        rows = [row for row in earlier if row["job"] not in args.jobs] + rows
    lines = all_lines(rows)
    if args.figure:
        draw(rows, lines, args.figure)
    result = {
        "rows": rows,
        "exponents": {
            job: {axis: {q: line._asdict() for q, line in of.items()} for axis, of in axes.items()}
            for job, axes in lines.items()
        },
        "paper": on_paper(rows, lines),
        "wall_seconds": time.perf_counter() - start,
    }
    print(json.dumps(result) if args.json else table(result))


if __name__ == "__main__":
    main()
