"""A server of the toy model in this process, as the command runs it, asked over sockets."""

import signal
import socket
import threading
from functools import cache
from pathlib import Path

from tests.hostile.toy_model import toys

from lightprobe import ImageClassifier
from lightprobe.serve import Album, PageActions, Service, add_page, create_app, serve


@cache
def server() -> tuple[int, Service]:
    """Start it once, and return its port and what answers."""
    model = ImageClassifier.load(toys()[1])
    service = Service(
        model.fitted, toys()[1], model.saved_parameters(), model.runtime, digest=model.read_digest
    )
    report = Path(toys()[1].parent, "report.html")
    app = create_app(service, allow_teaching=True, report=report)
    add_page(app, PageActions(service, Album()), service.limits, allow_teaching=True, report=report)
    ready = threading.Event()
    ports: list[int] = []

    def told(address: str, _token: str | None) -> None:
        ports.append(int(address.rpartition(":")[2]))
        ready.set()

    signal.signal = lambda *_: None  # it is no main thread's
    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0), kwargs={"ready": told}, daemon=True)
    thread.start()
    if not ready.wait(60):
        raise RuntimeError("the server did not start")
    return ports[0], service


def raw(content: bytes, seconds: float = 15.0) -> bytes:
    """Send bytes, and return all that comes until the server closes or says nothing more."""
    received = b""
    with socket.create_connection(("127.0.0.1", server()[0]), timeout=seconds) as connection:
        try:
            connection.sendall(content)
            while piece := connection.recv(65536):
                received += piece
                if len(received) > 1 << 22:
                    break
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
    return received
