"""Rows and kept evidence become one HTML file that says what came of a run; models are never read."""

from lightprobe.report.comparison import comparison_section
from lightprobe.report.studies import study_sections
from lightprobe.report.write import REPORT, write_report

__all__ = ["REPORT", "comparison_section", "study_sections", "write_report"]
