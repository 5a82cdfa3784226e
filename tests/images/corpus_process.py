"""`decode` in a process of its own: a file that ends an interpreter costs that file and is named."""

import pickle
import subprocess
import sys
from pathlib import Path
from threading import Timer

import numpy as np
from numpy.typing import NDArray

# "shown" and the pixels; "damaged", "unsupported" or "too large" and the reason; or "fell" and how.
Outcome = tuple[str, NDArray[np.uint8] | str]

_PATIENCE_SECONDS = 60.0


class DecodingProcess:
    """Asks `decode` in another process, which is started again when a file has ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes, at_least: int | None = None) -> Outcome:
        """Return what decoding came to; an exception that is no ImageError, or a signal, is a fall."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve()"],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        watch = Timer(_PATIENCE_SECONDS, process.kill)
        watch.start()
        try:
            pickle.dump((data, at_least), process.stdin)
            process.stdin.flush()
            outcome: Outcome = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self._process = None
            return "fell", f"the process ended with {process.wait()}"
        finally:
            watch.cancel()
        return outcome

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def serve() -> None:
    """Answer until stdin ends."""
    import os

    from lightprobe.errors import ImageError
    from lightprobe.images.decoding import decode

    verdicts = {
        "DamagedImageError": "damaged",
        "UnsupportedImageError": "unsupported",
        "ImageTooLargeError": "too large",
    }

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        try:
            data, at_least = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        outcome: Outcome
        try:
            pixels = np.asarray(decode(data, at_least=at_least))
            outcome = "shown", pixels
        except ImageError as error:
            outcome = verdicts.get(type(error).__name__, "refused"), error.reason
        except Exception as error:
            outcome = "fell", repr(error)
        pickle.dump(outcome, answers)
        answers.flush()
