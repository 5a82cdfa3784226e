"""A backbone that is a graph: what the default job runs, from a file or converted from torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.backbone import Backbone, find_cut
from lightprobe.backbones.graphs.composing import end_at
from lightprobe.backbones.graphs.graph_cache import Parts
from lightprobe.backbones.graphs.images_in import take_images
from lightprobe.backbones.graphs.onnx_files import cut_onnx
from lightprobe.backbones.graphs.openvino import from_bytes, to_bytes
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.taps import Cut, CutInfo
from lightprobe.errors import BackboneError, WeightsError

KIND: Final = "graph"


@dataclass(frozen=True, eq=False)
class GraphBackbone(Backbone):
    """A frozen network as a graph, in memory.

    Parameters
    ----------
    infos : tuple of CutInfo
        The layers up to `cut`, measured, in the order of execution.
    source : str
        Digest of what the graph was made from.
    parts : mapping
        The graph as bytes (uint8): `onnx`, or OpenVINO's `xml` and `bin`.
    tensors : mapping of str to str
        From the layers' names to those of their tensors or operations in the graph.
    """

    infos: tuple[CutInfo, ...]
    source: str
    parts: Parts = field(repr=False)
    tensors: Mapping[str, str] = field(repr=False)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The layers that can be tapped, up to `cut`, in the order of execution."""
        return tuple(info.cut for info in self.infos)

    @property
    def digest(self) -> str:
        """Digest of network and weights, the same wherever it is cut."""
        return self.source

    def at(self, cut: str) -> Self:
        """Return this backbone ending at an earlier layer, what lies behind it let go."""
        infos = self.infos[: self.cuts.index(self.find_cut(cut)) + 1]
        tensors = {info.name: self.tensors[info.name] for info in infos}
        if "onnx" in self.parts:
            parts = {"onnx": cut_onnx(self.parts["onnx"], list(tensors.values()))}
            try:
                from_bytes(parts)
            # OpenVINO 2026.4 reads no graph that ends between a quantisation and its undoing.
            except RuntimeError:
                parts = dict(self.parts)
        else:
            parts = to_bytes(end_at(from_bytes(self.parts), list(tensors.values())))
        return replace(self, cut=cut, infos=infos, parts=parts, tensors=tensors)

    def measured(self, cuts: Sequence[Cut]) -> tuple[CutInfo, ...]:
        """Return what was measured when the graph was made."""
        return tuple(info for info in self.infos if info.cut in cuts)

    def graph(self, cuts: Sequence[str]) -> Any:
        """Return the network as a graph that ends at the named layers."""
        for cut in cuts:
            self.find_cut(cut)
        model = from_bytes(self.parts)
        take_images(self.name, model, self.preprocessing.crop)
        return end_at(model, [self.tensors[cut] for cut in cuts])

    def first_kernels(self) -> NDArray[np.float32] | None:
        """Return the weights (k, 3, height, width) of the first convolution; None where there is none."""
        for op in from_bytes(self.parts).get_ordered_ops():
            if op.get_type_name() == "Convolution":
                weights = constant_of(op.input_value(1).get_node())
                return weights if weights is not None and weights.shape[1] == 3 else None
        return None

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return its weights as arrays, for the disk."""
        return dict(self.parts)

    def to_config(self) -> dict[str, Any]:
        """Everything but the weights, fit for JSON."""
        return {
            "kind": KIND,
            "name": self.name,
            "preprocessing": self.preprocessing.to_config(),
            "cut": self.cut,
            "weights": self.weights,
            "source": self.source,
            "layers": [{**info.to_config(), "tensor": self.tensors[info.name]} for info in self.infos],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a backbone from `to_config` and its tensors; reads no other file.

        Raises
        ------
        WeightsError
            The tensors are not the graph that `config` describes.
        """
        layers = [dict(layer) for layer in config["layers"]]
        named = {layer["cut"]["name"]: layer.pop("tensor") for layer in layers}
        infos = tuple(CutInfo.from_config(layer) for layer in layers)
        find_cut(config["cut"], [info.cut for info in infos], config["name"])
        backbone = cls(
            config["name"],
            Preprocessing.from_config(config["preprocessing"]),
            config["cut"],
            config["weights"],
            infos,
            config["source"],
            dict(tensors),
            named,
        )
        try:
            backbone.graph([config["cut"]])
        except (KeyError, RuntimeError, BackboneError) as error:
            raise WeightsError(
                f"The saved network does not fit {config['name']} cut at {config['cut']}."
            ) from error
        return backbone


def constant_of(node: Any) -> NDArray[np.float32] | None:
    """Return the numbers of a constant, also of one that is stored in float16 and cast; None of others."""
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    values: NDArray[np.float32] = node.get_data().astype(np.float32)
    return values
