"""Photos on the web, from a server of this machine."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.images.toy_photos import write_photo

from lightprobe.errors import ImageError
from lightprobe.images import open_images, open_unlabelled
from lightprobe.images.urls import fetch, is_url

PHOTO = b"\x89PNG..."


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/gone.png" else 200)
        self.end_headers()
        if self.path == "/slow.png":
            for _ in range(20):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        elif self.path == "/large.png":
            self.wfile.write(bytes(300_000))
        else:
            self.wfile.write(PHOTO)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_photo_on_the_web_is_read_like_a_file(address: str, tmp_path: Path) -> None:
    file = write_photo(tmp_path / "1.png")
    assert open_unlabelled(f"{address}/1.png").read(0) == PHOTO
    images = open_unlabelled([file, f"{address}/1.png"])
    assert images.paths[1] == f"{address}/1.png"
    assert [images.read(0), images.read(1)] == [file.read_bytes(), PHOTO]
    assert open_images(([f"{address}/1.png", str(file)], ["a", "b"])).read(0) == PHOTO


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/gone.png", "cannot be fetched: 404"),
        ("/large.png", "larger than 0 MiB, and not fetched further"),
        ("/slow.png", "not there within 0 seconds"),
        ("/away", "cannot be fetched: .*file"),
    ],
)
def test_what_takes_too_long_or_too_much_or_leads_elsewhere_is_an_error(
    address: str, path: str, reason: str
) -> None:
    with pytest.raises(ImageError, match=reason):
        fetch(address + path, seconds=0.3, max_bytes=100_000)


def test_only_http_is_an_address() -> None:
    assert is_url("HTTPS://a.b/c.jpg")
    assert not any(map(is_url, ("file:///a.jpg", "ftp://a/b.jpg", "http.jpg", b"http://a")))
    with pytest.raises(ImageError, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/a.jpg", seconds=1)
