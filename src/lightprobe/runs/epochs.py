"""A training's epochs on disk, as they come: rows, a table, and the curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lightprobe.atomic import append_line
from lightprobe.csv_text import csv_line
from lightprobe.figures import figure, save_figure
from lightprobe.json_text import to_json

Row = dict[str, Any]

TABLE, CURVES = "epochs.csv", "curves.png"
# Told apart by the colour-blind (Okabe and Ito 2008).
COLOURS = {"train": "#999999", "val": "#0072b2", "test": "#d55e00"}
NAMES = {"train": "training", "val": "validation", "test": "test"}


class EpochLog:
    """Writes each epoch to a run's `rows.jsonl` (rows with the key `epoch`) and `epochs.csv`.

    Parameters
    ----------
    run : Path
        The run's folder.
    method : str
    resume : bool
        Go on in the table that lies there instead of beginning a new one.
    """

    def __init__(self, run: Path, method: str, *, resume: bool) -> None:
        self.run, self.method = run, method
        if not resume:
            (run / TABLE).unlink(missing_ok=True)

    def __call__(self, row: Row) -> None:
        """Write an epoch."""
        row = {"method": self.method, **row}
        append_line(self.run / "rows.jsonl", to_json(row) + "\n")
        table = self.run / TABLE
        is_new = not table.exists()
        append_line(table, (csv_line(row) if is_new else "") + csv_line(row.values()))


@figure("loss and accuracy over the epochs", lambda _: False)
def draw_curves(rows: Sequence[Row], best_epoch: int, path: Path) -> bool:
    """Draw loss and accuracy over the epochs, and mark the epoch whose weights were kept.

    Parameters
    ----------
    rows : sequence of dict
        As `history_` has them.

    Returns
    -------
    bool
        Whether it could be drawn.
    """
    drawing = Figure(figsize=(9, 3.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(drawing)
    epochs = [row["epoch"] for row in rows]
    for axes, what in zip(drawing.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, colour in COLOURS.items():
            values = [row[f"{split}_{what}"] for row in rows]
            if None not in values:
                axes.plot(epochs, values, color=colour, label=NAMES[split], linewidth=1.8, marker=".")
        axes.axvline(best_epoch, color="#cccccc", linewidth=1, zorder=0)
        axes.set(xlabel="epoch", ylabel=what)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)
    best = rows[best_epoch - 1]
    drawing.suptitle(
        f"Epoch {best_epoch} was best: {best['val_accuracy']:.1%} of the validation photos are right",
        fontsize=11,
        ha="left",
        x=0.01,
    )
    save_figure(drawing, path, dpi=130)
    return True
