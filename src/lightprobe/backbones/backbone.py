"""A backbone: a frozen network up to its cut, with everything needed to run it and to save it."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.preprocessing import Look, Preprocessing
from lightprobe.backbones.taps import Cut, CutInfo, Tap
from lightprobe.errors import BackboneError


@dataclass(frozen=True, eq=False)
class Backbone(ABC):
    """A frozen network that ends at `cut`; what lies behind it is neither run nor kept.

    It is a graph of OpenVINO's (`GraphBackbone`), which the default job runs, or a network of torch's
    (`TorchBackbone`), which gradients and other devices need.

    Parameters
    ----------
    name : str
        As `create_backbone` takes it.
    preprocessing : Preprocessing
    cut : str
        The deepest layer kept.
    weights : str
        Where the weights come from, for people.
    """

    name: str
    preprocessing: Preprocessing
    cut: str
    weights: str

    @property
    @abstractmethod
    def cuts(self) -> tuple[Cut, ...]:
        """The layers that can be tapped, up to `cut`, in the order of execution."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Digest of network and weights: a part of the key of cached features."""

    @abstractmethod
    def at(self, cut: str) -> Self:
        """Return this backbone ending at an earlier layer, what lies behind it let go."""

    @abstractmethod
    def measured(self, cuts: Sequence[Cut]) -> tuple[CutInfo, ...]:
        """Measure cuts, given in the order of execution, without running the network."""

    @abstractmethod
    def graph(self, cuts: Sequence[str]) -> Any:
        """Return the network as a graph that ends at the named layers.

        Returns
        -------
        openvino.Model
            From normalised images (n, 3, s, s), float32, any n, to one output a layer, in their order. It
            is the caller's to change.

        Raises
        ------
        BackboneError
            A network of torch's cannot be converted.
        """

    @abstractmethod
    def first_kernels(self) -> NDArray[np.float32] | None:
        """Return the weights (k, 3, height, width) of the first convolution; None where there is none."""

    @abstractmethod
    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return its weights as arrays, for the disk."""

    @abstractmethod
    def to_config(self) -> dict[str, Any]:
        """Everything but the weights, fit for JSON."""

    @cached_property
    def _infos(self) -> dict[str, CutInfo]:
        return {info.name: info for info in self.measured(self.cuts)}

    def looking(self, look: Look) -> Self:
        """Return this backbone looking at photos in another way."""
        return replace(self, preprocessing=self.preprocessing.with_look(look))

    def is_same_network(self, other: "Backbone") -> bool:
        """Tell whether another is the same network up to the same layer, however it looks at photos."""
        return self.cut == other.cut and self.digest == other.digest and self._scaling == other._scaling

    @property
    def _scaling(self) -> tuple[object, ...]:
        """What of the preprocessing is done inside of the compiled network."""
        how = self.preprocessing
        return how.crop, how.mean, how.std

    def describe(self) -> list[CutInfo]:
        """Measure every layer that can be tapped, without running the network."""
        return list(self._infos.values())

    def find_cut(self, name: str) -> Cut:
        """Return the named cut; BackboneError if the network has none of that name or ends before it."""
        return find_cut(name, self.cuts, self.name)

    def feature_sizes(self, taps: Iterable[Tap]) -> dict[Tap, int]:
        """Count the features a photo that each tap gives, without running the network."""
        sizes = {}
        for tap in taps:
            (info,) = self.measured([self.find_cut(tap.cut)])
            sizes[tap] = info.pooled if tap.pool == "avg" else info.flattened
        return sizes

    def multiplications(self, cut: str) -> int:
        """Count what looking at one photo takes up to a layer, without running the network."""
        return self.measured([self.find_cut(cut)])[0].multiplications


def find_cut(name: str, cuts: Sequence[Cut], network: str) -> Cut:
    """Return the cut of that name; BackboneError names near matches."""
    for cut in cuts:
        if cut.name == name:
            return cut
    names = [cut.name for cut in cuts]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[-3:]
    raise BackboneError(
        f"{network} has no cut {name!r} here; near it are {', '.join(near)}, "
        f"and `lightprobe backbones {network}` lists them all."
    )


def pack(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Shrink each array of float32 to float16 where that loses nothing, for the disk."""
    return {key: halved(values) for key, values in state.items()}


def halved(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 as float16 where that loses nothing, else the array itself."""
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):  # what passes float16 becomes infinite, and is seen to differ
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else values
