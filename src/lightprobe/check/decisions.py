"""What can be done about a finding, as its page offers it: remove photos, or give one another label."""

from collections.abc import Mapping
from typing import Any, Final

from lightprobe.check.findings import Finding

PAIRS: Final = ("conflicting-label", "leak", "duplicate", "near-duplicate")
OF_CLASSES: Final = ("mixed-classes", "small-class", "imbalance")  # not of photos


def choices(finding: Finding, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """List what may be done; nothing for findings about classes.

    Parameters
    ----------
    labels : mapping of str to str
        Each photo's class.

    Returns
    -------
    list of dict
        `text`, `remove` (paths) and `relabel` (path, label, and the path that it then has in the folder).
    """
    if finding.kind in OF_CLASSES:
        return []
    path, other = finding.path, finding.other_path
    removals = [_choice(f"remove {path}" if other else "remove the photo", remove=[path])]
    if other:
        removals.append(_choice(f"remove {other}", remove=[other]))
        if finding.kind == "conflicting-label":
            removals.append(_choice("remove both", remove=[path, other]))
    if finding.kind != "suspicious-label":
        return removals
    label = finding.suggestion
    row = [path, label, moved(path, labels[path], label)]
    return [_choice(f"accept: it is {label}", relabel=[row]), *removals]


def moved(path: str, label: str, new_label: str) -> str:
    """Return a photo's path in the folder of another class; a new folder where none has its class's name.

    >>> moved("train/rose/7.jpg", "rose", "tulip")
    'train/tulip/7.jpg'
    """
    *folders, name = path.split("/")
    parts = label.split("/")
    for start in range(len(folders) - len(parts), -1, -1):
        if folders[start : start + len(parts)] == parts:
            return "/".join([*folders[:start], new_label, *folders[start + len(parts) :], name])
    return f"{new_label}/{name}"


def _choice(
    text: str, remove: list[str] | None = None, relabel: list[list[str]] | None = None
) -> dict[str, Any]:
    return {"text": text, "remove": remove or [], "relabel": relabel or []}
