"""Locks between processes that write to the same place: a model, a table.

A lock is a file in the cache folder that is named after the place, so nothing is left beside what people
have. The system lets go of it when its process ends, however that comes. Processes with different cache
folders do not see each other's locks: what is replaced is compared before it is, too.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lightprobe.atomic import through_links
from lightprobe.errors import LockedError
from lightprobe.paths import cache_folder

logger = logging.getLogger(__name__)

PATIENCE: Final = 60.0  # seconds


@contextmanager
def locked(place: Path, patience: float | None = None) -> Iterator[None]:
    """Keep other processes and threads from writing to a place; the same thread may ask again.

    Parameters
    ----------
    place : Path
        A file or folder, there or not.
    patience : float, optional
        Seconds to wait for who writes there now; `PATIENCE` without it.

    Raises
    ------
    LockedError
        If that was not enough.
    """
    import filelock

    patience = PATIENCE if patience is None else patience
    file = _lock_file(place)
    if file is None:
        yield
        return
    lock = filelock.FileLock(file, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        logger.warning("Another lightprobe is writing to %s: waiting up to %g s for it.", place, patience)
        try:
            lock.acquire(timeout=patience)
        except filelock.Timeout:
            raise LockedError(
                f"Another lightprobe is still writing to {place} after {patience:g} s: wait until it is "
                "done, or name another place."
            ) from None
    try:
        yield
    finally:
        lock.release()


def _lock_file(place: Path) -> Path | None:
    """Name the lock of a place; None where the cache folder cannot be written."""
    name = hashlib.blake2b(os.fsencode(through_links(place)), digest_size=16).hexdigest()
    file = cache_folder() / "locks" / f"{name}.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError as error:
        logger.info("%s cannot be locked (%s): going on without.", place, error)
        return None
    return file
