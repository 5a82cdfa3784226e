"""What a page is made of: plain values, which the template turns into HTML and escapes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes
    ----------
    svg : Markup
        As `drawing.as_svg` made it.
    caption : str
        Beneath it.
    """

    svg: Markup
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Cells of text under headings.

    Attributes
    ----------
    caption : str
        What stands in it, for people and for screen readers.
    columns : sequence of str
    rows : sequence of sequence of str
        The first cell of each heads its row.
    shares : sequence of sequence of float, optional
        How far a cell's background is filled, 0 to 1, one number a cell.
    emphasised : int, optional
        The row that stands out.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    shares: Sequence[Sequence[float]] | None = None
    emphasised: int | None = None


@dataclass(frozen=True)
class Photo:
    """A thumbnail and what is said of it.

    Attributes
    ----------
    source : str
        A data: address.
    title, text : str
        The verdict, and the photo's name.
    """

    source: str
    title: str
    text: str


@dataclass(frozen=True)
class Gallery:
    """Photos under a heading."""

    caption: str
    photos: Sequence[Photo]


Block = Drawing | Table | Gallery


@dataclass(frozen=True)
class Section:
    """A heading, what it says, and what shows it.

    Attributes
    ----------
    title : str
    figures : sequence of Drawing
        What is seen first.
    sentences : sequence of str
        Paragraphs, the finding first.
    blocks : sequence of Drawing, Table or Gallery
    notes : sequence of str
        Smaller print, after everything else.
    code : sequence of str
        Lines to type.
    """

    title: str
    sentences: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    notes: Sequence[str] = ()
    code: Sequence[str] = ()
    figures: Sequence[Drawing] = ()

    @property
    def tables(self) -> list[Table]:
        """The blocks that are tables."""
        return [block for block in self.blocks if isinstance(block, Table)]


@dataclass(frozen=True)
class Tile:
    """A number that stands on its own."""

    value: str
    text: str


@dataclass(frozen=True)
class Page:
    """One HTML file."""

    title: str
    subtitle: str
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
