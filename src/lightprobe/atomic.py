"""Files that are whole or not there: written beside their place under another name, then renamed."""

import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, replacing one that lies there; a crash leaves the old one or the new."""
    partial = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
