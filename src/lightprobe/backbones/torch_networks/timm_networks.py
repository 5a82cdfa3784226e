"""timm's networks, `timm:NAME`, with preprocessing and weights as timm publishes them.

They are built without data, and their cut points are found by running them without data.
"""

import contextlib
import copy
import difflib
import importlib
import sys
from functools import partial
from math import floor, isqrt
from typing import Any, Final

import torch
from torch import Tensor, nn

from lightprobe.backbones.names import TIMM_PREFIX
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.taps import Cut
from lightprobe.backbones.torch_networks.architecture import Architecture
from lightprobe.backbones.torch_networks.cutting import missing_data
from lightprobe.backbones.torch_networks.families import Family
from lightprobe.backbones.torch_networks.weights import Readers
from lightprobe.errors import BackboneError, MissingExtraError, WeightsError, one_line

_PLAIN: Final = Family(())


def import_timm(name: str) -> Any:
    """Import timm; MissingExtraError says what the backbone `name` needs."""
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise MissingExtraError("timm", "timm", f"Backbone {name}") from error


class TimmArchitecture(Architecture):
    """One of timm's image classification networks, built for one image size; `builder` is `timm:NAME`."""

    @property
    def family(self) -> Family:
        """Nothing: timm's own code knows its networks' kin."""
        return _PLAIN

    def build(self, *, data: bool) -> nn.Module:
        """Build the whole network, as `Architecture` says."""
        network = super().build(data=data)
        if not data:
            _fill_tables(network, self)
        for module in network.modules():
            if getattr(module, "inplace", None) is True:
                module.inplace = False  # type: ignore[assignment]  # else it overwrites the output of a cut
        return network

    def _make(self, *, data: bool) -> nn.Module:
        del data
        create, arguments = import_timm(self.builder).create_model, self._arguments()
        network: nn.Module = create(self._name, **arguments)
        if getattr(network, "dynamic_img_size", False):  # branches on the input's size, which is known here
            network = create(self._name, **arguments, dynamic_img_size=False)
        return network

    def find_cuts(self, network: nn.Module) -> tuple[Cut, ...]:
        """List the layers that timm names in its `feature_info`, and the last before pooling and classifier.

        The outputs are watched in a run without arithmetic; a layer that gives no tensor is no cut.
        """
        outputs, last = self._watch(network)
        named = [name for name in _feature_modules(network) if name in outputs]
        ends = [name for name, output in outputs.items() if output is last]
        if ends:
            # Containers and what stands last in them have one output: timm's name for it, or the shortest.
            end = next((name for name in named if name in ends), min(ends, key=len))
            named = [name for name in named if name not in ends] + [end]
        if not named:
            raise BackboneError(
                f"{self.builder} names no layers to cut it at: use another of timm's networks."
            )
        prefix = getattr(network, "num_prefix_tokens", None)
        return tuple(_cut(name, tuple(outputs[name].shape), prefix) for name in outputs if name in named)

    def converted(self, readers: Readers, network: nn.Module) -> Readers:
        """Turn weights as the network's authors published them, or for another image size, into timm's."""
        expected = network.state_dict()
        state = {key: reader() for key, reader in readers.items()}
        convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
        if convert is None or all(
            key in expected and tensor.shape == expected[key].shape for key, tensor in state.items()
        ):
            return readers
        try:
            state = convert(state, network)
        except Exception:  # weights of another network: whoever reads them says what does not fit
            return readers
        return {key: partial(state.__getitem__, key) for key in state}

    def pretrained_state(self, file: str | None = None) -> dict[str, Tensor]:
        """Let timm read the published weights and fit them to `image_size`: from `file`, else downloaded."""
        overlay = None if file is None else {"file": file}
        network: nn.Module = import_timm(self.builder).create_model(
            self._name, pretrained=True, pretrained_cfg_overlay=overlay, **self._arguments()
        )
        return network.state_dict()

    @property
    def _name(self) -> str:
        return self.builder.removeprefix(TIMM_PREFIX)

    def _arguments(self) -> dict[str, Any]:
        config = import_timm(self.builder).get_pretrained_cfg(self._name)
        resized = config is not None and config.fixed_input_size and config.input_size[-1] != self.image_size
        return {**({"img_size": self.image_size} if resized else {}), **self.arguments}

    def _watch(self, network: nn.Module) -> tuple[dict[str, Tensor], object]:
        """Run without arithmetic: every module's output, in the order of execution, and the features."""
        twin = copy.deepcopy(network).to("meta")
        outputs: dict[str, Tensor] = {}
        for name, module in twin.named_modules():

            def keep(_module: nn.Module, _inputs: object, output: object, name: str = name) -> None:
                if isinstance(output, Tensor) and output.ndim in (3, 4) and name:
                    outputs[name] = output

            module.register_forward_hook(keep)
        image = torch.empty(1, 3, self.image_size, self.image_size, device="meta")
        try:
            with torch.inference_mode():
                last = twin.forward_features(image)  # type: ignore[operator]  # all of timm's have it
        except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
            raise BackboneError(
                f"{self.builder} cannot take {self.image_size}-pixel images ({one_line(error)}): "
                "use `image_size` with a size that it was made for, or another network."
            ) from error
        return outputs, last


def _feature_modules(network: nn.Module) -> list[str]:
    """Name the layers of timm's `feature_info`, which is a list or an object around one."""
    found = getattr(network, "feature_info", [])
    entries = getattr(found, "info", found)
    return [entry["module"] for entry in entries if "module" in entry]


def _cut(name: str, shape: tuple[int, ...], prefix_tokens: int | None) -> Cut:
    """Tell channels from positions: images are square, and so are their feature maps."""
    if len(shape) == 4:
        return Cut(name, "nchw" if shape[2] == shape[3] else "nhwc")
    tokens = shape[1]
    prefix = tokens - isqrt(tokens) ** 2 if prefix_tokens is None else prefix_tokens
    is_there = isqrt(tokens - prefix) ** 2 == tokens - prefix  # some networks add the class token late
    return Cut(name, "tokens", prefix if is_there else 0)


def _fill_tables(network: nn.Module, architecture: TimmArchitecture) -> None:
    """Give data to the buffers that no weights file holds, like tables of relative positions."""
    kept = network.state_dict()
    tables = [name for name in missing_data(network) if name not in kept]
    if tables:
        real = architecture.build(data=True)
        for name in tables:
            owner, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(owner), attribute, real.get_buffer(name))


def timm_names() -> list[str]:
    """List timm's architectures as `timm:NAME`; NAME may be followed by `.TAG`, a set of weights."""
    return [TIMM_PREFIX + name for name in import_timm(f"{TIMM_PREFIX}NAME").list_models()]


def published_facts(name: str) -> Any:
    """Return timm's `pretrained_cfg` of a network: sizes, statistics, where weights are, licence.

    Raises
    ------
    BackboneError
        timm has no network or weights of that name.
    """
    timm = import_timm(name)
    plain = name.removeprefix(TIMM_PREFIX)
    network, dot, _ = plain.partition(".")
    known = timm.list_pretrained() if dot and timm.is_model(network) else timm.list_models()
    if plain not in known and (dot or not timm.is_model(plain)):  # which knows names that have since changed
        near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(TIMM_PREFIX + other for other in near)}" if near else ""
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
        There are none, or they are neither cached nor downloadable.
    """
    name = architecture.builder
    facts = published_facts(name)
    if not facts.has_weights:
        raise WeightsError(f"timm publishes no weights for {name}: name a file with `weights`.")
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
            "and name the file with `weights`."
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
