"""Names of folders that say training, validation or test, as public data sets have them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

# fmt: off
_WORDS = {
    "train": ("train", "training", "trainval", "trn"),
    "val": ("val", "valid", "validation", "validate", "validating", "dev", "devel", "development", "eval",
            "evaluation"),
    "test": ("test", "testing", "tst", "holdout"),
}
# fmt: on
_ROLE = {word: role for role, words in _WORDS.items() for word in words}
_NOUN = r"(?:(?:set|split|dataset|image|img|photo|picture|pic|sample|example|folder|dir)s?|data)"
_WORD = "|".join(sorted(_ROLE, key=len, reverse=True))
_PLAIN = re.compile(rf"(?:{_NOUN}_?)?({_WORD})(?:_?{_NOUN})*")
_QUALIFIED = re.compile(rf"(?:(?P<before>.+)_)?(?P<word>{_WORD})(?:_{_NOUN})*(?:_(?P<after>.+))?")


@dataclass(frozen=True)
class SplitName:
    """A folder's name taken for a split's: `seg_train` is the role `train` of `seg`."""

    role: str
    qualifier: str


def plain_role(name: str) -> str:
    """Return train, val or test for a name that says no more than that; otherwise an empty string.

    Case counts nothing, and `-`, space and `.` are as good as `_`: train, Training, training_set,
    Test Images, data-val, dev, eval.
    """
    match = _PLAIN.fullmatch(_spelled(name))
    return _ROLE[match[1]] if match else ""


def parse_split(name: str) -> SplitName | None:
    """Return what a name says of a split, with what else it says; None if it says nothing of one."""
    if role := plain_role(name):
        return SplitName(role, "")
    match = _QUALIFIED.fullmatch(_spelled(name))
    if match is None:
        return None
    return SplitName(_ROLE[match["word"]], f"{match['before'] or ''}*{match['after'] or ''}")


def roles_of(names: Collection[str]) -> dict[str, str]:
    """Return the split of each folder of a level; empty if their names are not those of splits.

    They are if every name is plain, or if all say the same beside the split and there are two splits or more.
    Of `train`, `dev` and `eval`, the last is the test.
    """
    parsed = {name: parse_split(name) for name in names}
    known = {name: split for name, split in parsed.items() if split is not None}
    if not known or len(known) < len(parsed) or len({split.qualifier for split in known.values()}) > 1:
        return {}
    roles = {name: split.role for name, split in known.items()}
    if any(split.qualifier for split in known.values()) and len(set(roles.values())) < 2:
        return {}
    if "test" not in roles.values():
        judges = {name for name, role in roles.items() if role == "val" and "eval" in _spelled(name)}
        if 0 < len(judges) < list(roles.values()).count("val"):
            roles |= dict.fromkeys(judges, "test")
    return roles


def _spelled(name: str) -> str:
    return re.sub(r"[-_. ]+", "_", name.casefold()).strip("_")
