import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lightprobe.errors import LockedError
from lightprobe.locks import locked

HOLD = (
    "import sys; from pathlib import Path; from lightprobe.locks import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
)


def holding(place: Path) -> "subprocess.Popen[str]":
    """A process that holds a place's lock until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_waited_for_and_then_told_of(tmp_path: Path) -> None:
    place = tmp_path / "model"
    (tmp_path / "link").symlink_to("model")
    with holding(place) as other:
        with locked(tmp_path / "elsewhere", 0.1):
            pass
        for name in ("model", "link"):
            sentence = r"still writing to .* after 0\.2 s: wait until it is done"
            with pytest.raises(LockedError, match=sentence), locked(tmp_path / name, 0.2):
                pass
        threading.Timer(0.3, other.kill).start()  # whose lock the system takes away
        with locked(place, 30):
            pass
    assert not place.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_thread_may_ask_for_its_own_lock_again_and_another_may_not(tmp_path: Path) -> None:
    refused: list[LockedError] = []

    def ask() -> None:
        try:
            with locked(tmp_path, 0.1):
                pass
        except LockedError as error:
            refused.append(error)

    with locked(tmp_path), locked(tmp_path):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_without_a_place_for_locks_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(tmp_path / "file" / "in"))
    with locked(tmp_path / "model"):
        pass
