import numpy as np
import pytest
from tests.images.toy_photos import encoded, pixels

from lightprobe.errors import ImageError
from lightprobe.images import isolated


def test_a_helper_that_crashes_costs_one_image() -> None:
    pool = isolated._Pool()
    data = encoded(pixels(), "TIFF")
    assert np.array_equal(pool.decode(data, "TIFF", 10**6)[0], pixels())
    helper = pool._idle[0]
    helper._process.kill()
    helper._process.wait()
    with pytest.raises(ImageError, match="damaged TIFF: its decoder crashed"):
        pool.decode(data, "TIFF", 10**6)
    assert np.array_equal(pool.decode(data, "TIFF", 10**6)[0], pixels())
    pool.close()


def test_a_helper_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = isolated._Pool()
    helper = pool._take()
    monkeypatch.setattr(isolated, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(isolated._CrashedError):
        # It is told that more bytes follow than do, and waits for them.
        helper._process.stdin.write(isolated._REQUEST.pack(10**6, 1, b"TIFF"))  # type: ignore[union-attr]
        helper.decode(b"", "TIFF", 10**6)
    helper.close()
