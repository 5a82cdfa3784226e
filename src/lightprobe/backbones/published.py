"""Networks that others publish: from where, how large, under which licence, and whether they are at hand.

What is said here is read from a table beside this file, which `recipes/published_networks.py` writes from
torchvision and timm; neither is imported. The caches are theirs.
"""

import importlib.util
import json
import os
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from lightprobe.backbones.names import PACKAGED

TABLE: Final = Path(__file__).with_name("published.json")
PACKAGED_FILES: Final = Path(__file__).parent / "networks"
EXTRAS: Final = {"torchvision": "torch", "timm": "timm"}

State = Literal["inside", "cached", "download"]


@dataclass(frozen=True)
class Published:
    """A network and its published weights.

    Attributes
    ----------
    name : str
        As `create_backbone` takes it.
    library : {"lightprobe", "torchvision", "timm"}
        What has its definition.
    source : str
        Where the weights are: an address, or a name on the Hugging Face hub; of those inside the package the
        file's name.
    megabytes : float
        Their size; of timm's networks what float32 takes.
    licence : str or None
        Of the weights, where one is stated.
    """

    name: str
    library: str
    source: str
    megabytes: float
    licence: str | None

    @property
    def cached_file(self) -> Path:
        """Where the library keeps the weights, or the folder of its cache that holds them."""
        if self.library == "torchvision":
            return torch_hub() / "checkpoints" / self.source.rpartition("/")[2]
        return hugging_face_hub() / f"models--{self.source.replace('/', '--')}" / "snapshots"

    @property
    def state(self) -> State:
        """Whether it is inside the package, in the library's cache, or has to be downloaded."""
        if self.library == "lightprobe":
            return "inside"
        place = self.cached_file
        there = place.is_file() if self.library == "torchvision" else any(place.glob("*/*model*"))
        return "cached" if there else "download"

    @property
    def missing_extra(self) -> str | None:
        """The extra that its library comes with, where that is not installed."""
        extra = EXTRAS.get(self.library)
        return extra if extra and importlib.util.find_spec(self.library) is None else None

    @property
    def command(self) -> str:
        """What a shell is told to bring it to hand; empty where it is."""
        steps = []
        if self.missing_extra:
            steps.append(f"pip install 'lightprobe[{self.missing_extra}]'")
        if self.state == "download" and self.library == "torchvision":
            file = shlex.quote(str(self.cached_file))
            steps.append(f"curl -L --create-dirs -o {file} {self.source}")
        elif self.state == "download":
            steps.append(f"hf download {self.source}")
        return " && ".join(steps)


@cache
def published_networks() -> tuple[Published, ...]:
    """List the networks inside the package, all of torchvision's, and some of timm's."""
    inside = (
        Published(name, "lightprobe", file.name, round(file.stat().st_size / 1e6, 1), "Apache-2.0")
        for name, file in ((name, PACKAGED_FILES / f"{name}.onnx") for name in PACKAGED)
    )
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return (*inside, *(Published(**row) for row in rows))


def find_published(name: str) -> Published | None:
    """Return the network of that name; None if the table has none."""
    return next((one for one in published_networks() if one.name == name), None)


def torch_hub() -> Path:
    """Folder that torch keeps downloads in, as `torch.hub.get_dir` says it."""
    return _home("TORCH_HOME", "torch") / "hub"


def hugging_face_hub() -> Path:
    """Folder that the Hugging Face hub's downloads lie in, as huggingface_hub says it."""
    if (folder := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")) is not None:
        return Path(folder).expanduser()
    return _home("HF_HOME", "huggingface") / "hub"


def _home(variable: str, library: str) -> Path:
    """Folder of a library's own, from its environment variable or in the user's cache."""
    home = os.environ.get(variable)
    return Path(home or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / library).expanduser()
