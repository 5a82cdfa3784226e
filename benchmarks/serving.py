"""Ask a served model over HTTP: requests a second, and how long one waits, for 1, 8 and 32 clients at once.

    python benchmarks/serving.py MODEL... [--photo FILE] [--requests 400] [--clients 1 8 32] [--json]

Each model is served by a process of its own, as `lightprobe serve` does it, on loopback. Every client sends
one photo a request over a connection that it keeps, and sends the next when the answer is there. An answer
that is missing, or is another photo's, counts as lost. Without --photo a made-up JPEG of 320 × 240 is sent.
"""

import argparse
import http.client
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SEAM = "a-seam-that-no-photo-has"


def made_up() -> bytes:
    """Make a smooth picture, as a small JPEG."""
    small = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def served(model: Path) -> Iterator[int]:
    """Serve a model in a process of its own, on a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "lightprobe", "serve", str(model), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = ""
            for said in process.stderr:
                if said.startswith("Serving at"):
                    yield port
                    break
            else:
                raise SystemExit(f"The server did not start: {said}")
        finally:
            process.terminate()


class Client(threading.Thread):
    """Asks one photo after the other, each under a name of its own."""

    def __init__(self, port: int, photo: bytes, names: list[str]) -> None:
        super().__init__()
        self._port, self._photo, self._names = port, photo, names
        self.seconds: list[float] = []
        self.lost = 0

    def run(self) -> None:
        """Ask."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Content-Type": f"multipart/form-data; boundary={SEAM}"}
        for name in self._names:
            head = f'--{SEAM}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
            body = head.encode() + self._photo + f"\r\n--{SEAM}--\r\n".encode()
            start = time.perf_counter()
            try:
                connection.request("POST", "/predict", body, headers)
                answer = json.loads(connection.getresponse().read())
                right = answer["predictions"][0]["path"] == name
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                connection.close()
                right = False
            if right:
                self.seconds.append(time.perf_counter() - start)
            else:
                self.lost += 1
        connection.close()


def measure(port: int, photo: bytes, n_clients: int, requests: int) -> dict[str, Any]:
    """Let so many clients share the requests; warm up first."""
    for n in (max(8, requests // 10), requests):
        shares = [[f"{c}-{i}.jpg" for i in range(n // n_clients)] for c in range(n_clients)]
        clients = [Client(port, photo, names) for names in shares]
        start = time.perf_counter()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        seconds = time.perf_counter() - start
    waits = sorted(second for client in clients for second in client.seconds)
    return {
        "clients": n_clients,
        "requests": len(waits),
        "lost": sum(client.lost for client in clients),
        "per_second": len(waits) / seconds,
        "p50_ms": 1e3 * statistics.median(waits) if waits else None,
        "p99_ms": 1e3 * waits[int(0.99 * (len(waits) - 1))] if waits else None,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    photo = made_up() if args.photo is None else args.photo.read_bytes()
    rows = []
    for model in args.models:
        with served(model) as port:
            rows += [{"model": str(model), **measure(port, photo, n, args.requests)} for n in args.clients]
    if args.json:
        print(json.dumps({"photo_bytes": len(photo), "rows": rows}))
        return
    print(f"A photo of {len(photo) / 1e3:.1f} kB a request.")
    print(f"{'model':<40} {'clients':>8} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'lost':>5}")
    for row in rows:
        waits = " ".join(f"{row[key] or float('nan'):>8.1f}" for key in ("p50_ms", "p99_ms"))
        print(f"{row['model']:<40} {row['clients']:>8} {row['per_second']:>11.1f} {waits} {row['lost']:>5}")


if __name__ == "__main__":
    main()
