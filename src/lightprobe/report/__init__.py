"""Rows and kept evidence become one HTML file that says what came of a run; models are never read."""

from lightprobe.report.write import REPORT, write_report

__all__ = ["REPORT", "write_report"]
