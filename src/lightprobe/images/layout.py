"""From the names of files to classes and splits: what a folder tree means, on disk or in a zip."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from lightprobe.errors import DataError, OptionError
from lightprobe.images.imageset import Skipped, class_name, listed, natural_key
from lightprobe.images.listing import Listing
from lightprobe.images.split_names import parse_split, plain_role, roles_of

CLASSES = ("top", "leaf")
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
        raise OptionError(f"classes is {classes!r}; allowed are {', '.join(CLASSES)} (--classes).")


def arrange(tree: Listing, what: str, classes: str | None = None) -> Layout:
    """Read a tree of class folders, with or without split folders above them.

    Parameters
    ----------
    tree : Listing
    what : str
        How the data is called in messages.
    classes : {"top", "leaf"}, optional
        Which folder is the class: the first below the split, or the one that a photo lies in. Without it
        the first, unless the tree can be read either way.

    Single folders that only wrap the tree are looked through. Raises DataError if there are no images,
    no class folders, both split folders and others, or if the tree can be read in two ways.
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
    return _arranged(tree, parts, depth, roots, what, leaf=classes == "leaf")


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
                f"{listed(strangers)} with none: add --classes top if all of them are classes, or move away "
                "what is none."
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
    """Raise DataError if the folders at the top hold the same folders: either may be the classes.

    They do if two names or more stand in several of them, and those make up most of what is in them. One
    name (`cat/images`, `dog/images`) is no class, and where most photos lie right in the top folders, these
    are the classes.
    """
    pairs: dict[tuple[str, str], None] = {}
    n_direct = n = 0
    for p in parts:
        root = roots.get(p[depth]) if roots else _Root(depth)
        if root is None or len(p) < root.depth + 2:
            continue
        n += 1
        if len(p) == root.depth + 2:
            n_direct += 1
        else:
            pairs[p[root.depth], p[root.depth + 1]] = None
    count = Counter(sub for _, sub in pairs)
    shared = [sub for sub in count if count[sub] > 1]
    holders = list(dict.fromkeys(top for top, sub in pairs if count[sub] > 1))
    n_shared = sum(count[sub] for sub in shared)
    if len(shared) < 2 or 2 * n_shared < len(pairs) or 2 * n_direct >= n:
        return
    raise DataError(
        f"{what} has the same folders ({listed(sorted(shared, key=natural_key), 4)}) in "
        f"{listed(sorted(holders, key=natural_key), 4)}, so it can be read in two ways: add --classes top if "
        f"{_two(holders)} are the classes, --classes leaf if {_two(shared)} are; and if the upper folders "
        "part training photos from test photos, call them train and test."
    )


def _two(names: Iterable[str]) -> str:
    return " and ".join(islice(sorted(names, key=natural_key), 2))


def _arranged(
    tree: Listing,
    parts: Sequence[Parts],
    depth: int,
    roots: Mapping[str, _Root | None],
    what: str,
    *,
    leaf: bool,
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
        found.names.append(p[-2] if leaf else p[root.depth])
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
        if above in levels or (leaf and above not in tree.empty):
            told = any(one.path.startswith(f"{folder}/") for one in tree.skipped)
            found.skipped.append(Skipped(folder, "a folder without images", count=int(not told)))
    return found


def _split_of(roots: Mapping[str, _Root | None], name: str) -> str:
    root = roots[name]
    return "" if root is None else root.split
