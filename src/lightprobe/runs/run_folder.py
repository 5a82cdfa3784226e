"""Where a run goes that was given no folder: where the same command was stopped, or into a new one."""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from lightprobe.errors import OptionError
from lightprobe.json_text import to_json

UNFINISHED = "unfinished.json"
# How much is said changes nothing of what a command does.
_NO_MATTER = frozenset(("-q", "--quiet", "-v", "--verbose", "--json", "--debug"))


@dataclass(frozen=True)
class RunFolder:
    """A folder for a run.

    Attributes
    ----------
    path : Path
    is_resumed : bool
        Whether the same command was stopped there.
    """

    path: Path
    is_resumed: bool = False

    def finish(self) -> None:
        """Say that the run is whole: nothing goes on there."""
        (self.path / UNFINISHED).unlink(missing_ok=True)


def next_run_folder(words: Sequence[str], data: str, name: str = "run") -> RunFolder:
    """Choose `NAME-N` in the working folder, or beside DATA where the working folder lies in it.

    That is the newest one in which the same command was stopped, else a new one of the next number, which is
    made here. Until it is finished, `unfinished.json` in it says which command writes there.

    Parameters
    ----------
    words : sequence of str
        The command line.
    data : str
        Where the photos lie: nothing is written in there.
    name : str
        What the folder is called before its number.

    Raises
    ------
    OptionError
        If no folder can be made.
    """
    place = _outside(Path(data))
    numbered = re.compile(rf"{re.escape(name)}-([0-9]+)")
    try:
        matches = [match for file in os.scandir(place) if (match := numbered.fullmatch(file.name))]
        numbers = sorted((int(match[1]) for match in matches), reverse=True)
        told = [word for word in words if word not in _NO_MATTER]
        command = {"command": told, "folder": str(Path.cwd())}
        for number in numbers:
            folder = place / f"{name}-{number}"
            if _is_stopped(folder, command):
                _mark(folder, command)
                return RunFolder(folder, is_resumed=True)
        number = max(numbers, default=0) + 1
        while True:
            folder = place / f"{name}-{number}"
            with suppress(FileExistsError):  # made by another command meanwhile
                folder.mkdir()
                _mark(folder, command)
                return RunFolder(folder)
            number += 1
    except OSError as error:
        raise OptionError(
            f"no folder for the run can be made in {place} ({error.strerror or error}): name one with --out."
        ) from None


def _outside(data: Path) -> Path:
    """Return the working folder, written as short as it can be; the one above DATA where it lies in there."""
    here = Path.cwd()
    if data.is_dir():
        photos = data.resolve()
        if photos == here.resolve() or photos in here.resolve().parents:
            return photos.parent
    return Path()


def _mark(folder: Path, command: Mapping[str, object]) -> None:
    (folder / UNFINISHED).write_text(to_json({**command, **_this_process()}) + "\n", encoding="utf-8")


def _is_stopped(folder: Path, command: Mapping[str, object]) -> bool:
    """Tell whether a command was begun in a folder, and neither came to its end nor is still at work."""
    try:
        told = json.loads((folder / UNFINISHED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(told, dict) or any(told.get(key) != value for key, value in command.items()):
        return False
    if told.get("machine") != platform.node():
        return False  # of which nobody here knows
    try:
        process = psutil.Process(int(told["process"]))
        return bool(abs(process.create_time() - float(told["begun"])) > 1)
    except (psutil.Error, KeyError, TypeError, ValueError):
        return True


def _this_process() -> dict[str, object]:
    process = psutil.Process()
    return {"machine": platform.node(), "process": process.pid, "begun": process.create_time()}
