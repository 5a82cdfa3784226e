"""A network as a recipe, that can be built without data."""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from lightprobe.backbones.taps import Cut
from lightprobe.backbones.torch_networks.families import FAMILIES, Family
from lightprobe.errors import BackboneError, one_line

# torch hands over either: functions of its own that dispatch, or the methods that those which do not end in.
_FILLS: Final = (
    *(nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_),
    *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_),
)


class WithoutData(TorchFunctionMode):
    """Within it, modules make their parameters on the meta device: shapes, no memory, no arithmetic.

    Only the factories that parameters and running statistics come from are redirected, not the default
    device: some constructors compute with small tensors (RegNet its widths, Swin its index tables),
    and those stay real. Filling a tensor without data is left out: it does nothing, and takes longer than all
    else that a RegNet is built of.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in _FILLS and (filled := args[0] if args else options["tensor"]).is_meta:
            return filled
        if func in (torch.empty, torch.zeros, torch.ones):
            options["device"] = "meta"
        return func(*args, **options)


@dataclass(frozen=True)
class Architecture:
    """A torchvision classification network, built for one image size.

    Parameters
    ----------
    builder : str
        torchvision's name of the network.
    image_size : int
        Pixels; some networks are built for one size.
    arguments : mapping
        Further arguments of the builder, fit for JSON.
    """

    builder: str
    image_size: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> Family:
        """Facts that the network shares with its kin."""
        return FAMILIES[models.get_model_builder(self.builder).__module__.rpartition(".")[2]]

    def build(self, *, data: bool) -> nn.Module:
        """Build the whole network, classifier included, in eval mode.

        With `data`, parameters are drawn from torch's global generator; without, they have shapes only.
        """
        try:
            with nullcontext() if data else WithoutData():
                network = self._make(data=data)
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, BackboneError):
                raise
            with_arguments = f" with {dict(self.arguments)}" if self.arguments else ""
            raise BackboneError(
                f"{self.builder} cannot be built for {self.image_size}-pixel images{with_arguments}: "
                f"{one_line(error)}."
            ) from error
        return network.eval().requires_grad_(False)

    def _make(self, *, data: bool) -> nn.Module:
        """Call the builder; without `data`, whatever it draws is lost."""
        del data
        family = self.family
        arguments = {**family.arguments, **self.arguments}
        if family.size_arguments is not None:
            arguments |= family.size_arguments(self.image_size)
        network: nn.Module = models.get_model(self.builder, weights=None, **arguments)
        return network

    def __hash__(self) -> int:
        """Of the fingerprint: arguments are a mapping."""
        return hash(self.fingerprint())

    def find_cuts(self, network: nn.Module) -> tuple[Cut, ...]:
        """List the cut points of a network that was built, in the order of execution."""
        return self.family.find_cuts(network)

    def fingerprint(self) -> bytes:
        """Return bytes that differ between architectures."""
        return json.dumps([self.builder, self.image_size, dict(self.arguments)], sort_keys=True).encode()
