"""Which photos are meant, a block at a time where the list of them may be endless."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from lightprobe.images import ImageSet, open_listed, open_unlabelled

STANDARD_INPUT = "-"
BLOCK = 4096  # listed photos that are held at a time


def photo_blocks(inputs: Sequence[str], listed: Iterable[bytes]) -> Iterator[ImageSet]:
    """Yield the photos of `inputs` in their order.

    Parameters
    ----------
    inputs : sequence of str
        Images, folders, zips, patterns; `-` stands for the photos of `listed`.
    listed : iterable of bytes
        One path a line, in the system's encoding. A path that is not there is a photo that cannot be read,
        not an error: a list of a million should not stop at one.

    Raises
    ------
    DataError
        If one of `inputs` does not exist or holds no images.
    """
    named: list[str] = []
    for item in inputs:
        if item != STANDARD_INPUT:
            named.append(item)
            continue
        if named:
            yield open_unlabelled(named)
            named = []
        lines = (os.fsdecode(line.rstrip(b"\r\n")) for line in listed)
        paths = (path for path in lines if path.strip())
        while block := list(islice(paths, BLOCK)):
            yield open_listed(block)
    if named:
        yield open_unlabelled(named)
