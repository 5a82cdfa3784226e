"""Features in a file, for people with a head of their own: `.npz` or `.parquet`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lightprobe._version import __version__
from lightprobe.atomic import whole_path
from lightprobe.backbones import DEFAULT, OneOrSeveral, Pool, Tap, backbones_for, of_each
from lightprobe.errors import MissingExtraError, OptionError
from lightprobe.features.extraction import Features, provenance
from lightprobe.features.multi_backbone import TapSet, extract_tap_sets, names_of
from lightprobe.features.runner import BackboneRunner, compile_each
from lightprobe.images import ImageSet, count_skipped
from lightprobe.runtime import Runtime


def check_table_name(path: Path) -> None:
    """Refuse a file name whose form is not known, or whose library is not installed, before work begins.

    Raises
    ------
    OptionError, MissingExtraError
    """
    if path.suffix not in WRITERS:
        raise OptionError(f"{path.name} must end in {' or '.join(WRITERS)}, which says how it is written.")
    if path.suffix == ".parquet":
        _pyarrow()


def extract_to_file(
    images: ImageSet,
    path: Path,
    runtime: Runtime,
    *,
    backbone: str | Sequence[str] = DEFAULT,
    weights: OneOrSeveral = None,
    cut: OneOrSeveral = None,
    looks: str | Sequence[str] | None = None,
    pools: Sequence[Pool] = ("avg",),
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Look at every photo once a network and look, and write what layers, pooled in several ways, return.

    Parameters
    ----------
    images, path
        As for `write_features`.
    runtime : Runtime
    cut : str or list of str, optional
        Of one network any number of layers, which come from one pass; of several one each. The last
        convolutional one without it.
    pools : sequence of {"avg", "flatten"}
    backbone, weights, looks, image_size, mean, std
        As for `ImageClassifier`.

    Returns
    -------
    summary : dict
        As of `write_features`.
    """
    check_table_name(path)
    single = len(of_each("backbone", backbone, None)) == 1
    networks = backbones_for(
        runtime,
        backbone,
        weights=weights,
        cut=None if single else cut,
        looks=looks,
        image_size=image_size,
        mean=mean,
        std=std,
    )
    layers = [[network.cut] for network in networks]
    if single and cut is not None:
        asked = [str(name) for name in of_each("cut", cut, None)]
        depth = [end.name for end in networks[0].cuts]
        for name in asked:
            networks[0].find_cut(name)
        networks = [network.at(max(asked, key=depth.index)) for network in networks]
        layers = [asked for _ in networks]
    taps = [[Tap(name, pool) for name in some for pool in pools] for some in layers]
    compiled = [runner for runner, _ in compile_each(images, networks, taps, runtime)]
    names = names_of(networks)
    tap_sets = [TapSet((tap,), (i,), (names[i],)) for i, some in enumerate(taps) for tap in some]
    return write_features(path, images, extract_tap_sets(images, compiled, tap_sets, runtime), compiled)


def write_features(
    path: Path, images: ImageSet, features: Features[TapSet], compiled: Sequence[BackboneRunner]
) -> dict[str, Any]:
    """Write features with what they belong to.

    Parameters
    ----------
    path : Path
        `.npz`: arrays `paths`, `labels` (class names), `splits`, `classes`, one `features CUT POOL` a tap
        (of several networks or looks `features NETWORK LOOK:CUT POOL`), float16 (n, n_features), and
        `provenance`, JSON text; nothing is pickled. `.parquet`: a row a photo, columns `path`, `label`,
        `split` and a list column a tap, named alike, provenance and classes in the metadata under
        `lightprobe`.
    images : ImageSet
        The photos that were looked at.
    features : Features
        What was seen, each tap by itself.
    compiled : sequence of BackboneRunner
        What saw it.

    Returns
    -------
    summary : dict
        JSON values: file, photos, skipped, and the shape of each matrix.
    """
    check_table_name(path)
    kept = images.select(features.kept)
    matrices = {f"features {seen.cut} {seen.pool}": matrix for seen, matrix in features.matrices.items()}
    configs = [runner.backbone.to_config() for runner in compiled]
    origin = {
        "lightprobe": __version__,
        "backbone": configs[0] if len(configs) == 1 else configs,
        "taps": [provenance(compiled[seen.places[0]], seen.taps[0]) for seen in features.matrices],
        "classes": list(kept.classes),
    }
    columns = {
        "paths": np.array(kept.paths),
        "labels": np.array(kept.classes)[kept.labels],
        "splits": kept.splits,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_path(path) as partial:
        WRITERS[path.suffix](partial, columns, matrices, origin)
    return {
        "file": str(path),
        "n": len(kept),
        "n_skipped": count_skipped(features.skipped + images.skipped),
        "classes": list(kept.classes),
        "features": {name: list(matrix.shape) for name, matrix in matrices.items()},
        "seconds": features.seconds,
    }


def _write_npz(
    path: Path, columns: Mapping[str, Any], matrices: Mapping[str, Any], origin: Mapping[str, Any]
) -> None:
    described = {"classes": np.array(origin["classes"]), "provenance": np.array(json.dumps(origin))}
    np.savez(path, allow_pickle=False, **columns, **described, **matrices)


def _write_parquet(
    path: Path, columns: Mapping[str, Any], matrices: Mapping[str, Any], origin: Mapping[str, Any]
) -> None:
    arrow, parquet = _pyarrow()
    # Parquet's text is UTF-8: a name that is none is written by its escapes.
    data = {
        name.removesuffix("s"): arrow.array(
            [text.encode("utf-8", "backslashreplace").decode() for text in values]
        )
        for name, values in columns.items()
    }
    for name, matrix in matrices.items():
        flat = arrow.array(np.ascontiguousarray(matrix, np.float32).reshape(-1))
        data[name] = arrow.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
    table = arrow.table(data).replace_schema_metadata({"lightprobe": json.dumps(origin)})
    parquet.write_table(table, path)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "Writing .parquet") from None
    return pyarrow, pyarrow.parquet


WRITERS: Final[Mapping[str, Callable[..., None]]] = {".npz": _write_npz, ".parquet": _write_parquet}
