"""Features on disk, keyed by everything that changes them.

A *store* holds one kind of features: one network, weights, cut, pooling, image size, precision and engine.
Inside it, rows are keyed by the bytes of the image they came from, so a file that is edited, renamed or
copied to another folder always gets the right row. Rows lie in shards: immutable files, each written under
a temporary name and then renamed. A process that dies loses the shard it was filling and nothing else, and
processes that work at the same time cannot damage each other's shards. Each shard has checksums: one that is
damaged is deleted, and its rows are computed again.
"""

import hashlib
import json
import logging
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.checked_tensors import DamagedFileError, open_tensors, write_tensors
from lightprobe.paths import cache_folder

logger = logging.getLogger(__name__)

DIGEST_BYTES = 20
# Raised whenever the way from pixels to features changes, so that older rows are not taken for newer ones.
FEATURES_VERSION = 4


def image_digest(content: bytes | NDArray[np.uint8]) -> bytes:
    """Digest of an image's bytes; of shape and pixels for an array."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    if isinstance(content, bytes):
        digest.update(content)
    else:
        digest.update(f"pixels {content.shape}".encode())
        digest.update(np.ascontiguousarray(content).data)
    return digest.digest()


def as_table(digests: Sequence[bytes]) -> NDArray[np.uint8]:
    """Digests as rows of bytes, shape (n, DIGEST_BYTES)."""
    return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), DIGEST_BYTES)


class FeatureStore:
    """Rows of one kind of features, by image digest.

    Parameters
    ----------
    folder : Path
        Where the shards lie; made at the first `append`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[bytes, tuple[Path, int]] = {}
        self._seconds: dict[Path, float] = {}
        self._open = lru_cache(maxsize=4)(_read_features)
        self._lock = threading.Lock()
        for shard in _shards(folder):
            self._index(shard)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, digest: bytes) -> NDArray[np.float16] | None:
        """Features of the image with this digest, shape (n_features,).

        None if there are none, or the shard that holds them is damaged, which then is no part of this store
        any more.
        """
        place = self._rows.get(digest)
        if place is None:
            return None
        shard, position = place
        try:
            with self._lock:  # so that of many threads one reads a shard, not all
                features: NDArray[np.float16] = self._open(shard)[position]
        except FileNotFoundError:
            self._drop(shard)  # another process emptied the cache
            return None
        except (DamagedFileError, IndexError) as error:
            self._drop(shard, error)
            return None
        return features

    def seconds(self, digest: bytes) -> float:
        """Seconds that this row cost when it was computed."""
        return self._seconds[self._rows[digest][0]]

    def append(self, digests: Sequence[bytes], features: NDArray[np.float16], seconds: float) -> None:
        """Store rows for good; `seconds` is what an image cost on average.

        Raises
        ------
        OSError
            If the disk is full or the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        shard = self.folder / f"{uuid.uuid4().hex}.safetensors"
        tensors: dict[str, NDArray[Any]] = {"digests": as_table(digests), "features": features}
        write_tensors(shard, tensors, {"seconds": repr(seconds)})
        self._remember(shard, digests, seconds)

    def forget(self, digests: Collection[bytes]) -> int:
        """Remove the rows of these images from the disk, and return how many there were.

        A shard that holds one is written again without it, and only then deleted. What no one can read, or
        a killed process left half written, may hold one too: it is deleted.
        """
        wanted, found = set(digests), 0
        for pattern in ("*.partial", ".*.safetensors"):  # as older versions called them, and this one
            for unfinished in self.folder.glob(pattern):
                unfinished.unlink(missing_ok=True)
        for shard in _shards(self.folder):
            try:
                with open_tensors(shard) as file:
                    listed = [row.tobytes() for row in file.tensor("digests")]
                    kept = [place for place, digest in enumerate(listed) if digest not in wanted]
                    if len(kept) == len(listed):
                        continue
                    features, seconds = file.tensor("features")[kept], float(file.metadata["seconds"])
            except (FileNotFoundError, DamagedFileError):
                shard.unlink(missing_ok=True)
                continue
            if kept:
                self.append([listed[place] for place in kept], features, seconds)
            shard.unlink()
            found += len(listed) - len(kept)
        self._rows = {digest: place for digest, place in self._rows.items() if digest not in wanted}
        return found

    def _index(self, shard: Path) -> None:
        try:
            with open_tensors(shard) as file:
                table = file.tensor("digests")
                seconds = float(file.metadata["seconds"])
        except FileNotFoundError:
            return  # another process emptied the cache
        except DamagedFileError as error:
            self._drop(shard, error)
            return
        self._remember(shard, [row.tobytes() for row in table], seconds)

    def _drop(self, shard: Path, damage: Exception | None = None) -> None:
        """Let a shard be no part of this store; a damaged one is deleted."""
        if damage is not None and shard.exists():
            logger.warning("%s is damaged (%s): what it held is computed again.", shard, damage)
            with suppress(OSError):
                shard.unlink()
        self._rows = {digest: place for digest, place in self._rows.items() if place[0] != shard}

    def _remember(self, shard: Path, digests: Sequence[bytes], seconds: float) -> None:
        self._seconds[shard] = seconds
        self._rows.update({digest: (shard, position) for position, digest in enumerate(digests)})


def _read_features(shard: Path) -> NDArray[np.float16]:
    with open_tensors(shard) as file:
        features: NDArray[np.float16] = file.tensor("features")
    return features


def _shards(folder: Path) -> list[Path]:
    """List the shards that are whole."""
    return sorted(shard for shard in folder.glob("*.safetensors") if not shard.name.startswith("."))


class FeatureCache:
    """All stores of a cache folder.

    Parameters
    ----------
    folder : Path, optional
        Root of the cache; `cache_folder()` without it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder()) / "features"

    def store(self, provenance: Mapping[str, object]) -> FeatureStore:
        """Open the store of the features that `provenance` (JSON values) describes."""
        described = json.dumps({**provenance, "features_version": FEATURES_VERSION}, sort_keys=True)
        key = hashlib.blake2b(described.encode(), digest_size=DIGEST_BYTES).hexdigest()
        return FeatureStore(self.folder / key)

    def forget(self, digests: Collection[bytes]) -> int:
        """Remove every row, of whatever kind, of these images; return how many there were."""
        return sum(FeatureStore(folder).forget(digests) for folder in sorted(self.folder.glob("*/")))
