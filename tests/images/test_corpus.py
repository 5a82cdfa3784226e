"""Image files of other projects' test suites and of every variant of each format: right, or rightly refused.

The files of others come from the package registry (see corpus_sources.py); corpus_verdicts.csv says for each
what `decode` must do: `shown`, `damaged`, `unsupported` or `too large` (any of several, where a clear word is
as good as the picture), and which independent decoder judges the pixels where it is shown. The judges are
imported only here and are no dependencies of the project; what installs them stands in corpus_judges.NEEDED.

    pytest -m "slow or network" tests/images/test_corpus.py
"""

import csv
import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.images.corpus_judges import JUDGES, NEEDED
from tests.images.corpus_made import Made, made_files, narrow_files
from tests.images.corpus_process import DecodingProcess, Outcome
from tests.images.corpus_sources import SOURCES, OfflineError, Source, read_files

from lightprobe.paths import cache_folder

# Read before the tests' own cache takes its place: what was fetched once serves every run.
FOLDER = cache_folder() / "corpus"

FULL_SCALE, REDUCED = 3.0, 6.0  # the largest mean difference, of 255

# Behind a judge's name: averages of four inks are no averages of light, so a reduced CMYK differs in print.
_FULL_SCALE_ALONE = " full"

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def decoding() -> Iterator[DecodingProcess]:
    process = DecodingProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def judges() -> None:
    for package in ("cv2", "imagecodecs", "tifffile", "pyvips", "av"):
        try:
            importlib.import_module(package)
        except ImportError:
            pytest.skip(f"the judges are not installed: {NEEDED}")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_file_of_another_projects_tests_is_shown_right_or_refused_rightly(
    source: Source, decoding: DecodingProcess, judges: None
) -> None:
    try:
        archive = source.fetched(FOLDER)
    except OfflineError:
        pytest.skip(f"offline: pip reaches no registry for {source.archive}, and it is not in {FOLDER}")
    rows = [row for row in _verdicts() if row["source"] == source.name]
    files = read_files(archive, {row["file"] for row in rows} | {_like(row["judge"]) for row in rows})
    assert rows
    fallen = []
    for row in rows:
        data = files[row["file"]]
        assert hashlib.sha256(data).hexdigest().startswith(row["sha256"]), row["file"]
        outcome = decoding.decode(data)
        if outcome[0] in row["verdict"].split("|") and outcome[0] == "shown" and row["judge"]:
            expected = _judged(row["judge"], data, files)
            alone = row["judge"].endswith(_FULL_SCALE_ALONE)
            words = _compared(data, outcome, expected, None if alone else decoding)
        else:
            words = _against(outcome, row["verdict"].split("|"))
        if words:
            fallen.append(f"{row['file']}: {words}")
    assert not fallen, "\n".join(fallen)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "tiff", "gif", "webp", "avif", "ppm", "other"])
def test_every_variant_of_a_format_is_shown_right_or_refused_rightly(
    kind: str, decoding: DecodingProcess
) -> None:
    files = [made for made in made_files() if made.name.startswith(f"{kind}/")]
    assert files
    fallen = [f"{made.name}: {words}" for made in files if (words := _fallen(made, decoding))]
    assert not fallen, "\n".join(fallen)


@pytest.mark.slow
def test_greys_that_fill_a_part_of_their_range_are_shown_with_contrast(decoding: DecodingProcess) -> None:
    fallen = []
    for made in narrow_files():
        verdict, got = decoding.decode(made.data)
        if verdict == "shown" and made.pixels is not None:
            assert isinstance(got, np.ndarray)
            shades, expected = got.ravel().astype(float), made.pixels.ravel().astype(float)
            scale, offset = np.polyfit(expected, shades, 1)
            unlike = np.abs(scale * expected + offset - shades).mean()
            if scale < 0.4 or unlike >= FULL_SCALE:
                fallen.append(
                    f"{made.name}: contrast {scale:.2f} of the right one, shades off by {unlike:.1f}"
                )
        elif verdict not in made.verdicts:
            fallen.append(f"{made.name}: {verdict} ({got})")
    assert not fallen, "\n".join(fallen)


def test_the_table_of_verdicts_names_known_sources_verdicts_and_judges() -> None:
    rows = _verdicts()
    assert {row["source"] for row in rows} == {source.name for source in SOURCES}
    for row in rows:
        assert set(row["verdict"].split("|")) <= {"shown", "damaged", "unsupported", "too large"}, row["file"]
        assert row["judge"].partition(" ")[0] in {"", "like", *JUDGES}, row["file"]
        assert "shown" in row["verdict"] or not row["judge"], row["file"]
    assert len({(row["source"], row["file"]) for row in rows}) == len(rows)


def _verdicts() -> list[dict[str, str]]:
    with Path(__file__).with_name("corpus_verdicts.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _like(judge: str) -> str:
    """Return the file that shows the same picture, if that is the judge."""
    word, _, name = judge.partition(" ")
    return name if word == "like" else ""


def _judged(judge: str, data: bytes, files: dict[str, bytes]) -> Pixels:
    if name := _like(judge):
        return JUDGES["opencv" if name.endswith(".bmp") else "vips"](files[name])
    decoder, *given = judge.removesuffix(_FULL_SCALE_ALONE).split(" ")
    return JUDGES[decoder](data, *given)


def _fallen(made: Made, decoding: DecodingProcess) -> str:
    outcome = decoding.decode(made.data)
    if outcome[0] == "shown" and "shown" in made.verdicts and made.pixels is not None:
        return _compared(made.data, outcome, made.pixels, decoding)
    return _against(outcome, made.verdicts)


def _against(outcome: Outcome, verdicts: frozenset[str] | list[str]) -> str:
    verdict, got = outcome
    said = f" ({got})" if isinstance(got, str) else ""
    return "" if verdict in verdicts else f"{verdict}{said}, not {' or '.join(sorted(verdicts))}"


def _compared(data: bytes, outcome: Outcome, expected: Pixels, decoding: DecodingProcess | None) -> str:
    """Say in what the pixels shown, at full and (by `decoding`) reduced scale, are not the expected ones."""
    got = outcome[1]
    assert isinstance(got, np.ndarray)
    if got.shape != expected.shape:
        return f"{got.shape}, not {expected.shape}"
    if (difference := _difference(got, expected)) >= FULL_SCALE:
        return f"mean difference {difference:.1f}"
    shorter = min(got.shape[:2])
    if decoding is None or not data.startswith(b"\xff\xd8") or shorter < 16:
        return ""
    need = shorter // 8
    verdict, reduced = decoding.decode(data, at_least=need)
    if not isinstance(reduced, np.ndarray):
        return f"{verdict} ({reduced}) at reduced scale"
    height, width = reduced.shape[:2]
    if min(height, width) < need:
        return f"{reduced.shape} at reduced scale, where {need} pixels were needed"
    # Each pixel stands for a square of the whole picture; the last ones reach over its edge.
    step = round(got.shape[0] / height)
    if (-(-got.shape[0] // step), -(-got.shape[1] // step)) != (height, width):
        return f"{reduced.shape} at reduced scale, of {got.shape}"
    over = ((0, height * step - got.shape[0]), (0, width * step - got.shape[1]), (0, 0))
    squares = np.pad(expected, over, mode="edge").reshape(height, step, width, step, 3)
    if (difference := _difference(reduced, squares.mean((1, 3)))) >= REDUCED:
        return f"mean difference {difference:.1f} at reduced scale"
    return ""


def _difference(got: NDArray[np.generic], expected: NDArray[np.generic]) -> float:
    return float(np.abs(got.astype(np.float32) - expected.astype(np.float32)).mean())
