"""Requests that no visitor sends."""

import json
import pickle
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from tests.hostile.serving import raw, server
from tests.hostile.toy_model import toys
from tests.toys import toy_image

SECRET = b"root:x:0"  # begins /etc/passwd
PATHS = (
    "/etc/passwd", "//etc/passwd", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc/passwd", "/report/../../etc/passwd", "/report?path=/etc/passwd",
    "/gradio_api/file=/etc/passwd", "/gradio_api/file=../../../../etc/passwd", "/file=/etc/passwd",
    "/gradio_api/file=http://127.0.0.1:1/x", "/gradio_api/proxy=http://127.0.0.1:1/x",
    "/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/assets/..%5c..%5cetc/passwd",
    "/theme.css/../../etc/passwd", "/custom_component/x/y/../../etc/passwd",
    "/gradio_api/stream/x/y/z/../../etc/passwd", "/svg/../../etc/passwd",
    "/gradio_api/upload_progress?upload_id=x", "/gradio_api/queue/data?session_hash=%00",
    "/" + "a" * 60_000, "/%00", "/%ff%fe", "/?" + "a=b&" * 10_000,
)  # fmt: skip
HEADERS = (
    "Origin: http://[", "Origin: http://evil.example", "Origin: null", "Host: evil.example", "Host: ",
    "Host: [::1", "Host: localhost\r\nHost: evil.example", "Content-Length: -1",
    "Content-Length: 99999999999999999999", "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked\r\nContent-Length: 3", "Cookie: " + "a=b; " * 3000, "X: " + "a" * 70_000,
    "Range: bytes=0-18446744073709551615", "Accept: " + "*/*," * 5000, "Upgrade: websocket",
    "Expect: 100-continue", "Content-Type: multipart/form-data", "If-None-Match: \x01",
    "Authorization: Bearer \xff",
)  # fmt: skip
METHODS = ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "HEAD", "FOO", "get", "\x16\x03\x01")


def case(number: int, _random: np.random.Generator, _folder: Path) -> str:
    """Send one; the server lives, tells nothing, and its model is the same."""
    _, service = server()
    before = service.facts, _files()
    name, content = requests()[number]
    answer = raw(content)
    status = answer[9:12].decode("latin-1")
    if status.startswith("5") and status != "501":
        return f"{name}: {answer[:200]!r}"
    if SECRET in answer:
        return f"{name}: a file of the machine's was sent"
    if (service.facts, _files()) != before:
        return f"{name}: the model was changed"
    healthy = raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return "" if b"200 OK" in healthy[:20] else f"{name}: no answers any more"


def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in toys()[1].iterdir()}


@cache
def requests() -> list[tuple[str, bytes]]:
    """A hundred, each with a name."""
    made = list(_requests())
    if len(made) < 100:
        raise ValueError(f"there are {len(made)} requests")
    return made[:100]


def _requests() -> Iterator[tuple[str, bytes]]:
    for path in PATHS:
        yield f"GET {path[:60]}", _request("GET", path)
    for header in HEADERS:
        yield f"header {header[:60]!r}", _request("GET", "/model", header)
    for method in METHODS:
        yield f"method {method!r}", _request(method, "/predict")
    photo = _png()
    for name, content in (
        ("a pickle", pickle.dumps({"a": 1})), ("an array", pickle.dumps(np.zeros(3))), ("nothing", b""),
        ("a zip", b"PK\3\4" + bytes(100)), ("a script", b"<script>alert(1)</script>"),
        ("half a photo", photo[:60]),
    ):  # fmt: skip
        yield f"predict {name}", _form("/predict", [("files", "x.png", content)])
        yield f"teach {name}", _form("/teach", [("file", "x.png", content)], label="cat")
    for label in ("", " ", "\0", "a" * 20_000, "../../x"):
        # Without a photo that can be decoded, so that nothing is taught.
        yield f"teach the label {label[:10]!r}", _form("/teach", [("file", "x.png", b"-")], label=label)
    for name in ("../../../etc/passwd", "/etc/passwd", "a\0b", "x" * 5000, 'x"; y="', "\r\nX: y"):
        yield f"a file called {name[:20]!r}", _form("/predict", [("files", name, photo)])
    for query in (
        "top=0", "top=-1", "top=99999999999999999999", "unknown=nan", "unknown=2", "why=1e9", "why=21",
        "top=x", "coverage=nan", "coverage=-1",
    ):  # fmt: skip
        yield f"predict?{query}", _form(f"/predict?{query}", [("files", "a.png", photo)])
    for place in (
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "\\\\host\\share",
        "data:,x",
        ".",
    ):
        for index in (0, 2):
            data = {"path": place, "url": place, "meta": {"_type": "gradio.FileData"}}
            body = {"data": [data], "fn_index": index, "session_hash": f"s{index}{len(place)}"}
            yield f"the page's function {index} of {place}", _json("/gradio_api/queue/join", body)
    yield "JSON nested without end", _json("/gradio_api/queue/join", None, b"[" * 100_000)
    yield (
        "a body that is no form",
        _request("POST", "/predict", "Content-Type: multipart/form-data; boundary=x", b"--y"),
    )
    yield (
        "a form without end",
        _request("POST", "/predict", "Content-Type: multipart/form-data; boundary=x", b"--x\r\n"),
    )
    many = [("files", f"{place}.png", b"x") for place in range(250)]
    yield "too many files", _form("/predict", many)


def _request(method: str, path: str, header: str = "X-None: 1", body: bytes = b"") -> bytes:
    host = "" if header.startswith("Host:") else "Host: localhost\r\n"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{length}{header}\r\n\r\n"
    return head.encode("latin-1") + body


def _json(path: str, value: object, body: bytes | None = None) -> bytes:
    return _request("POST", path, "Content-Type: application/json", body or json.dumps(value).encode())


def _form(path: str, files: list[tuple[str, str, bytes]], **fields: str) -> bytes:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + content
        for field, name, content in files
    ]
    parts += [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in fields.items()
    ]
    body = b"\r\n".join([*parts, b"--x--\r\n"])
    return _request("POST", path, "Content-Type: multipart/form-data; boundary=x", body)


def _png() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(toy_image("disc", 1)).save(file, "PNG")
    return file.getvalue()
