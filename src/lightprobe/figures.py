"""Every figure by name, and the rule for all: one that cannot be drawn is left out, and never costs a run.

A figure comes last, when photos were looked at and models fitted. What goes wrong in it is told in the log
and in the figure's place.
"""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lightprobe.atomic import whole_file
from lightprobe.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

# What draws each; filled when the modules that draw are imported.
FIGURES: dict[str, Callable[..., Any]] = {}


def figure(name: str, instead: Callable[[str], T]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Register what draws a figure.

    Parameters
    ----------
    name : str
        What the figure shows, as a sentence can name it.
    instead : callable
        From a sentence that says what is missing to what the figure's caller gets.
    """

    def register(draw: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                done: T = FIGURES[name](*args, **kwargs)
                return done
            except Exception as error:  # whatever it is, the run is worth more than its picture
                sentence = f"The figure of {name} is left out: it could not be drawn ({_brief(error)})."
                logger.warning("%s", sentence)
                return instead(sentence)

        FIGURES[name] = draw
        return drawn

    return register


def as_plain_text(drawing: "Figure") -> "Figure":
    """Show every name in a figure as it is: `$` is a dollar, and what is no text in UTF-8 its escape."""
    from matplotlib.text import Text

    texts: list[Any] = drawing.findobj(Text)
    for text in texts:
        text.set_parse_math(False)
        text.set_text(text.get_text().encode("utf-8", "backslashreplace").decode())
    return drawing


def save_figure(drawing: "Figure", path: Path, dpi: int) -> None:
    """Write a figure in the format of its file's suffix, PNG without one; whole or not at all.

    Raises
    ------
    OptionError
        If there is no such format.
    WriteError
        If it cannot be written.
    """
    form = path.suffix[1:].lower() or "png"
    allowed = drawing.canvas.get_supported_filetypes()
    if form not in allowed:
        raise OptionError(f"{path.name} cannot be drawn: name it .png, .svg or .pdf.")
    with whole_file(path) as file:
        as_plain_text(drawing).savefig(file, format=form, dpi=dpi)


def _brief(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
