"""From the names of files to classes and splits: what a folder tree means, on disk or in a zip."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lightprobe.errors import DataError
from lightprobe.images.imageset import Skipped, listed, natural_key

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".heic", ".heif", ".avif", ".ppm", ".pgm", ".pbm", ".pnm",
))
# fmt: on
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

# Folders that systems put beside photos: archive metadata of macOS, thumbnails of Synology.
_FOREIGN = frozenset(("__MACOSX", "@eaDir"))


@dataclass(frozen=True)
class Layout:
    """Which files of a tree are images of which class and split; the lists run in parallel."""

    paths: list[str]
    names: list[str]
    splits: list[str]
    skipped: list[Skipped]


def is_image_name(name: str) -> bool:
    """Tell by its extension, in any case, whether a file is taken for an image."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES and not is_ignored(name)


def is_ignored(name: str) -> bool:
    """Tell whether a file or folder is hidden or belongs to the system."""
    return name.startswith(".") or name in _FOREIGN


def arrange(files: Iterable[str], what: str, empty_folders: Collection[str] = ()) -> Layout:
    """Read a tree of class folders, with or without split folders above them.

    Parameters
    ----------
    files : relative paths of image files, with forward slashes
    what : how the data is called in messages
    empty_folders : relative paths of folders without any image in or below them

    Single folders that only wrap the tree are looked through. Raises DataError if there are no images,
    no class folders, or both split folders and others.
    """
    parts = sorted((file.split("/") for file in files), key=lambda p: natural_key("/".join(p)))
    if not parts:
        raise DataError(
            f"there are no images in {what}: give a folder with one folder of photos for each class."
        )
    depth = 0
    while len({p[depth] for p in parts}) == 1 and all(len(p) > depth + 2 for p in parts):
        if parts[0][depth].casefold() in SPLIT_NAMES:
            break
        depth += 1
    folders = {p[depth] for p in parts if len(p) > depth + 1}
    if not folders:
        raise DataError(
            f"the {len(parts)} image(s) in {what} are not in class folders: "
            "make one folder for each class, or give a .csv table with the columns path and label."
        )
    splits = {f for f in folders if f.casefold() in SPLIT_NAMES}
    others = folders - splits
    if not others:
        return _arrange_classes(parts, depth + 1, what, empty_folders, split=True)
    roles = {SPLIT_NAMES[f.casefold()] for f in splits}
    if "train" in roles and len(roles) > 1:
        raise DataError(
            f"{what} has {listed(sorted(splits))} beside {listed(sorted(others, key=natural_key))}: "
            "keep either folders of splits or folders of classes at the top, and move the others away."
        )
    return _arrange_classes(parts, depth, what, empty_folders, split=False)


def _arrange_classes(
    parts: list[list[str]], depth: int, what: str, empty_folders: Collection[str], *, split: bool
) -> Layout:
    """Take part `depth` of each path as its class, and the part before it as its split if `split`."""
    found = Layout([], [], [], [])
    roots = set()
    bare = set()
    for p in parts:
        if len(p) < depth + 2:
            found.skipped.append(Skipped("/".join(p), "not in a class folder"))
            if split and len(p) == depth + 1:
                bare.add(p[depth - 1])
            continue
        found.paths.append("/".join(p))
        found.names.append(p[depth])
        found.splits.append(SPLIT_NAMES[p[depth - 1].casefold()] if split else "")
        roots.add("/".join(p[:depth]))
    lost = {name for name in bare if SPLIT_NAMES[name.casefold()] not in found.splits}
    if lost:
        raise DataError(
            f"the images of {listed(sorted(lost))} in {what} are not in class folders: "
            "make one folder for each class there, or move them away and predict on them later."
        )
    for folder in empty_folders:
        if folder.rpartition("/")[0] in roots:
            found.skipped.append(Skipped(folder, "a folder without images"))
    return found
