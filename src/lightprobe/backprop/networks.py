"""A backbone that learns, with a linear head: its stages, what is frozen, and how fast each part learns."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lightprobe.backbones import Tap, TorchBackbone, pool_output
from lightprobe.backprop.recipe import Unfreeze
from lightprobe.errors import OptionError


class HeadedNetwork(nn.Module):
    """Pixels to scores: normalise, run the backbone to its cut, average over positions, W f + b.

    Parameters
    ----------
    backbone : TorchBackbone
        Its tensors are copied: they stay as they are.
    n_classes : int
        Outputs of the head.
    unfreeze : "all", "head" or int
        What learns beside the head: everything, nothing, or the last so many stages. What is frozen stays
        as it is to the bit, the running statistics of its batch norms included.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: TorchBackbone, n_classes: int, unfreeze: Unfreeze = "all") -> None:
        super().__init__()
        self._backbone = backbone
        self._cut = backbone.find_cut(backbone.cut)
        tap = Tap(backbone.cut, "avg")
        self.body = copy.deepcopy(backbone.network([backbone.cut]))
        self.head = nn.Linear(backbone.feature_sizes([tap])[tap], n_classes)
        std = torch.tensor(backbone.preprocessing.std).view(1, 3, 1, 1)
        mean = torch.tensor(backbone.preprocessing.mean).view(1, 3, 1, 1)
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)
        stages = stages_of(backbone)
        learning = {"all": len(stages), "head": 0}.get(str(unfreeze), unfreeze)
        if not isinstance(learning, int) or isinstance(unfreeze, bool) or not 0 <= learning <= len(stages):
            raise OptionError(
                f"unfreeze is {unfreeze!r}; allowed are all, head, or how many of the last stages learn, "
                f"from 1 to {len(stages)} for {backbone.name} up to {backbone.cut}."
            )
        self.stages = stages
        self._learning = set().union(*stages[len(stages) - learning :])
        self.thaw()

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (n, 3, s, s) in 0..255 to scores (n, n_classes)."""
        outputs = self.body(pixels.to(self.scale.dtype) * self.scale + self.shift)
        scores: Tensor = self.head(pool_output(outputs[self._cut.name], self._cut, "avg"))
        return scores

    def freeze(self) -> None:
        """Let only the head learn."""
        self.body.requires_grad_(False)

    def thaw(self) -> None:
        """Let everything learn that is not frozen for good."""
        for name, parameter in self.body.named_parameters():
            parameter.requires_grad_(name in self._learning)

    def train(self, mode: bool = True) -> "HeadedNetwork":
        """Switch as every module does, but frozen batch norms go on using the statistics that they have."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.body.parameters()):
            self.body.eval()  # dropout, too, would only add noise
        for module in self.body.modules():
            if isinstance(module, _NormBase) and not any(p.requires_grad for p in module.parameters()):
                module.eval()
        return self

    def groups(self, lr: float, lr_decay: float) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """Yield (learning rate, parameters): the head's, then those of each stage from the last one back."""
        yield lr, list(self.head.parameters())
        named = dict(self.body.named_parameters())
        for depth, stage in enumerate(reversed(self.stages)):
            learning = [named[name] for name in named if name in stage & self._learning]
            if learning:
                yield lr * lr_decay**depth, learning

    def trained_backbone(self, label: str) -> TorchBackbone:
        """Return the backbone with what was learned in place of its tensors; `label` names them."""
        learned = self.body.state_dict()
        state = {
            name: learned[name].to("cpu", torch.float32).clone(memory_format=torch.contiguous_format)
            for name in self._backbone.state
        }
        return replace(self._backbone, state=state, weights=label)


def stages_of(backbone: TorchBackbone) -> list[set[str]]:
    """Name the parameters of each stage of a backbone, in the order of execution.

    A stage is a run of layers whose outputs have one resolution; of a transformer, one block.
    """
    infos = backbone.describe()
    ends = []
    for info, following in zip(infos, [*infos[1:], None], strict=True):
        layout = info.cut.layout
        if following is None or layout == "tokens" or layout != following.cut.layout:
            ends.append(info.name)
            continue
        place = slice(1, None) if layout == "nchw" else slice(0, 2)
        if info.shape[place] != following.shape[place]:
            ends.append(info.name)
    network: Any = backbone.network(ends)
    *steps, output = network.graph.nodes
    last = {node: end for end, node in output.args[0].items()}
    stages: list[set[str]] = [set()]
    for node in steps:
        if node.op == "call_module":
            module = network.get_submodule(node.target)
            stages[-1] |= {f"{node.target}.{name}" for name, _ in module.named_parameters()}
        elif node.op == "get_attr":
            stages[-1].add(node.target)
        if node in last:
            stages.append(set())
    return [stage for stage in stages if stage]
