"""LinearProbe: a softmax head on a frozen network's features, which are computed once."""

from dataclasses import KW_ONLY, dataclass

from lightprobe.backbones import backbone_for
from lightprobe.backprop.base import TransferClassifier
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.setup import Split, TrainingResult


@dataclass(eq=False, repr=False)
class LinearProbe(TransferClassifier):
    """Frozen backbone, softmax head: multinomial logistic regression on features, by gradient descent.

    min over W, b of Σ −log softmax(W f(x_i) + b)[y_i], stopped where validation is best. Each photo is looked
    at once, so epochs cost next to nothing; it sees no augmented photos.

    Parameters and attributes are those of `TransferClassifier` and `GradientClassifier`.

    Examples
    --------
    >>> from lightprobe.backprop import LinearProbe
    >>> LinearProbe("efficientnet_lite0").fit("photos/").score("photos/")  # doctest: +SKIP
    """

    method = "linear-probe"

    _: KW_ONLY
    cache: bool = True

    def _learn(self, split: Split, recipe: Recipe) -> TrainingResult:
        from lightprobe.backprop.on_features import train_head

        backbone = backbone_for(self.runtime, self.backbone, **self._network())
        return train_head(backbone, split, recipe, self._setup())
