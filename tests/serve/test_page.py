"""The page as it is served: nothing in it leads off the machine, and uploads do not stay."""

import asyncio
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.serve.servers import Server

pytest.importorskip("gradio", reason="the extra web is not installed")

from lightprobe.serve import Album, PageActions, Service, add_page, create_app
from lightprobe.serve.page import _take_as_it_is, _take_only_uploads


@pytest.fixture
def server(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = tmp_path / "report.html"
    report.write_text("<title>How it went</title>", encoding="utf-8")
    app = create_app(service, allow_teaching=True, report=report)
    add_page(app, PageActions(service, Album()), service.limits, allow_teaching=True, report=report)
    server = Server(app)
    yield server
    server.close()


def test_the_page_stands_beside_the_rest_and_loads_nothing_from_elsewhere(
    server: Server, tmp_path: Path
) -> None:
    with urlopen(server.address + "/") as answer:
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "Is it disc, noise or stripes?" in page
    assert '"analytics_enabled":false' in page
    loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="([^"]*)"', page)
    assert loaded
    assert not [address for address in loaded if "//" in address]
    theme = server.ask("/theme.css")[1]
    assert "system-ui" in theme
    assert "@import" not in theme
    assert not re.findall(r"url\(.?https?:", theme)
    assert "How it went" in server.ask("/report")[1]
    assert server.ask("/healthz")[0] == 200
    assert "GRADIO_TEMP_DIR" not in os.environ
    assert len(list(tmp_path.glob("lightprobe-uploads-*"))) == 1


def test_a_photo_is_taken_as_it_was_uploaded_and_no_address_is_fetched() -> None:
    import gradio as gr
    from gradio.data_classes import ImageData

    photo = gr.Image(type="filepath", render=False)
    _take_as_it_is(photo)
    _take_only_uploads(photo)
    with pytest.raises(ValueError, match="upload the file"):
        asyncio.run(photo.async_move_resource_to_block_cache("http://127.0.0.1:1/photo.jpg"))
    assert photo.preprocess(ImageData(path="broken.heic")) == "broken.heic"
    assert photo.preprocess(None) is None
