"""timm's names: `timm:NAME`, with preprocessing and weights as timm publishes them."""

import contextlib
import difflib
import sys
from functools import partial
from math import floor
from typing import Any

from lightprobe.backbones.architecture import one_line
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.timm_architecture import PREFIX, TimmArchitecture, import_timm
from lightprobe.backbones.weights import Readers
from lightprobe.errors import BackboneError, WeightsError


def timm_names() -> list[str]:
    """List timm's architectures as `timm:NAME`; NAME may be followed by `.TAG`, a set of weights."""
    return [PREFIX + name for name in import_timm(f"{PREFIX}NAME").list_models()]


def published_facts(name: str) -> Any:
    """Return timm's `pretrained_cfg` of a network: sizes, statistics, where weights are, licence.

    Raises
    ------
    BackboneError
        timm has no network or weights of that name.
    """
    timm = import_timm(name)
    plain = name.removeprefix(PREFIX)
    network, dot, _ = plain.partition(".")
    known = timm.list_pretrained() if dot and timm.is_model(network) else timm.list_models()
    if plain not in known and (dot or not timm.is_model(plain)):  # which knows names that have since changed
        near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(PREFIX + other for other in near)}" if near else ""
        raise BackboneError(f"There is no backbone {name!r}{hint}: timm.list_models() lists timm's networks.")
    facts = timm.get_pretrained_cfg(plain)
    return facts if facts is not None else timm.models.PretrainedCfg()


def preprocessing_of(name: str) -> Preprocessing:
    """Return the preprocessing that the published weights were tested with, at their training size."""
    facts = published_facts(name)
    channels, crop, width = facts.input_size
    if channels != 3 or crop != width:
        raise BackboneError(
            f"{name} takes {channels} × {crop} × {width} inputs; lightprobe shows square RGB."
        )
    return Preprocessing(
        resize=max(crop, floor(crop / facts.crop_pct)),
        crop=crop,
        mean=tuple(facts.mean),
        std=tuple(facts.std),
        interpolation="bilinear" if facts.interpolation == "bilinear" else "bicubic",
        fit="squash" if facts.crop_mode == "squash" else "crop",
    )


def weights_name(name: str) -> str:
    """Name the weights that timm publishes for a network: NAME.TAG."""
    facts = published_facts(name)
    return ".".join(part for part in (facts.architecture, facts.tag) if part)


def fetch_weights(architecture: TimmArchitecture) -> tuple[Readers, str]:
    """Read published weights, from the caches (HF_HOME, TORCH_HOME) or downloaded into them; their name.

    Raises
    ------
    WeightsError
        There are none, or they are neither cached nor to be had.
    """
    name = architecture.builder
    facts = published_facts(name)
    if not facts.has_weights:
        raise WeightsError(f"timm publishes no weights for {name}: name a file with --weights.")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # downloads are announced on stdout
            state = architecture.pretrained_state(_hub_file(facts))
    except BackboneError:
        raise
    except Exception as error:  # whatever the hub, the network or a damaged file make of it
        where = f"{facts.hf_hub_id} from the Hugging Face hub" if facts.hf_hub_id else facts.url
        raise WeightsError(
            f"The weights of {name} are not on this machine and cannot be downloaded "
            f"({one_line(error).partition('. ')[0]}): get {where} where there is a network, "
            "and name the file with --weights."
        ) from error
    return {key: partial(state.__getitem__, key) for key in state}, weights_name(name)


def _hub_file(facts: Any) -> str | None:
    """Find or download the file of weights on the hub; None where timm must find them in its own way.

    What is cached is taken as it is: timm would ask the hub for news, and offline wait a minute for them.
    """
    if not facts.hf_hub_id or facts.hf_hub_filename or facts.custom_load:
        return None
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = {"repo_id": facts.hf_hub_id, "filename": "model.safetensors"}
    try:
        found: str = huggingface_hub.hf_hub_download(**wanted, local_files_only=True)
    except LocalEntryNotFoundError:
        # Fails at once without a network, where the download would try again for half a minute.
        huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url(**wanted))
        found = huggingface_hub.hf_hub_download(**wanted)
    return found
