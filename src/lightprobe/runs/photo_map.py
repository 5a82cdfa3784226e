"""A map of a run's photos and heat maps of its surest mistakes: what a report can be explored by.

Photos that the network sees alike lie side by side on the map: t-SNE (van der Maaten and Hinton 2008) of the
features that the head takes, or their first two principal components where there is no time for that. It
holds every mistake and the rest by class, `MOST` photos at most, each with a small picture where time was
left for one. `RUN/artifacts/map.json` has the places, `tiles.jpg` the
pictures side by side, and `heat/` the heat maps. All of it takes a tenth of the run's seconds or
`LEAST_SECONDS`, whichever is more: where time runs out, there are fewer photos, pictures and heat maps, the
mistakes first.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lightprobe.atomic import write_whole
from lightprobe.errors import DataError, ImageError
from lightprobe.images import ImageSet, decode, decode_ahead
from lightprobe.json_text import to_json
from lightprobe.look import heat_maps
from lightprobe.photo_model import PhotoModel
from lightprobe.runs.artifacts import ARTIFACTS, LEFT_OUT, TEST, Answer, surest_mistakes, thumbnail_path
from lightprobe.runtime import Runtime

logger = logging.getLogger(__name__)

MAP, TILES, HEAT = "map.json", "tiles.jpg", "heat"
MOST: Final = 2000  # photos
SHARE, LEAST_SECONDS = 0.1, 5.0
PLACED_BY, HEATED_BY = 0.5, 0.7  # shares of the time after which the next step begins
SIDE, FEW_SIDE, FEW = 72, 128, 500  # pixels of a picture, and those of few photos
QUALITIES: Final = (72, 50, 30)
MOST_BYTES: Final = 3_000_000  # of all pictures: a report shows them and stays below 10 MB
COLUMNS: Final = 4096  # features of a photo, of more some are drawn
COMPONENTS: Final = 50  # t-SNE takes principal components, as is customary
PILOT: Final = 200  # photos placed first, which tells what the others will take
BY_TSNE, BY_COMPONENTS = "t-SNE", "principal components"
FEWEST: Final = 16  # photos; fewer lie by principal components
PERPLEXITY: Final = 30.0
ITERATIONS: Final = (250, 400, 1000)  # the least that there can be, enough, and the most
POWER_ITERATIONS: Final = 2  # of the randomised principal components; exactness is not needed here


@dataclass(frozen=True, eq=False)
class PhotoMap:
    """Where photos lie, and their pictures.

    Attributes
    ----------
    photos : ndarray of int, shape (n,)
        Places in the run's answers.
    places : ndarray, shape (n, 2)
        Between 0 and 1.
    by : str
        "t-SNE" or "principal components".
    tiles : bytes
        A JPEG of pictures, row by row; those of the first photos.
    n_tiles, columns, side : int
        How many pictures there are, how many stand in a row, and pixels of each.
    """

    photos: NDArray[np.intp]
    places: NDArray[np.float64]
    by: str
    tiles: bytes = b""
    n_tiles: int = 0
    columns: int = 1
    side: int = SIDE


def choose_photos(answers: Sequence[Answer], most: int = MOST) -> NDArray[np.intp]:
    """Choose the photos to show: all mistakes, the surest first, then the others by turns from each class.

    Of more mistakes than there is room for, by turns from each pair of classes.
    """
    sure = sorted(range(len(answers)), key=lambda i: -answers[i].probability)
    wrong = [i for i in sure if not answers[i].right]
    right = [i for i in sorted(sure, key=lambda i: _stirred(i)) if answers[i].right]
    if len(wrong) > most:
        wrong = _by_turns(wrong, lambda i: (answers[i].label, answers[i].answer))
    chosen = [*wrong, *_by_turns(right, lambda i: answers[i].label)][:most]
    return np.array(chosen, dtype=np.intp)


def _stirred(index: int) -> int:
    """Return a number that follows no order of photos: nearly all share it with none below 2³²."""
    return index * 2654435769 % 2**32


def _by_turns(indices: Sequence[int], key: Callable[[int], Any]) -> list[int]:
    turns: dict[Any, int] = {}
    ranks = []
    for index in indices:
        group = key(index)
        turns[group] = turns.get(group, -1) + 1
        ranks.append(turns[group])
    return [indices[place] for place in np.argsort(ranks, kind="stable")]


def place_photos(
    rows: NDArray[Any], seconds: float, random_state: int = 0, clock: Callable[[], float] = time.perf_counter
) -> tuple[NDArray[np.float64], str]:
    """Lay photos out so that those of like features lie side by side, in about so many seconds.

    Parameters
    ----------
    rows : ndarray, shape (n, m)
        Features, the most important photos first.
    seconds : float
        Where they do not suffice for t-SNE of all photos, up to half of them are left out, the last ones;
        where they do not suffice for that, all lie by their principal components.

    Returns
    -------
    ndarray, shape (n or less, 2)
        Between 0 and 1.
    str
        "t-SNE" or "principal components".
    """
    from sklearn.decomposition import PCA

    begun, n = clock(), len(rows)
    if rows.shape[1] > COLUMNS:
        drawn = np.random.default_rng(random_state).choice(rows.shape[1], COLUMNS, replace=False)
        rows = rows[:, np.sort(drawn)]
    X = rows.astype(np.float32)
    X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    kept = min(COMPONENTS, *X.shape)
    if n < FEWEST or kept < 2 or not np.ptp(X, axis=0).any():
        centred = X - X.mean(axis=0) if n else X
        U, lengths, _ = np.linalg.svd(centred, full_matrices=False)
        flat = np.zeros((n, 2))
        flat[:, : min(2, kept)] = (U * lengths)[:, :2]
        return _within_unit(flat), BY_COMPONENTS
    X = PCA(
        kept, svd_solver="randomized", iterated_power=POWER_ITERATIONS, random_state=random_state
    ).fit_transform(X)
    before = clock()
    _tsne(X[:PILOT], ITERATIONS[0], random_state)
    # Seconds grow a little faster than photos, and those of few photos are overhead in part.
    each = (clock() - before) / min(PILOT, n) / ITERATIONS[0]
    left = seconds - (clock() - begun)
    fitting = int(min(float(n), left / (each * ITERATIONS[1])))
    if fitting < n / 2:
        return _within_unit(X[:, :2]), BY_COMPONENTS
    iterations = int(min(ITERATIONS[2], left / (each * fitting)))
    return _within_unit(_tsne(X[:fitting], iterations, random_state)), BY_TSNE


def _tsne(X: NDArray[Any], iterations: int, random_state: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(X) - 1) / 3)
    # "pca" would be taken of X anew, which holds its principal components already.
    start = X[:, :2] / max(float(np.std(X[:, 0])), np.finfo(np.float32).tiny) * 1e-4
    placed: NDArray[np.float64] = TSNE(
        perplexity=perplexity, init=start, max_iter=iterations, random_state=random_state
    ).fit_transform(X)
    return placed


def _within_unit(places: NDArray[Any]) -> NDArray[np.float64]:
    places = places - places.min(axis=0) if len(places) else places
    scaled: NDArray[np.float64] = places / np.maximum(places.max(axis=0, initial=0.0), 1e-12)
    return scaled


def write_photo_map(
    run: Path,
    images: ImageSet,
    answers: Sequence[Answer],
    rows: Mapping[str, NDArray[Any]],
    model: PhotoModel,
    runtime: Runtime,
    seconds: float,
) -> None:
    """Write a run's map and heat maps into its artifacts; what goes wrong costs no more than the map.

    Parameters
    ----------
    images : ImageSet
        The photos that the answers speak of, and any others.
    answers : sequence of Answer
        As the run keeps them.
    rows : mapping of str to ndarray
        Of each split, features of the photos that its answers speak of, in their order; a split whose
        features are not at hand is left out.
    seconds : float
        What the run took.
    """
    budget = max(LEAST_SECONDS, SHARE * seconds)
    begun = time.perf_counter()
    try:
        _write_heat_maps_and_map(run, images, answers, rows, model, runtime, begun, budget)
    except Exception:  # whatever it is, the run is worth more than its map
        logger.warning("The map of photos is left out: it could not be made.", exc_info=True)
        return
    logger.info("The map of photos took %.1f s of %.1f.", time.perf_counter() - begun, budget)


def _write_heat_maps_and_map(
    run: Path,
    images: ImageSet,
    answers: Sequence[Answer],
    rows: Mapping[str, NDArray[Any]],
    model: PhotoModel,
    runtime: Runtime,
    begun: float,
    budget: float,
) -> None:
    at_hand = [i for i, answer in enumerate(answers) if answer.split in rows]
    within = {split: iter(range(len(of_split))) for split, of_split in rows.items()}
    row_of = {i: next(within[answers[i].split]) for i in at_hand}
    chosen = np.array(at_hand, dtype=np.intp)[choose_photos([answers[i] for i in at_hand])]
    if len(chosen):
        stacked = np.stack([rows[answers[i].split][row_of[i]] for i in chosen])
        places, by = place_photos(stacked, PLACED_BY * budget, runtime.seed)
    else:
        places, by = np.empty((0, 2)), BY_COMPONENTS
    positions = {path: index for index, path in enumerate(images.paths)}
    _write_heat_maps(run, images, positions, answers, model, runtime, begun + HEATED_BY * budget)
    shown = chosen[: len(places)]
    where = [positions[answers[i].path] for i in shown]
    side = FEW_SIDE if len(shown) <= FEW else SIDE
    tiles = list(_tiles(images.select(where), side, begun + budget)) if where else []
    columns = max(1, ceil(sqrt(len(tiles))))
    jpeg, n_tiles = _sheet(tiles, columns, side)
    folder = run / ARTIFACTS
    if jpeg:
        write_whole(folder / TILES, jpeg, durable=False)
    told = {
        "photos": shown.tolist(),
        "places": np.round(places, 4).tolist(),
        "by": by,
        "n_tiles": n_tiles,
        "columns": columns,
        "side": side,
    }
    write_whole(folder / MAP, (to_json(told) + "\n").encode(), durable=False)


def _write_heat_maps(
    run: Path,
    images: ImageSet,
    positions: Mapping[str, int],
    answers: Sequence[Answer],
    model: PhotoModel,
    runtime: Runtime,
    deadline: float,
) -> None:
    """Write heat maps of the surest mistakes until the time is over; of test photos, if there are any."""
    if time.perf_counter() > deadline:
        return
    split = TEST if any(answer.split == TEST for answer in answers) else LEFT_OUT
    mistakes = [
        answer
        for answer in surest_mistakes([a for a in answers if a.split == split])
        if answer.path in positions
    ]
    asked = [(positions[answer.path], model.classes.index(answer.answer)) for answer in mistakes]
    for place, jpeg in heat_maps(model, images, asked, replace(runtime, cache=False, progress=False)):
        path = heat_path(run, mistakes[place].path)
        path.parent.mkdir(exist_ok=True)
        write_whole(path, jpeg, durable=False)
        if time.perf_counter() > deadline:
            break


def heat_path(run: Path, photo: str) -> Path:
    """Where the heat map of a photo lies, if there is one."""
    return run / ARTIFACTS / HEAT / thumbnail_path(run, photo).name


def _tiles(images: ImageSet, side: int, deadline: float) -> Iterator[Image.Image]:
    """Yield a square picture of each photo until the time is over; grey where one cannot be read."""

    def square(_: int, content: bytes | NDArray[np.uint8]) -> Image.Image:
        pixels = decode(content, max_pixels=images.max_pixels, at_least=side)
        return ImageOps.fit(Image.fromarray(pixels), (side, side))

    with closing(decode_ahead(images, square, ahead=8)) as ready:  # type: ignore[type-var]
        for _, tile in ready:
            yield Image.new("RGB", (side, side), "grey") if isinstance(tile, ImageError) else tile
            if time.perf_counter() > deadline:
                break


def _sheet(tiles: Sequence[Image.Image], columns: int, side: int) -> tuple[bytes, int]:
    """Put pictures side by side in a JPEG of at most MOST_BYTES, and say how many there are in it."""
    n = len(tiles)
    while n:
        sheet = Image.new("RGB", (columns * side, ceil(n / columns) * side))
        for place, tile in enumerate(tiles[:n]):
            sheet.paste(tile, (place % columns * side, place // columns * side))
        for quality in QUALITIES:
            file = BytesIO()
            sheet.save(file, "JPEG", quality=quality)
            if file.tell() <= MOST_BYTES:
                return file.getvalue(), n
        n = n * 3 // 4
    return b"", 0


def read_photo_map(run: Path) -> PhotoMap | None:
    """Read a run's map; None if there is none.

    Raises
    ------
    DataError
        If it is damaged.
    """
    folder = run / ARTIFACTS
    if not (folder / MAP).is_file():
        return None
    try:
        told = json.loads((folder / MAP).read_text(encoding="utf-8"))
        tiles = (folder / TILES).read_bytes() if told["n_tiles"] else b""
        places = np.array(told["places"], dtype=float).reshape(-1, 2)
        photos = np.array(told["photos"], dtype=np.intp)
        if len(photos) != len(places):
            raise ValueError(f"{len(photos)} photos, {len(places)} places")
        return PhotoMap(photos, places, told["by"], tiles, told["n_tiles"], told["columns"], told["side"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / MAP} is damaged ({error}): delete it for a report without a map, or train again."
        ) from None
