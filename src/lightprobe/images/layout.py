"""From the names of files to classes and splits: what a folder tree means, on disk or in a zip."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightprobe.errors import AmbiguousDataError, DataError, OptionError
from lightprobe.images.imageset import Skipped, class_name, listed, natural_key
from lightprobe.images.listing import Listing
from lightprobe.images.split_names import parse_split, plain_role, roles_of

CLASSES = ("top", "leaf", "path")
_STRAY = "not in a class folder"

Parts = list[str]  # a path, folder by folder


@dataclass(frozen=True)
class Layout:
    """Which files of a tree are images of which class and split; the lists run in parallel."""

    paths: list[str]
    names: list[str]
    splits: list[str]
    skipped: list[Skipped]


@dataclass(frozen=True)
class _Root:
    """A folder of class folders: how many folders lead to it, and the split that it is."""

    depth: int
    split: str = ""


def check_classes(classes: str | None) -> None:
    """Raise OptionError unless `classes` is a way to read class folders."""
    if classes is not None and classes not in CLASSES:
        raise OptionError(f"`classes` is {classes!r}; allowed are {', '.join(CLASSES)}.")


def arrange(tree: Listing, what: str, classes: str | None = None) -> Layout:
    """Read a tree of class folders, with or without split folders above them.

    Parameters
    ----------
    tree : Listing
    what : str
        How the data is called in messages.
    classes : {"top", "leaf", "path"}, optional
        Which folder is the class: the first below the split, the one that a photo lies in, or all of them,
        one below the other (`Fruit/Apple`). Without it the first, unless the tree can be read otherwise.

    Single folders that only wrap the tree are looked through. Raises DataError if there are no images,
    no class folders, both split folders and others; AmbiguousDataError if several folders may be the class.
    """
    check_classes(classes)
    parts = [file.split("/") for file in tree.images]
    if not parts:
        raise DataError(
            f"there are no images in {what}: give a folder with one folder of photos for each class."
        )
    depth = 0
    while len({p[depth] for p in parts}) == 1 and all(len(p) > depth + 2 for p in parts):
        if plain_role(parts[0][depth]):
            break
        depth += 1
    tops = sorted({p[depth] for p in parts if len(p) > depth + 1}, key=natural_key)
    if not tops:
        raise DataError(
            f"the {len(parts)} image(s) in {what} are not in class folders: "
            "make one folder for each class, or give a .csv table with the columns path and label."
        )
    roots = _find_splits(parts, depth, tops, what, classes)
    if classes is None:
        _require_one_reading(parts, depth, roots, what)
    return _arranged(tree, parts, depth, roots, what, classes or "top")


def _find_splits(
    parts: Sequence[Parts], depth: int, tops: Sequence[str], what: str, classes: str | None
) -> Mapping[str, _Root | None]:
    """Return the split folders of a level as roots of class folders; empty if it is a level of classes.

    None stands for a folder of no split, whose photos are in no class.
    """
    roles = roles_of(tops)
    strangers: list[str] = []
    if not roles:
        roles, strangers = _roles_of_most(tops)
    if not roles:
        return {}
    roots = {name: _root(parts, depth, name, role) for name, role in roles.items()}
    inside = {name: _folders(parts, depth, name, root.depth) for name, root in roots.items()}
    plain = all(plain_role(name) for name in roles)
    apart = len(set(roles.values())) > 1
    if not any(inside.values()) and (not plain or (strangers and not (apart and "train" in roles.values()))):
        return {}  # nothing but photos in them: classes that happen to be called so
    lonely = _without_common_folder(inside)
    if strangers:
        full = [name for name in strangers if _folders(parts, depth, name, depth + 1)]
        if (not apart and (full or classes is not None)) or (not plain and lonely):
            return {}
        if not apart:
            raise DataError(
                f"{what} has {listed(list(roles))}, called like a split and with class folders in it, beside "
                f"{listed(strangers)} with none: give `classes='top'` if all of them are classes, or move "
                "away what is none."
            )
        if full or "train" not in roles.values():
            raise DataError(
                f"{what} has {listed(list(roles))} beside {listed(strangers)}: keep either folders of splits "
                "or folders of classes at the top, and move the others away."
            )
    if lonely and classes is None:
        raise DataError(
            f"{what} has the folders {listed(list(roles))}, whose names are those of splits, but "
            f"{listed(lonely)} has no class folder in common with the others: give each split the same class "
            "folders, or give other names to folders that are classes."
        )
    return {**roots, **dict.fromkeys(strangers)}


def _roles_of_most(tops: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the roles of the folders that are called like splits, and the others."""
    parsed = {name: split for name in tops if (split := parse_split(name)) is not None}
    if not parsed:
        return {}, []
    qualifier, _ = Counter(split.qualifier for split in parsed.values()).most_common(1)[0]
    roles = {name: split.role for name, split in parsed.items() if split.qualifier == qualifier}
    if qualifier and len(set(roles.values())) < 2:
        return {}, []
    return roles, [name for name in tops if name not in roles]


def _root(parts: Sequence[Parts], depth: int, name: str, role: str) -> _Root:
    """Find the class folders of a split: archives like to repeat its folder (`test_set/test_set/cats`)."""
    own = [p for p in parts if p[depth] == name and len(p) > depth + 1]
    level = depth + 1
    while all(len(p) > level + 2 for p in own) and len({p[level] for p in own}) == 1:
        repeated = parse_split(own[0][level])
        if repeated is None or repeated.role != (parse_split(name) or repeated).role:
            break
        level += 1
    return _Root(level, role)


def _folders(parts: Sequence[Parts], depth: int, name: str, level: int) -> set[str]:
    """Return the folders with photos at a level below a folder, as names of classes, case left out."""
    return {
        class_name(p[level]).casefold()
        for p in parts
        if len(p) > level + 1 and p[depth] == name
    }  # fmt: skip


def _without_common_folder(inside: Mapping[str, set[str]]) -> list[str]:
    """Return the folders that have folders, and none that another of them has, too."""
    filled = {name: folders for name, folders in inside.items() if folders}
    if len(filled) < 2:
        return []
    count = Counter(folder for folders in filled.values() for folder in folders)
    return [name for name, folders in filled.items() if all(count[folder] == 1 for folder in folders)]


def _require_one_reading(
    parts: Sequence[Parts], depth: int, roots: Mapping[str, _Root | None], what: str
) -> None:
    """Raise AmbiguousDataError if folders below the first ones may be the classes just as well.

    They may not where most photos lie right in the first ones, and where each of these has but one. Otherwise
    they may if they make up most of what is in there, be it two names or more that stand in several of the
    first (fresh/apple, rotten/apple), or those that stand in one (Fruit/Apple). One name that they have in
    common (cat/images, dog/images) is no class.
    """
    below: dict[tuple[str, ...], None] = {}
    n_direct = n = 0
    for p in parts:
        root = roots.get(p[depth]) if roots else _Root(depth)
        if root is None or len(p) < root.depth + 2:
            continue
        n += 1
        n_direct += len(p) == root.depth + 2
        below[tuple(p[root.depth : -1])] = None
    tops = list(dict.fromkeys(folders[0] for folders in below))
    nested = [folders for folders in below if len(folders) > 1]
    if 2 * n_direct >= n or len(nested) == len({folders[0] for folders in nested}) == len(tops):
        return
    seconds = dict.fromkeys(folders[:2] for folders in nested)
    count = Counter(second for _, second in seconds)
    shared = [name for name in count if count[name] > 1]
    own = [folders for folders in nested if count[folders[1]] == 1]
    if len(shared) > 1 and 2 * sum(count[name] for name in shared) >= len(seconds):
        holders = dict.fromkeys(top for top, second in seconds if count[second] > 1)
        raise AmbiguousDataError(
            f"{what} has the same folders ({_some(shared)}) in {_some(holders)}, so that either may be the "
            "classes",
            "classes",
            _readings(below),
            "; if the upper folders part training photos from test photos, call them train and test",
        )
    if len(own) > 1 and 2 * len(own) >= len(nested):
        raise AmbiguousDataError(
            f"{what} has folders in folders, and photos in {len(below)} of them: the classes may be those at "
            "the top or those that the photos lie in",
            "classes",
            _readings(below),
        )


def _readings(below: Iterable[Sequence[str]]) -> dict[str, str]:
    """Say which classes each way of reading would make of folders."""
    return {
        way: f"{len(names)} classes ({_some(names, 3)})"
        for way in CLASSES
        if (names := {_class_of(folders, way) for folders in below})
    }


def _class_of(folders: Sequence[str], classes: str) -> str:
    """Return the class of a photo from the folders that it lies in, below any split."""
    return {"top": folders[0], "leaf": folders[-1], "path": "/".join(folders)}[classes]


def _some(names: Iterable[str], limit: int = 4) -> str:
    return listed(sorted(names, key=natural_key), limit)


def _arranged(
    tree: Listing,
    parts: Sequence[Parts],
    depth: int,
    roots: Mapping[str, _Root | None],
    what: str,
    classes: str,
) -> Layout:
    """Give each photo its class and its split."""
    found = Layout([], [], [], list(tree.skipped))
    tops: set[str] = set()
    bare: set[str] = set()
    for p in parts:
        root = roots.get(p[depth]) if roots else _Root(depth)
        if root is None or len(p) < root.depth + 2:
            found.skipped.append(Skipped("/".join(p), _STRAY))
            if root is not None and roots and len(p) > depth + 1:
                bare.add(p[depth])
            continue
        found.paths.append("/".join(p))
        found.names.append(_class_of(p[root.depth : -1], classes))
        found.splits.append(root.split)
        tops.add("/".join(p[: root.depth]))
    lost = {name for name in bare if _split_of(roots, name) not in found.splits}
    if lost:
        raise DataError(
            f"the images of {listed(sorted(lost))} in {what} are not in class folders: "
            "make one folder for each class there, or move them away and predict on them later."
        )
    # Where a class may be missing: among the class folders, and among the splits.
    levels = tops | {"/".join(parts[0][:depth])}
    for folder in tree.empty:
        above = folder.rpartition("/")[0]
        if above in levels or (classes != "top" and above not in tree.empty):
            told = any(one.path.startswith(f"{folder}/") for one in tree.skipped)
            found.skipped.append(Skipped(folder, "a folder without images", count=int(not told)))
    return found


def _split_of(roots: Mapping[str, _Root | None], name: str) -> str:
    root = roots[name]
    return "" if root is None else root.split
