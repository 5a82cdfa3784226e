"""What a page is made of: plain values, which the template turns into HTML and escapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    keys : sequence of sequence of str, optional
        What a cell's photos are found by, `SPLIT LABEL ANSWER` as numbers; empty for none, one text a cell.
    emphasised : int, optional
        The row that stands out.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: Sequence[Sequence[str]] | None = None
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
    number : int
        Its place in the page's photos.
    heat : str
        A data: address of its heat map; empty if there is none.
    heat_text : str
        What the heat map shows.
    """

    source: str
    title: str
    text: str
    number: int
    heat: str = ""
    heat_text: str = ""


@dataclass(frozen=True)
class Gallery:
    """Photos under a heading."""

    caption: str
    photos: Sequence[Photo]


@dataclass(frozen=True)
class Dots:
    """One class on a map.

    Attributes
    ----------
    name : str
    colour : str
        As CSS has it.
    dots : sequence of (float, float, int, bool)
        Place, the photo's number, and whether its answer is wrong.
    """

    name: str
    colour: str
    dots: Sequence[tuple[float, float, int, bool]]


@dataclass(frozen=True)
class PhotoPlot:
    """A map of photos, `width` × `height`, of one colour a class."""

    caption: str
    alt: str
    classes: Sequence[Dots]
    width: int
    height: int


@dataclass(frozen=True)
class Thresholds:
    """What is answered above each of some thresholds; where scripts run, any can be chosen."""

    table: Table


Block = Drawing | Table | Gallery | PhotoPlot | Thresholds


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
    blocks : sequence of Block
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
    """One HTML file.

    Attributes
    ----------
    title, subtitle : str
    tiles : sequence of Tile
    sections : sequence of Section
    data : mapping
        JSON values that the page's script reads: photos, pictures, counts.
    """

    title: str
    subtitle: str
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    data: Mapping[str, Any] = field(default_factory=dict)
