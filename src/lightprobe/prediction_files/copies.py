"""Photos copied or linked into folders by what was said of them; nothing that lies there is touched."""

import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from lightprobe.errors import ImageError, OptionError
from lightprobe.images import ImageSet
from lightprobe.photo_model import Prediction
from lightprobe.prediction_files.resumable import Answer

UNKNOWN = "unknown"
# What a name may not hold on some system, or would lead out of the folder.
_FOREIGN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


class Copies:
    """Copies photos into `folder/ANSWER/`, those that are unknown into `folder/unknown/`.

    A photo of a name that is taken gets another one (`1 (2).jpg`), unless it is the same to the byte: then it
    is there already. Photos without an answer are left where they are.

    Parameters
    ----------
    folder : Path
    link : bool
        Make symbolic links to the files; photos in zips are copied all the same.

    Raises
    ------
    OptionError
        If `folder` is a file.
    """

    def __init__(self, folder: Path, *, link: bool = False) -> None:
        if folder.exists() and not folder.is_dir():
            raise OptionError(f"{folder} is a file: name a folder with `copy_into`.")
        self._folder, self._link = folder, link

    def over(self, answer: Answer) -> Answer:
        """Return what answers as `answer` does, and copies each photo before its answer is passed on."""

        def copied(images: ImageSet) -> Iterator[Prediction]:
            for place, prediction in enumerate(answer(images)):
                if prediction.labels:
                    self._copy(images, place, prediction)
                yield prediction

        return copied

    def _copy(self, images: ImageSet, place: int, prediction: Prediction) -> None:
        label = UNKNOWN if prediction.unknown else prediction.labels[0]
        folder = self._folder.joinpath(*_safe_parts(label))
        folder.mkdir(parents=True, exist_ok=True)
        original = Path(prediction.path)
        try:
            content = images.read(place)
        except ImageError:  # gone since
            return
        if not isinstance(content, bytes):
            return
        for target in _names(folder, original.name):
            try:
                if self._link and original.is_file():
                    target.symlink_to(original.resolve())
                else:
                    with target.open("xb") as file:
                        file.write(content)
                    if original.is_file():
                        shutil.copystat(original, target)
                return
            except FileExistsError:
                if _is_same(target, content):
                    return


def _safe_parts(label: str) -> list[str]:
    """Return a class as folders; none of them leads elsewhere."""
    parts = [_FOREIGN.sub("_", part).strip() for part in label.split("/")]
    return [part if part.strip(".") else "_" * max(len(part), 1) for part in parts]


def _names(folder: Path, name: str) -> Iterator[Path]:
    """Yield a name in a folder, and then others: `1.jpg`, `1 (2).jpg`."""
    yield folder / name
    stem, suffix = Path(name).stem, Path(name).suffix
    yield from (folder / f"{stem} ({number}){suffix}" for number in count(2))


def _is_same(path: Path, content: bytes) -> bool:
    try:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False
