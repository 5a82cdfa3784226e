"""Small pictures of training photos, where the originals are still there."""

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Final

from lightprobe.errors import ImageError, LightprobeError
from lightprobe.features import image_digest
from lightprobe.images import ImageSet, data_address, open_images, thumbnail
from lightprobe.paths import cache_folder

logger = logging.getLogger(__name__)

SIDE: Final = 192  # pixels of a small picture's longer side: 96 on screens of double density
KEPT: Final = 2048  # small pictures, some 8 kB each
FACTS: Final = Path("artifacts", "run.json")  # in a run: says where its photos lay


class Album:
    """Finds a training photo by its name, and trusts it only if its bytes are those that were trained on.

    Parameters
    ----------
    photos : ImageSet or None
        The data that the model was trained on.
    """

    def __init__(self, photos: ImageSet | None = None) -> None:
        self._photos = photos
        self._places = {} if photos is None else {path: place for place, path in enumerate(photos.paths)}
        self._taught: dict[bytes, str] = {}
        self._found = lru_cache(KEPT)(self._find)

    def picture(self, name: str, digest: bytes) -> str | None:
        """Return a small picture as a data: address; None if the original is gone or has changed."""
        return self._taught.get(digest) or self._found(name, digest)

    def add(self, content: bytes) -> None:
        """Remember a photo that was taught and lies nowhere: its small picture, while the server runs."""
        self._taught[image_digest(content)] = _small(content)

    def _find(self, name: str, digest: bytes) -> str | None:
        if self._photos is None or name not in self._places:
            return None
        try:
            content = self._photos.read(self._places[name])
            if isinstance(content, bytes) and image_digest(content) == digest:
                return _small(content)
        except ImageError:
            return None
        return None


def _small(content: bytes) -> str:
    return data_address(thumbnail(content, SIDE))


def originals(model: Path, data: str | None) -> ImageSet | None:
    """Open the photos that a model was trained on.

    Parameters
    ----------
    model : Path
        Its folder.
    data : str or None
        Where they are; None looks where its run found them, and finds none if they are gone.

    Raises
    ------
    DataError
        If `data` is given and cannot be opened.
    """
    root = cache_folder() / "datasets"
    # Photos are found by name: whichever folder is the class, the names are the same.
    if data is not None:
        return open_images(data, root=root, classes="top")
    try:
        recorded = json.loads((model.parent / FACTS).read_text(encoding="utf-8"))["data"]
        return open_images(recorded, root=root, classes="top") if Path(recorded).exists() else None
    except (OSError, ValueError, KeyError, TypeError, LightprobeError) as error:
        logger.info("The training photos are not shown: %s", error)
        return None
