"""A backbone and what runs it, as settled when a model was trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from lightprobe.backbones import Backbone, Parts, Runner, Tap, create_runner, pack, restore_backbone
from lightprobe.features import BackboneRunner, compile_for
from lightprobe.images import ImageSet
from lightprobe.runtime import Runtime


@dataclass(frozen=True, eq=False)
class Network:
    """A backbone, and engine and precision that its features were made with.

    Attributes
    ----------
    backbone : Backbone
    engine, precision : str
        Never "auto".
    agreement : float
        R² of its features, those of the same network in fp32 being the truth, on some training photos.
    weight_bytes : int
        What its weights take in memory.
    engine_state : mapping of str to ndarray
        What the engine needs beside the backbone to run the same: see Runner.
    """

    backbone: Backbone
    engine: str
    precision: str
    agreement: float
    weight_bytes: int
    engine_state: Parts = field(default_factory=dict, repr=False)
    _runners: dict[tuple[tuple[Tap, ...], str], Runner] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def for_photos(
        cls, images: ImageSet, backbone: Backbone, taps: Sequence[Tap], runtime: Runtime
    ) -> tuple[Self, BackboneRunner]:
        """Settle what runs a backbone for these photos.

        Returns
        -------
        network : Network
        compiled : BackboneRunner
            It, compiled for `taps`.
        """
        compiled, agreement = compile_for(images, backbone, taps, runtime)
        runner = compiled.runner
        network = cls(
            backbone, runner.engine, runner.precision, agreement, runner.weight_bytes, dict(runner.state)
        )
        network._runners[runner.taps, runtime.device] = runner
        return network, compiled

    def looking_as(self, backbone: Backbone) -> Self:
        """Return it with the same network looking at photos in another way; what is compiled is shared."""
        other = replace(self, backbone=backbone)
        object.__setattr__(other, "_runners", self._runners)
        return other

    def at(self, cut: str) -> Self:
        """Return this network ending at an earlier layer."""
        return self if cut == self.backbone.cut else replace(self, backbone=self.backbone.at(cut))

    def compiled(self, taps: Sequence[Tap], device: str) -> BackboneRunner:
        """Return it compiled for taps; compiled once, and kept as long as this network is."""
        key = tuple(taps), device
        if key not in self._runners:
            self._runners[key] = create_runner(
                self.backbone,
                taps,
                engine=self.engine,
                precision=self.precision,
                device=device,
                calibration=self.engine_state or None,
            )
        return BackboneRunner(self.backbone, self._runners[key])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is compiled, which is this process's own."""
        return vars(self) | {"_runners": {}}

    def to_tensors(self) -> tuple[Parts, dict[str, Any]]:
        """Take it apart: tensors, and plain values for a JSON file."""
        tensors = {f"backbone.{name}": tensor for name, tensor in pack(self.backbone.to_tensors()).items()}
        tensors |= {f"engine.{name}": tensor for name, tensor in self.engine_state.items()}
        config = {
            "backbone": self.backbone.to_config(),
            "precision": self.precision,
            "engine": self.engine,
            "agreement": self.agreement,
            "weight_bytes": self.weight_bytes,
        }
        return tensors, config

    @classmethod
    def from_tensors(cls, tensors: Parts, config: Mapping[str, Any]) -> Self:
        """Build it again."""
        return cls(
            restore_backbone(config["backbone"], named(tensors, "backbone.")),
            config["engine"],
            config["precision"],
            config["agreement"],
            config["weight_bytes"],
            named(tensors, "engine."),
        )


def seen_once(networks: Sequence[Network]) -> list[Network]:
    """List networks without those that differ from an earlier one only in how they look at photos."""
    first: list[Network] = []
    for network in networks:
        if not any(network.backbone.is_same_network(known.backbone) for known in first):
            first.append(network)
    return first


def network_facts(networks: Sequence[Network]) -> dict[str, Any]:
    """Describe networks in JSON values: `--backbone`'s names, and whatever else differs, joined by commas."""
    once = seen_once(networks)

    def each(values: Iterable[Any]) -> Any:
        listed = list(values)
        return listed[0] if len(set(listed)) == 1 else ",".join(map(str, listed))

    return {
        "backbone": ",".join(network.backbone.name for network in once),
        "looks": ",".join(dict.fromkeys(network.backbone.preprocessing.look for network in networks)),
        "image_size": each(network.backbone.preprocessing.crop for network in once),
        "precision": each(network.precision for network in once),
        "engine": each(network.engine for network in once),
        "weight_bytes": sum(network.weight_bytes for network in once),
        "agreement": min(network.agreement for network in once),
    }


def named(tensors: Parts, prefix: str) -> Parts:
    """Pick the tensors whose names begin with `prefix`, and take it off."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
