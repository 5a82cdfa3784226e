"""Scratch: a network from random weights."""

from dataclasses import KW_ONLY, dataclass

from lightprobe.backbones import PLAIN_CNNS, create_backbone
from lightprobe.backprop.base import GradientClassifier
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.setup import Split, TrainingResult
from lightprobe.errors import OptionError


@dataclass(eq=False, repr=False)
class Scratch(GradientClassifier):
    """A network trained from random weights on augmented photos.

    Parameters and attributes that are not named here are those of `GradientClassifier`.

    Parameters
    ----------
    network : str, optional
        "cnn2", "cnn3", "cnn4" (two, three, four times convolution and pooling, 16 channels first, and a dense
        layer; 32-pixel images), any of torchvision's networks or `timm:NAME`; the recipe's, or
        "cnn4", without it. Its own classifier gives way to a linear head on its averaged features.
    batch_norm : bool
        Batch norm after each convolution; this and the following three are for cnn2, cnn3 and cnn4.
    activation : {"relu", "leaky-relu", "elu", "gelu", "tanh", "sigmoid"}
    pooling : {"max", "avg", "stride"}
    init : {"kaiming", "xavier", "orthogonal", "default"}
        How weights are drawn; `default` is torch's own way.

    Examples
    --------
    >>> from lightprobe.backprop import Scratch
    >>> Scratch("cnn3", batch_norm=False).fit("cifar10.zip").score("cifar10.zip")  # doctest: +SKIP
    """

    method = "scratch"

    network: str | None = None
    _: KW_ONLY
    batch_norm: bool = True
    activation: str = "relu"
    pooling: str = "max"
    init: str = "kaiming"

    def _learn(self, split: Split, recipe: Recipe) -> TrainingResult:
        from lightprobe.backprop.end_to_end import train_end_to_end

        network = self.network or recipe.network or PLAIN_CNNS[-1]
        plain = {name: getattr(self, name) for name in ("batch_norm", "activation", "pooling", "init")}
        changed = [name for name, value in plain.items() if value != getattr(Scratch, name)]
        if network not in PLAIN_CNNS and changed:
            raise OptionError(
                f"{', '.join(changed)} cannot be chosen for {network}, only for {', '.join(PLAIN_CNNS)}."
            )
        backbone = create_backbone(
            network,
            weights="random",
            image_size=self.image_size or (recipe.sizes[-1][0] if recipe.sizes else None),
            random_state=self.random_state,
            arguments=plain if network in PLAIN_CNNS else None,
            in_torch=True,
        )
        label = "trained from scratch"
        return train_end_to_end(backbone, split, recipe, self._setup(), unfreeze="all", label=label)
