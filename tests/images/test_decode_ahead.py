"""Photos decoded ahead: in order, so many and no more, with the reason where there is none."""

import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.images.toy_photos import encoded, pixels

from lightprobe.errors import DamagedImageError, ImageError, UnsupportedImageError
from lightprobe.images import ImageSet, data_address, decode, decode_ahead, thumbnail


class Listed:
    """A source that gives what it holds, raises what is an error, and counts."""

    def __init__(self, contents: list[Any]) -> None:
        self.contents, self.read_so_far = contents, 0

    def read(self, index: int) -> bytes:
        self.read_so_far += 1
        content = self.contents[index]
        if isinstance(content, Exception):
            raise content
        assert isinstance(content, bytes)
        return content


def images_of(source: Listed) -> ImageSet:
    n = len(source.contents)
    return ImageSet.from_names([f"{i}.png" for i in range(n)], ["a"] * n, source)


def test_photos_come_in_their_order_whichever_is_ready_first() -> None:
    images = images_of(Listed([bytes([i]) for i in range(12)]))

    def slower_first(index: int, content: Any) -> bytes:
        time.sleep(0.002 * (12 - index))
        return bytes(content)

    found = list(decode_ahead(images, slower_first, ahead=5, workers=4))
    assert found == [(i, bytes([i])) for i in range(12)]


@pytest.mark.parametrize("ahead", [0, 3])
def test_no_more_are_read_than_may_wait(ahead: int) -> None:
    source = Listed([b"x"] * 20)
    stream = decode_ahead(images_of(source), lambda _, content: content, ahead=ahead, workers=2)
    next(stream)
    time.sleep(0.05)
    assert source.read_so_far == ahead + 1
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert source.read_so_far == ahead + 1, "whoever stops early leaves nothing running"


def test_what_cannot_be_read_or_decoded_keeps_its_place_with_its_reason() -> None:
    good = encoded(pixels(), "PNG")
    source = Listed([good, b"broken", OSError(5, "Input/output error"), UnsupportedImageError("odd"), good])
    found = dict(decode_ahead(images_of(source), lambda _, content: decode(content), ahead=2))
    assert np.array_equal(found[0], found[4])  # type: ignore[arg-type]
    errors = [found[i] for i in (1, 2, 3)]
    assert [type(error) for error in errors] == [DamagedImageError, ImageError, UnsupportedImageError]
    assert [str(error) for error in errors] == [
        "not an image of a known format",
        "cannot be read: Input/output error",
        "odd",
    ]


def test_a_fault_of_the_code_is_not_taken_for_a_bad_photo() -> None:
    def fails(_index: int, _content: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(decode_ahead(images_of(Listed([b"x"])), fails, ahead=1))


def test_a_thumbnail_is_the_photo_small_and_an_address_holds_it() -> None:
    large = np.zeros((600, 900, 3), np.uint8)
    large[:, 450:] = 255
    small = thumbnail(large, 90)
    with Image.open(BytesIO(small)) as image:
        assert (image.format, image.size) == ("JPEG", (90, 60))
        shown = np.asarray(image.convert("L"))
    assert shown[:, :40].max() < 20
    assert shown[:, 50:].min() > 235
    assert data_address(b"\xff\xd8") == "data:image/jpeg;base64,/9g="
