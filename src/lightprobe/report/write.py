"""`report.html` of a run's folder, whatever kinds of rows lie there."""

from dataclasses import replace
from pathlib import Path

from lightprobe.errors import DataError
from lightprobe.html_text import write_page
from lightprobe.report.comparison import comparison_page, comparison_section
from lightprobe.report.model import model_page
from lightprobe.report.page import Page
from lightprobe.report.studies import study_page, study_sections
from lightprobe.report.words import legible
from lightprobe.runs import read_artifacts, read_rows

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
    write_page(path, "report", page=page_of(run))
    return path


def page_of(run: Path) -> Page:
    """Say what a run's rows say."""
    every = legible(read_rows(run))
    if not every:
        raise DataError(f"{run} holds no finished run: train into it first.")
    studied = [row for row in every if "study" in row]
    rows = [row for row in every if "study" not in row]
    if not rows:
        return study_page(studied)
    evidence = read_artifacts(run)
    several = len(rows) > 1
    if evidence is None and several:
        page = comparison_page(rows)
    else:
        page = model_page(run, rows[-1], evidence)
        page = replace(page, sections=[*page.sections, *([comparison_section(rows)] if several else [])])
    return replace(page, sections=[*page.sections, *study_sections(studied)])
