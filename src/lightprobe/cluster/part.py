"""A part on disk: sums over some photos in one file, and what the network saw in each of them beside it.

`part-3.safetensors` holds sums, and names, classes and digests of the photos; `part-3.features.npy`, and
`part-3.features-1.npy`, … where several layers are compared, hold a row a photo in float16. Nothing is
pickled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from lightprobe.atomic import whole_path
from lightprobe.checked_tensors import DamagedFileError, open_tensors, write_tensors
from lightprobe.cluster.sharding import Shard
from lightprobe.errors import DataError, OptionError
from lightprobe.images import Skipped
from lightprobe.json_text import to_json

FORMAT: Final = "lightprobe part 1"
SUFFIX: Final = ".safetensors"
CHUNK: Final = 1 << 22  # bytes that are read at a time

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Part:
    """What a part says of itself; sums and features stay in their files until they are asked for.

    Attributes
    ----------
    path : Path
    fit : dict
        What parts must share: classes, candidates, networks, random features, seed.
    runs : list of dict
        What ran each network: engine, precision; agreement and bytes of weights beside them.
    parameters : dict
        Of `ImageClassifier`, as far as they say what is looked at and compared.
    site : str
        Whose photos they are; empty where nobody said.
    photos : str
        Digest of the list of photos, and of the site.
    n_listed, n_own : int
        Photos of that list, and those of them that are this part's, seen or skipped.
    shard : Shard
    names, groups : list of str
        Of the photos that were seen; no groups where there are none.
    skipped : tuple of Skipped
        The shard's photos that could not be decoded, and, in the first shard, what the listing left out.
    widths : list of int
        Features of each layer that is compared.
    features : list of str
        Checksum of each file of features; empty where there are none.
    seconds : dict of str to float
        What looking and summing took.
    label_kind : str
    """

    path: Path
    fit: dict[str, Any]
    runs: list[dict[str, Any]]
    parameters: dict[str, Any]
    site: str
    photos: str
    n_listed: int
    n_own: int
    shard: Shard
    names: list[str]
    groups: list[str] | None
    skipped: tuple[Skipped, ...]
    widths: list[int]
    features: list[str]
    seconds: dict[str, float]
    label_kind: str
    index: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Classes (n,) of the photos that were seen."""
        return self.index["labels"]

    @property
    def digests(self) -> NDArray[np.uint8]:
        """Digests (n, 20) of their bytes."""
        return self.index["digests"]

    @property
    def places(self) -> NDArray[np.int64]:
        """Places (n,) of these photos in their list."""
        return self.index["places"]

    def sums(self, candidate: int) -> Arrays:
        """Read the sums of one candidate, as `RidgeStatistics.to_arrays` has them."""
        try:
            with open_tensors(self.path) as file:
                prefix = f"{candidate}."
                names = [name for name in file.names if name.startswith(prefix)]
                return {name.removeprefix(prefix): file.tensor(name) for name in names}
        except (OSError, DamagedFileError) as error:
            raise damaged(self.path, error) from None

    def rows(self, tap_set: int) -> NDArray[np.float16]:
        """Map the features (n, m) of one layer."""
        path = features_path(self.path, tap_set)
        try:
            rows: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise damaged(path, error) from None
        return rows

    def check_features(self) -> None:
        """Raise DataError unless the files of features are those that were written with this part."""
        for tap_set, checksum in enumerate(self.features):
            path = features_path(self.path, tap_set)
            if not path.is_file():
                raise DataError(
                    f"{path} is missing, which lies beside {self.path.name} where it was made: leave-one-out "
                    "needs what was seen in each photo, so bring it, too."
                )
            if checksum_of(path) != checksum or self.rows(tap_set).shape != (len(self), self.widths[tap_set]):
                raise damaged(path, "its checksum is another")


def features_path(part: Path, tap_set: int) -> Path:
    """Where the features of a part lie."""
    return part.with_name(f"{part.name.removesuffix(SUFFIX)}.features{f'-{tap_set}' if tap_set else ''}.npy")


def check_place(path: Path) -> None:
    """Refuse, before work begins, a place where a part cannot be written, or where something else lies.

    Raises
    ------
    OptionError
    """
    if path.suffix != SUFFIX:
        raise OptionError(f"{path.name} must end in {SUFFIX}: the sums are written in that form.")
    if path.exists():
        try:
            read_part(path)
        except DataError:
            raise OptionError(
                f"{path} exists and is no part of sums: name another file with `out`."
            ) from None


def write_features(part: Path, matrices: Sequence[NDArray[np.float16]]) -> list[str]:
    """Write a part's features; return their checksums."""
    checksums = []
    part.parent.mkdir(parents=True, exist_ok=True)
    for tap_set, matrix in enumerate(matrices):
        path = features_path(part, tap_set)
        with whole_path(path) as partial, partial.open("wb") as file:
            np.save(file, matrix, allow_pickle=False)
        checksums.append(checksum_of(path))
    return checksums


def write_part(part: Part, index: Arrays, sums: Sequence[Arrays]) -> None:
    """Write a part's sums, candidate by candidate, and whose they are."""
    said = asdict(part) | {"path": None, "index": None, "shard": str(part.shard)}
    tensors = {f"{i}.{name}": array for i, arrays in enumerate(sums) for name, array in arrays.items()}
    described = np.frombuffer(to_json(said).encode(), np.uint8)  # safetensors' own header takes 100 MB
    part.path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(part.path, {**tensors, **index, "part": described}, {"format": FORMAT})


def read_part(path: Path) -> Part:
    """Read what a part says of itself, and its photos; sums and features when they are asked for.

    Raises
    ------
    DataError
        If it is no part, or damaged.
    """
    try:
        with open_tensors(path) as file:
            if file.metadata.get("format") != FORMAT:
                raise ValueError("it is no part of this version")
            said = json.loads(file.tensor("part").tobytes().decode())
            index = {name: file.tensor(name) for name in ("labels", "digests", "places")}
        said |= {
            "path": path,
            "index": index,
            "shard": Shard.parse(said["shard"]),
            "skipped": tuple(Skipped(**one) for one in said["skipped"]),
        }
        part = Part(**said)
        if {len(array) for array in index.values()} != {len(part.names)}:
            raise ValueError("lengths differ")
    except FileNotFoundError:
        raise DataError(f"{path} is not there: name the files that `sums` wrote.") from None
    except (OSError, DamagedFileError, OptionError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None
    return part


def damaged(path: Path, error: object) -> DataError:
    """Say that a file is not what was written."""
    return DataError(f"{path} is no whole file of sums ({error}): make it again with `lightprobe sums`.")


def checksum_of(path: Path) -> str:
    """Checksum of a file."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
