"""FineTune: a pretrained network learns on, with a new head."""

from dataclasses import KW_ONLY, dataclass

from lightprobe.backbones import create_backbone
from lightprobe.backprop.base import TransferClassifier
from lightprobe.backprop.recipe import Recipe, Unfreeze
from lightprobe.backprop.setup import Split, TrainingResult


@dataclass(eq=False, repr=False)
class FineTune(TransferClassifier):
    """A pretrained network with a new head, both trained on augmented photos.

    The head learns at the recipe's rate, and each stage before it `lr_decay` times as fast as the one
    behind. With `cut`, the network is shortened first.

    Parameters and attributes that are not named here are those of `TransferClassifier` and
    `GradientClassifier`.

    Parameters
    ----------
    unfreeze : "all", "head" or int
        What of the network learns: everything, the head alone, or the last so many stages beside it. Frozen
        parts keep their tensors to the bit, batch norms' running statistics included.

    Examples
    --------
    >>> from lightprobe.backprop import FineTune
    >>> FineTune("resnet18", unfreeze=1).fit("photos/").score("photos/")  # doctest: +SKIP
    """

    method = "fine-tune"

    _: KW_ONLY
    unfreeze: Unfreeze = "all"

    def _learn(self, split: Split, recipe: Recipe) -> TrainingResult:
        from lightprobe.backprop.end_to_end import train_end_to_end

        backbone = create_backbone(
            self.backbone, **self._network(), random_state=self.random_state, in_torch=True
        )
        label = f"{backbone.weights}, fine-tuned"
        return train_end_to_end(backbone, split, recipe, self._setup(), unfreeze=self.unfreeze, label=label)
