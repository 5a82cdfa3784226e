"""Models and caches of which bytes were changed, and configurations made up with a right checksum."""

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.hostile.mutations import mutated
from tests.hostile.toy_model import toys

from lightprobe import load
from lightprobe.errors import LightprobeError
from lightprobe.features.cache import FeatureStore, image_digest
from lightprobe.photo_model.disk import NO_CHECKSUM

MADE_UP: tuple[Any, ...] = (
    None,
    [],
    {},
    "x",
    -1,
    1e300,
    [[]],
    {"a": []},
    True,
    "../../etc/passwd",
    "__class__",
)


def case(number: int, random: np.random.Generator, folder: Path) -> str:
    """Damage a model, make one up, or damage a shard of a cache; then read it."""
    if number % 3 == 2:
        return _cache(random, folder)
    model = Path(shutil.copytree(toys()[1], folder / "model"))
    if number % 3 == 0:
        file = model / ("config.json", "model.safetensors")[number // 3 % 2]
        content = file.read_bytes()
        changed = mutated(content, int(random.integers(5)), random)
        if changed == content:
            return ""
        file.write_bytes(changed)
        expected_whole = False
    else:
        _make_up(model, random)
        expected_whole = True
    try:
        loaded = load(model)
        answer = loaded.predict_proba([str(_photo())])
    except LightprobeError as error:
        return "" if str(error).strip() and "\n" not in str(error).strip() else f"no sentence: {error!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if not expected_whole:
        return "a damaged model was read"
    return "" if np.isfinite(answer).all() else "an answer that is no number"


@cache
def _photo() -> Path:
    return next(toys()[0].rglob("test/*/*.png"))


def _make_up(model: Path, random: np.random.Generator) -> None:
    """Put another value somewhere into the configuration, and the checksum that is right for it."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    place, key = config, str(random.choice(list(config)))
    while isinstance(place[key], dict) and place[key] and random.random() < 0.7:
        place, key = place[key], str(random.choice(list(place[key])))
    if random.random() < 0.2:
        del place[key]
    else:
        place[key] = MADE_UP[int(random.integers(len(MADE_UP)))]
    if "checksum" in config:
        config["checksum"] = NO_CHECKSUM
    text = json.dumps(config).encode()
    if config.get("checksum") == NO_CHECKSUM:
        text = text.replace(NO_CHECKSUM.encode(), hashlib.sha256(text).hexdigest().encode(), 1)
    (model / "config.json").write_bytes(text)


def _cache(random: np.random.Generator, folder: Path) -> str:
    digests = [image_digest(bytes([place])) for place in range(50)]
    features = random.normal(size=(50, 30)).astype(np.float16)
    FeatureStore(folder).append(digests, features, 0.5)
    (shard,) = folder.glob("*.safetensors")
    content = shard.read_bytes()
    changed = mutated(content, int(random.integers(5)), random)
    shard.write_bytes(changed)
    store = FeatureStore(folder)
    for digest, row in zip(digests, features, strict=True):
        found = store.find(digest)
        if found is not None and not np.array_equal(found, row):
            return "a row that was not written"
        if found is not None and changed != content:
            return "a damaged shard was read"
    return ""
