"""Nothing leaves the machine: every verb runs under a resolver that writes down whatever is asked of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.toy_network import toy_network
from tests.toys import draw_toys

from lightprobe.cli import VERBS

LIGHTPROBE = [sys.executable, "-c", "import sys; from lightprobe.cli import main; sys.exit(main())"]
C_COMPILER = shutil.which("cc") or shutil.which("gcc")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or C_COMPILER is None, reason="needs Linux and a C compiler"),
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    library, source = tmp_path / "resolver.so", Path(__file__).with_name("resolver.c")
    subprocess.run([str(C_COMPILER), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    # As an ordinary user has it, where libraries tell home what they may: no CI, no opting out.
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "DO_NOT_TRACK")}
    return {**own, "LD_PRELOAD": str(library), "ASKED": str(tmp_path / "asked.txt"), "HOME": str(tmp_path)}


def ran(environment: dict[str, str], folder: Path, *words: str) -> None:
    done = subprocess.run(
        [*LIGHTPROBE, *words, "-q"], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    assert done.returncode in (0, 1), f"{words}: {done.stderr}"


def test_what_is_asked_is_written_down(environment: dict[str, str]) -> None:
    code = "import socket\ntry: socket.create_connection(('example.org', 80), 1)\nexcept OSError: pass"
    code += "\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    asked = Path(environment["ASKED"]).read_text(encoding="utf-8")
    assert "getaddrinfo example.org" in asked
    assert "192.0.2.1" in asked


@pytest.mark.torch
def test_no_verb_asks_for_another_machine(environment: dict[str, str], tmp_path: Path) -> None:
    photos, toy = str(draw_toys(tmp_path)), toy_network(tmp_path / "toy.onnx")
    one = str(next((tmp_path / "toys" / "test").rglob("*.png")))
    network = ("--backbone", toy, "--precision", "fp32", "--device", "cpu")
    verbs = (
        ("demo", "--out", "demo"),
        ("train", photos, "--out", "run", *network),
        ("compare", photos, "--out", "compared", "--methods", "optical", *network),
        ("study", "size", photos, "--out", "study", *network),
        ("check", photos, "--out", "checked", *network),
        ("evaluate", "run/model", photos),
        ("predict", "run/model", one),
        ("export", "run/model", "--format", "onnx", "--out", "m.onnx"),
        ("export", "run/model", "--format", "openvino", "--out", "m.xml"),
        ("predict", "m.onnx", one),
        ("predict", "m.xml", one),
        ("look", "run/model", one, "--out", "look.png"),
        ("update", "run/model", "--remove", "train/disc/disc 1.png"),
        ("extract", photos, "--out", "f.npz", *network),
        ("next", photos, "--n", "3", "--csv", "next.csv", *network),
        ("sums", photos, "--out", "part.safetensors", *network),
        ("merge", "part.safetensors", "--out", "merged", "--backbone", toy),
        ("report", "run"),
        ("runs", "."),
        ("backbones",),
        ("datasets",),
    )
    assert {words[0] for words in verbs} | {"serve"} == set(VERBS)
    asked = Path(environment["ASKED"])
    for words in verbs:
        ran(environment, tmp_path, *words)
        assert not asked.exists(), f"{words} asks for {asked.read_text(encoding='utf-8')}"


def test_a_server_that_is_told_to_fetch_an_address_does_not(
    environment: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("gradio", reason="the extra web is not installed")
    photos, toy = str(draw_toys(tmp_path)), toy_network(tmp_path / "toy.onnx")
    fixed = ("--pool", "avg", "--encode", "l2", "--kernel", "optical")
    ran(environment, tmp_path, "train", photos, "--out", "run", "--backbone", toy, "--device", "cpu", *fixed)
    _serve(environment, tmp_path)
    asked = Path(environment["ASKED"])
    assert not asked.exists(), f"serve asks for {asked.read_text(encoding='utf-8')}"


def _serve(environment: dict[str, str], folder: Path) -> None:
    """Serve, and let each of the page's functions be asked for a photo that lies elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*LIGHTPROBE, "serve", "run/model", "--port", str(port), "--allow-teaching"]
    server = subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert server.poll() is None, server.stderr.read() if server.stderr else ""
                time.sleep(0.1)
        from tests.hostile.requests import _json, _request

        requests = [_request("GET", "/"), _request("GET", "/docs"), _request("GET", "/config")]
        for index in range(8):
            data = {"path": "http://example.org/x.png", "url": "http://example.org/x.png"}
            file = data | {"meta": {"_type": "gradio.FileData"}}
            for value in (file, [file]):
                body = {"data": [value, "cat"], "fn_index": index, "session_hash": f"s{index}"}
                requests.append(_json("/gradio_api/queue/join", body))
        requests.append(_request("GET", "/gradio_api/file=http://example.org/x.png"))
        requests.append(_request("GET", "/gradio_api/proxy=http://example.org/x.png"))
        for request in requests:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(request)
                while connection.recv(65536):
                    pass
        time.sleep(2)  # what the page's queue does, it does later
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        if server.stderr:
            server.stderr.close()
