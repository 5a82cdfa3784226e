"""Where things lie that are not the user's."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Folder of all caches: `LIGHTPROBE_CACHE`, or the platform's own place for caches."""
    chosen = os.environ.get("LIGHTPROBE_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("lightprobe"))
