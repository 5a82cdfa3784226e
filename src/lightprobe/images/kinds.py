"""What a file or folder is, as far as its name tells, and its first bytes where the name does not."""

from collections.abc import Callable, Collection

from lightprobe.errors import ImageError

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif",
    ".tiff", ".heic", ".heif", ".hif", ".avif", ".ppm", ".pgm", ".pbm", ".pnm",
))
# Most of these are TIFF by their first bytes, and what a decoder finds there is a thumbnail.
_RAW_SUFFIXES = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))
# What lies beside photos and is none. Whoever gathers data knows of these: they are no fault in it.
_OTHER_SUFFIXES = frozenset((
    ".txt", ".md", ".rst", ".rtf", ".pdf", ".doc", ".docx", ".odt", ".html", ".htm", ".css", ".log", ".url",
    ".lnk", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".xmp", ".aae", ".yaml", ".yml", ".toml",
    ".ini", ".cfg", ".names", ".xls", ".xlsx", ".ods", ".db", ".sqlite", ".sqlite3", ".mat", ".npy", ".npz",
    ".parquet", ".arrow", ".feather", ".h5", ".hdf5", ".pkl", ".pickle", ".lst", ".rec", ".idx",
    ".tfrecord", ".py", ".ipynb", ".m", ".r", ".sh", ".bat", ".js", ".zip", ".tar", ".gz", ".tgz", ".bz2",
    ".xz", ".7z", ".rar", ".md5", ".sha1", ".sha256", ".pt", ".pth", ".onnx", ".safetensors", ".bin",
    ".ckpt", ".mp3", ".wav", ".m4a", ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".3gp", ".mts",
    ".thm", ".bak", ".tmp",
))
# Systems and their shares put these beside photos.
_SYSTEM_FOLDERS = frozenset((
    "__macosx", "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "$recycle.bin",
    "recycler", "recycled", "system volume information", "found.000", "lost+found", "network trash folder",
    "temporary items", "__pycache__",
))
_SYSTEM_FILES = frozenset((
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "picasa.ini",
    "zbthumbnail.info",
))
# fmt: on

# What lightprobe writes side by side: of a model, and of a check.
_OWN_FILES = (
    (frozenset(("config.json", "model.safetensors")), frozenset(("README.md",))),
    (frozenset(("check.csv", "check.html")), frozenset[str]()),
)
ROWS = "rows.jsonl"  # what tells the folder of a run, a comparison or a study
_ROW_KEYS = (b'"method"', b'"study"', b'"epoch"')

HEAD_BYTES = 512  # that tell what a file is

_NO_PHOTO = "no photo"


def is_image_name(name: str) -> bool:
    """Tell by its extension, in any case, whether a file is taken for an image."""
    return suffix_of(name) in IMAGE_SUFFIXES and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden."""
    return name.startswith(".")


def is_foreign_folder(name: str) -> bool:
    """Tell whether a folder is hidden or belongs to the system."""
    return is_hidden(name) or name.casefold() in _SYSTEM_FOLDERS


def is_foreign_file(name: str) -> bool:
    """Tell whether a file is hidden or belongs to the system."""
    return is_hidden(name) or name.casefold() in _SYSTEM_FILES


def own_files(names: Collection[str]) -> frozenset[str]:
    """Return those of a folder's files that are a model or a report of lightprobe's check."""
    return frozenset().union(
        *(whole | (more & set(names)) for whole, more in _OWN_FILES if whole.issubset(names))
    )


def is_run_row(head: bytes) -> bool:
    """Tell from the first bytes of a `rows.jsonl` whether lightprobe wrote it."""
    line = head.partition(b"\n")[0]
    return line.startswith(b"{") and any(key in line for key in _ROW_KEYS)


def suffix_of(name: str) -> str:
    """Return the extension with its dot in lower case; empty for a name without, and for a hidden one."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def why_no_photo(name: str, head: Callable[[], bytes]) -> str:
    """Return why a file is not taken for an image; empty if it is.

    A known extension tells. Where there is none, or one that says nothing, the first bytes do, but for
    formats that begin like other files, too.

    Parameters
    ----------
    name : str
        The file's own name, without folders.
    head : callable
        Returns the file's first `HEAD_BYTES` bytes, or raises ImageError.
    """
    suffix = suffix_of(name)
    if suffix in IMAGE_SUFFIXES:
        return ""
    if suffix in _RAW_SUFFIXES:
        return "a camera's raw file, which is not read: save it as JPEG"
    if suffix in _OTHER_SUFFIXES:
        return _NO_PHOTO
    try:
        return "" if is_image_content(head()) else "not an image of a known format"
    except ImageError as error:
        return error.reason


def is_harmless(reason: str) -> bool:
    """Tell whether what `why_no_photo` returned is no fault of the data."""
    return reason == _NO_PHOTO


def is_image_content(head: bytes) -> bool:
    """Tell an image by its first bytes; ImageError with the reason if it is none that is read.

    Of the formats with weak marks, BMP has to have its reserved bytes, and the PPM family is told by its
    extension only: texts begin so, too.
    """
    from lightprobe.images.decoding import sniff  # and its decoders: only where a name does not tell

    kind = sniff(head)
    return kind != "PPM" and (kind != "BMP" or (len(head) > 26 and head[6:10] == bytes(4)))
