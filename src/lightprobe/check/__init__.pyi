from .findings import KINDS, Finding
from .labels import judge_labels
from .report import summary_lines, write_report
from .run import Check, check

__all__ = ["KINDS", "Check", "Finding", "check", "judge_labels", "summary_lines", "write_report"]
