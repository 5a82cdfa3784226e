"""Answers in the order of the photos, though batches finish out of order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from lightprobe.answers import Prediction
from lightprobe.features import Chunk


def in_order(
    paths: Sequence[str], chunks: Iterable[Chunk], answer: Callable[[Chunk], Iterable[Prediction]]
) -> Iterator[Prediction]:
    """Yield one answer a photo, in the order of `paths`; only those that wait for an earlier one are held.

    Parameters
    ----------
    paths : sequence of str
        Names of the photos.
    chunks : iterable of Chunk
        Every photo in exactly one of them, in any order; a photo that failed is answered with its error.
    answer : callable
        From a chunk with features to one answer a row; the path is filled in here.
    """
    ready: dict[int, Prediction] = {}
    position = 0
    for chunk in chunks:
        for index, reason in chunk.failed.items():
            ready[index] = Prediction(paths[index], error=reason)
        if chunk.features:
            for index, prediction in zip(chunk.indices.tolist(), answer(chunk), strict=True):
                ready[index] = replace(prediction, path=paths[index])
        while position in ready:
            yield ready.pop(position)
            position += 1
