"""`report.html` of a run's folder, whatever kinds of rows lie there."""

from dataclasses import replace
from pathlib import Path

from lightprobe.errors import DataError
from lightprobe.evidence.kept import read_evidence
from lightprobe.evidence.rows import read_rows
from lightprobe.report.comparison import comparison_page, comparison_section
from lightprobe.report.model import model_page
from lightprobe.report.page import Page
from lightprobe.report.render import write_page

REPORT = "report.html"


def write_report(run: Path) -> Path:
    """Write a run's report from its rows and what it kept, and return its path.

    Parameters
    ----------
    run : Path
        The folder that `train`, `compare` or `study` wrote.

    Raises
    ------
    DataError
        If there is no row to report on.
    """
    path = run / REPORT
    write_page(page_of(run), path)
    return path


def page_of(run: Path) -> Page:
    """Say what a run's rows say."""
    rows = read_rows(run)
    if not rows:
        raise DataError(f"{run} holds no finished run: train into it first.")
    evidence = read_evidence(run)
    if evidence is None and len(rows) > 1:
        return comparison_page(rows)
    page = model_page(run, rows[-1], evidence)
    if len(rows) > 1:
        page = replace(page, sections=[*page.sections, comparison_section(rows)])
    return page
