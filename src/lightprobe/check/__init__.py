"""Faults in the data: unreadable and odd files, copies, leaks, wrong labels, groups, classes."""

from lightprobe.check.findings import KINDS, Finding
from lightprobe.check.report import summary_lines, write_report
from lightprobe.check.run import Check, check

__all__ = ["KINDS", "Check", "Finding", "check", "summary_lines", "write_report"]
