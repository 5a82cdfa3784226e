"""Networks of torch's as graphs of OpenVINO's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lightprobe.backbones.graphs import import_openvino
from lightprobe.errors import BackboneError, one_line


class _Outputs(nn.Module):
    """A cut network whose outputs are a tuple, in the order of its cuts."""

    def __init__(self, network: nn.Module, cuts: Sequence[str]) -> None:
        super().__init__()
        self.network, self.cuts = network, tuple(cuts)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run it on images (n, 3, s, s)."""
        outputs = self.network(images)
        return tuple(outputs[cut] for cut in self.cuts)


def convert(network: nn.Module, cuts: Sequence[str], side: int, name: str) -> Any:
    """Convert a cut network.

    The way leads through torch.export: it takes half the time of tracing with torch.jit, which is
    deprecated besides.

    Returns
    -------
    openvino.Model
        From normalised images (n, 3, side, side), float32, any n, to one output a cut, named as it is.

    Raises
    ------
    BackboneError
        torch cannot export the network or OpenVINO not take it.
    """
    openvino = import_openvino()
    batch = torch.export.Dim("batch", min=1, max=65_536)
    example = torch.zeros((2, 3, side, side))
    try:
        with torch.no_grad():
            exported = torch.export.export(
                _Outputs(network, cuts).eval(), (example,), dynamic_shapes=({0: batch},)
            )
            model = openvino.convert_model(exported)
        model.reshape([-1, 3, side, side])
        for output, cut in zip(model.outputs, cuts, strict=True):
            output.set_names({cut})
    except Exception as error:  # both raise whatever they like at a network that they cannot take
        raise BackboneError(
            f"OpenVINO cannot take {name} ({one_line(error)}): use --engine eager."
        ) from error
    return model
