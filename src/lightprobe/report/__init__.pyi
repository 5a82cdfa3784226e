from .comparison import comparison_section
from .page import Section
from .studies import study_sections
from .write import REPORT, write_report

__all__ = ["REPORT", "Section", "comparison_section", "study_sections", "write_report"]
