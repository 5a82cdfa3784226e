"""Photos read and decoded in threads, a bounded number of them ahead of whoever uses them."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lightprobe.cpus import available_cpus
from lightprobe.errors import ImageError
from lightprobe.images.imageset import ImageSet

T = TypeVar("T")


def decode_ahead(
    images: ImageSet,
    prepare: Callable[[int, bytes | NDArray[np.uint8]], T],
    *,
    ahead: int,
    workers: int | None = None,
) -> Iterator[tuple[int, T | ImageError]]:
    """Yield each photo's index and what became of it, in the order of the photos.

    Parameters
    ----------
    images : ImageSet
    prepare : callable
        From a photo's index and content to what is wanted of it; called in the threads, may raise ImageError.
    ahead : int
        Photos that may be ready before they are asked for.
    workers : int, optional
        Threads; half the cores without it.

    Yields
    ------
    (int, T or ImageError)
        What `prepare` returned, or why there is nothing.
    """

    def work(index: int) -> T | ImageError:
        try:
            return prepare(index, images.read(index))
        except ImageError as error:
            return error
        except OSError as error:
            return ImageError(f"cannot be read: {error.strerror or error}")

    waiting: deque[Future[T | ImageError]] = deque()
    executor = ThreadPoolExecutor(workers or default_workers(), "lightprobe-decode", _one_core_each)
    try:
        for index in range(len(images)):
            waiting.append(executor.submit(work, index))
            if len(waiting) > ahead:
                yield index - ahead, waiting.popleft().result()
        for index in range(len(images) - len(waiting), len(images)):
            yield index, waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def default_workers() -> int:
    """Count the decoding threads where no number is given: half the CPUs that this process may use."""
    return max(1, available_cpus() // 2)


def _one_core_each() -> None:
    """Keep torch, where a dataset's transforms compute with it, from starting threads in each of these."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
