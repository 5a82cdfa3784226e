"""Every error lightprobe raises on purpose.

Each message is one clear sentence: what was got, what is allowed, the way out. Parameters stand in it between
backquotes, as Python has them: `precision='fp32'`. The command line prints it, with its own options in their
place (`as_flags`), and exits with status 2; nobody needs to read a traceback.
"""

import re
from typing import Final

_PARAMETER: Final = re.compile(r"`([a-z][a-z_]*)(?:=([^`]+))?`")


class LightprobeError(Exception):
    """Base class of all errors that lightprobe raises on purpose."""


class OptionError(LightprobeError, ValueError):
    """A parameter or flag has a value that is not allowed."""


class DataError(LightprobeError, ValueError):
    """The data as a whole cannot be used: no images, an unknown class, a malformed table."""


class AmbiguousDataError(DataError):
    """The data can be read in several ways, and a parameter says which is meant.

    Attributes
    ----------
    reason : str
        What was seen.
    parameter : str
    choices : dict of str to str
        Values of the parameter, each with what then comes of the data.
    """

    def __init__(self, reason: str, parameter: str, choices: dict[str, str], hint: str = "") -> None:
        ways = [f"`{parameter}='{value}'` for {told}" for value, told in choices.items()]
        super().__init__(f"{reason}: give {', '.join(ways[:-1])} or {ways[-1]}{hint}.")
        self.reason, self.parameter, self.choices = reason + hint, parameter, choices


class ImageError(LightprobeError):
    """One image cannot be decoded; `reason` is short enough for a table cell, `remedy` is the way out."""

    remedy = "remove or replace it"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DamagedImageError(ImageError):
    """The file lacks some of its picture, or what it holds makes no sense."""


class UnsupportedImageError(ImageError):
    """The file may well be whole, but no decoder here shows its kind right."""

    remedy = "convert it to PNG or JPEG"


class ImageTooLargeError(ImageError):
    """The picture would take more memory than is allowed."""

    remedy = "raise the limit, `max_megapixels`, or make it smaller"


class BackboneError(LightprobeError, ValueError):
    """A network or a cut point that cannot be named, built or run."""


class WeightsError(BackboneError):
    """Weights that are missing, cannot be read or do not fit their network."""


class ModelFileError(LightprobeError):
    """A saved model that is foreign, damaged or from another format version."""


class ResourceError(LightprobeError):
    """The work would need more memory or disk than there is."""


class WriteError(ResourceError, OSError):
    """A file cannot be written: the disk is full, it may not be written to, or it is no file."""


class LockedError(ResourceError):
    """Another process is writing to the same place, and has not come to an end in time."""


class MissingExtraError(LightprobeError, ImportError):
    """An optional dependency is not installed; the message names the command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed: "
            f"pip install 'lightprobe[{extra}]'."
        )


def as_flags(message: str) -> str:
    """Return a message with its parameters written as options: `image_size` is --image-size."""

    def flag(match: re.Match[str]) -> str:
        value = match[2] or ""
        plain = re.fullmatch(r"'([\w.:]+)'", value)
        option = f"--{match[1].replace('_', '-')}"
        return f"{option} {plain[1] if plain else value}" if value else option

    return _PARAMETER.sub(flag, message)


def one_line(error: BaseException) -> str:
    """First line of an error's message, without its full stop, to stand within a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
