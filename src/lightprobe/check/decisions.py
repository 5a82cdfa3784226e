"""What can be done about a finding, as its page offers it: remove photos, or give one another label."""

from collections.abc import Mapping
from typing import Any, Final

from lightprobe.check.findings import Finding

OF_CLASSES: Final = ("mixed-classes", "small-class", "imbalance")  # not of photos


def choices(finding: Finding, labels: Mapping[str, str], splits: Mapping[str, str]) -> list[dict[str, Any]]:
    """List what may be done, what the finding suggests first; nothing for findings about classes.

    Parameters
    ----------
    labels : mapping of str to str
        Each photo's class.
    splits : mapping of str to str
        Each photo's split.

    Returns
    -------
    list of dict
        `text`, `remove` (paths) and `relabel` (path, label, and the path that it then has in the folder).
    """
    if finding.kind in OF_CLASSES:
        return []
    path, other = finding.path, finding.other_path
    if finding.kind == "leak" and splits[other] == "train":
        path, other = other, path
    if not other:
        removals = [_choice("accept: remove the photo", remove=[path])]
    elif finding.kind == "conflicting-label":  # of which is right, only who looks can tell
        removals = [_choice(f"accept: remove {one}", remove=[one]) for one in (path, other)]
        removals.append(_choice("accept: remove both", remove=[path, other]))
    else:
        removals = [_choice(f"accept: remove {path}", remove=[path])]
        removals.append(_choice(f"remove {other} instead", remove=[other]))
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
