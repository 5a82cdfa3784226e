"""Facts about torchvision's families of classification networks, as data.

Each family is keyed by the torchvision module that builds it. Its cut rules name modules dot by dot
(`*` stands for one part), optionally only those of some classes (patterns too). The cuts come in the order
of execution; the last one is the default: the features before pooling and classifier.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from lightprobe.backbones.taps import Cut, Layout


@dataclass(frozen=True)
class CutRule:
    """Modules that are cut points: a name pattern and, if given, the classes they must be of."""

    pattern: str
    classes: tuple[str, ...] = ()
    layout: Layout = "nchw"
    prefix_tokens: int = 0

    def matches(self, name: str, module: nn.Module) -> bool:
        """Whether the rule makes this module a cut point."""
        parts, patterns = name.split("."), self.pattern.split(".")
        return (
            len(parts) == len(patterns)
            and all(fnmatchcase(part, pattern) for part, pattern in zip(parts, patterns, strict=True))
            and (not self.classes or any(fnmatchcase(type(module).__name__, kind) for kind in self.classes))
        )


@dataclass(frozen=True)
class Family:
    """What is common to the networks of one torchvision module.

    Parameters
    ----------
    rules : tuple of CutRule
    arguments : mapping
        What the builder must be told, beyond `weights=None`, so that the network is the one that its
        published weights were trained as, without its auxiliary heads.
    size_arguments : callable or None
        From the image size to builder arguments, where a network is built for one size.
    renames : tuple of (pattern, replacement)
        Regular expressions from key names in published weights to those of today's modules.
    auxiliary : tuple of str
        Prefixes of keys that published weights hold for heads which only training uses.
    positions : str or None
        Key of a position embedding (1, 1 + side², d) that is interpolated for another image size.
    """

    rules: tuple[CutRule, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    size_arguments: Callable[[int], dict[str, Any]] | None = None
    renames: tuple[tuple[str, str], ...] = ()
    auxiliary: tuple[str, ...] = ()
    positions: str | None = None

    def find_cuts(self, network: nn.Module) -> tuple[Cut, ...]:
        """List a network's cut points in the order of execution.

        A stage and its last block have the same output: the cut bears the stage's name.
        """
        found: dict[str, Cut] = {}
        repeated: set[str] = set()
        for name, module in _after_their_children(network):
            rule = next((rule for rule in self.rules if rule.matches(name, module)), None)
            if rule is not None:
                found[name] = Cut(name, rule.layout, rule.prefix_tokens)
                repeated |= _last_descendants(name, module)
        return tuple(cut for name, cut in found.items() if name not in repeated)


def _after_their_children(module: nn.Module, name: str = "") -> list[tuple[str, nn.Module]]:
    """List all modules by name, each behind its children: the order in which their outputs are ready."""
    order = []
    for child_name, child in module.named_children():
        order += _after_their_children(child, f"{name}.{child_name}" if name else child_name)
    return [*order, (name, module)]


def _last_descendants(name: str, module: nn.Module) -> set[str]:
    """Name the last child of a module, that one's last child, and so on."""
    names = set()
    while children := list(module.named_children()):
        last, module = children[-1]
        name = f"{name}.{last}"
        names.add(name)
    return names


_FEATURES = CutRule("features")
_PLAIN_LAYERS = CutRule("features.*", classes=("ReLU", "MaxPool2d"))  # in place of their convolutions
_NO_AUXILIARY = {"aux_logits": False, "init_weights": True}

FAMILIES: Mapping[str, Family] = {
    "alexnet": Family((_PLAIN_LAYERS, _FEATURES)),
    "convnext": Family((CutRule("features.*"), CutRule("features.*.*", classes=("CNBlock",)), _FEATURES)),
    "densenet": Family(
        (
            CutRule("features.*", classes=("MaxPool2d", "_DenseBlock", "_Transition")),
            _FEATURES,
        ),
        renames=((r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2"),),
    ),
    "efficientnet": Family(
        (CutRule("features.*"), CutRule("features.*.*", classes=("MBConv", "FusedMBConv")), _FEATURES)
    ),
    "googlenet": Family(
        (CutRule("maxpool[1-4]"), CutRule("conv[23]"), CutRule("inception*")),
        # The published weights expect torchvision's own conversion from ImageNet's statistics to 0.5.
        arguments={**_NO_AUXILIARY, "transform_input": True},
        auxiliary=("aux1.", "aux2."),
    ),
    "inception": Family(
        (CutRule("Conv2d_*"), CutRule("maxpool[12]"), CutRule("Mixed_*")),
        arguments={**_NO_AUXILIARY, "transform_input": True},
        auxiliary=("AuxLogits.",),
    ),
    "maxvit": Family(
        (CutRule("stem"), CutRule("blocks.*.layers.*"), CutRule("blocks.*")),
        size_arguments=lambda size: {"input_size": (size, size)},
    ),
    "mnasnet": Family(
        (
            CutRule("layers.*", classes=("ReLU", "Sequential")),
            CutRule("layers.7"),
            CutRule("layers.*.*", classes=("_InvertedResidual",)),
            CutRule("layers"),
        )
    ),
    "mobilenetv2": Family((CutRule("features.*"), _FEATURES)),
    "mobilenetv3": Family((CutRule("features.*"), _FEATURES)),
    "regnet": Family(
        (CutRule("stem"), CutRule("trunk_output.*.*"), CutRule("trunk_output.*"), CutRule("trunk_output"))
    ),
    "resnet": Family((CutRule("maxpool"), CutRule("layer[1-4].*"), CutRule("layer[1-4]"))),
    "shufflenetv2": Family(
        (CutRule("maxpool"), CutRule("stage[2-4].*"), CutRule("stage[2-4]"), CutRule("conv5"))
    ),
    "squeezenet": Family((CutRule("features.*", classes=("ReLU", "MaxPool2d", "Fire")), _FEATURES)),
    "swin_transformer": Family(
        (
            CutRule("features.*", layout="nhwc"),
            CutRule("features.*.*", classes=("SwinTransformerBlock*",), layout="nhwc"),
            CutRule("norm", layout="nhwc"),
        )
    ),
    "vgg": Family((_PLAIN_LAYERS, _FEATURES)),
    "vision_transformer": Family(
        (
            CutRule("encoder.layers.*", layout="tokens", prefix_tokens=1),
            CutRule("encoder.ln", layout="tokens", prefix_tokens=1),
        ),
        size_arguments=lambda size: {"image_size": size},
        renames=((r"^(.*\.mlp)\.linear_1\.", r"\1.0."), (r"^(.*\.mlp)\.linear_2\.", r"\1.3.")),
        positions="encoder.pos_embedding",
    ),
}
