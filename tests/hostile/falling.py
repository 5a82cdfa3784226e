"""Cases that fall in known ways, to test what counts them."""

import os
import signal
from pathlib import Path

import numpy as np


def case(number: int, _random: np.random.Generator, _folder: Path) -> str:
    """Die at 6, raise at 8, hold otherwise."""
    if number == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 8:
        raise ValueError("made up")
    return ""
