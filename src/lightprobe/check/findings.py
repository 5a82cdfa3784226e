"""What a check finds: one finding, the kinds there are, and their order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The worst first, each with the heading of its findings.
KINDS: Final = {
    "conflicting-label": "The same photo under two labels",
    "leak": "Test photos that stand in training",
    "unreadable": "Files that cannot be read",
    "mixed-classes": "Classes that look mixed up",
    "suspicious-label": "Labels that look wrong",
    "duplicate": "The same photo twice",
    "near-duplicate": "The same picture, stored anew, rescaled, cropped or mirrored",
    "odd": "Odd files",
    "small-class": "Classes too small to judge",
    "imbalance": "Classes out of balance",
}


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes
    ----------
    path : str
        The photo, or the class for findings about classes.
    kind : str
        One of KINDS.
    evidence : str
        Why, in words and numbers.
    suggestion : str
        What to do.
    other_path : str
        The other photo of a pair; empty if there is none.
    severity : float
        Orders findings of one kind.
    """

    path: str
    kind: str
    evidence: str
    suggestion: str
    other_path: str = ""
    severity: float = 0.0


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Order findings by kind, then by severity, then as they came."""
    return sorted(findings, key=lambda finding: (list(KINDS).index(finding.kind), -finding.severity))
