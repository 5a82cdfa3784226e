"""One way from features to scores, and what leave-one-out says of it."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.features import TapSet
from lightprobe.head import FittedHead
from lightprobe.ridge import Trials

# In the order in which equals are tried: the cheaper first.
AUTO_ENCODINGS: Final = ("l2", "sign")
AUTO_KERNELS: Final = ("linear", "optical")
SIGNED_ENCODINGS: Final = ("split", "offset")  # for the optical kernel of features with signs


@dataclass(frozen=True)
class Choice:
    """One way from features to scores."""

    taps: TapSet
    encode: str
    kernel: str

    def __str__(self) -> str:
        return f"{self.taps.cut} {self.taps.pool} · {self.encode} · {self.kernel}"

    def to_config(self) -> dict[str, str]:
        """Return the choice as JSON values."""
        return {"cut": self.taps.cut, "pool": self.taps.pool, "encode": self.encode, "kernel": self.kernel}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Rebuild what `to_config` described."""
        return cls(TapSet.parse(config["cut"], config["pool"]), config["encode"], config["kernel"])


@dataclass(frozen=True)
class Candidate:
    """A choice and what leave-one-out says of it.

    Attributes
    ----------
    choice : Choice
        What was tried.
    loo_accuracy : float or None
        Leave-one-out accuracy at its best alpha; None if it was dropped.
    loo_squared_error : float or None
        Mean over photos and classes of (score − target)², targets −1 and +1, by leave-one-out; None where it
        is not known.
    loo_balanced_accuracy : float or None
        The mean of the classes' recalls, by leave-one-out.
    alpha_relative : float or None
        That alpha, relative to tr(Kc)/n.
    cost : int
        Multiplications that one prediction takes; those of the network itself only where the candidates
        look through different ones, or through different parts of one.
    dropped : str
        Why it has no score; empty if it has one.
    correct, squared : ndarray, shape (n,)
        Whether each photo is right when left out, and its squared error; empty for one that was loaded.
    trials : Trials or None
        The same at every alpha that was tried, where it is known.
    """

    choice: Choice
    loo_accuracy: float | None = None
    loo_balanced_accuracy: float | None = None
    alpha_relative: float | None = None
    cost: int = 0
    dropped: str = ""
    loo_squared_error: float | None = None
    correct: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool), repr=False, compare=False)
    squared: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    trials: Trials | None = field(default=None, repr=False, compare=False)

    @classmethod
    def scored(
        cls, choice: Choice, head: FittedHead, labels: NDArray[np.int64], multiplications: int = 0
    ) -> Self:
        """Take the figures of a head that was fitted with a choice to labels (n,).

        `multiplications` are those of what stands before the head.
        """
        correct = head.loo_scores.argmax(axis=1) == labels
        targets = np.where(labels[:, None] == np.arange(head.n_classes), 1.0, -1.0)
        squared = np.square(head.loo_scores - targets).mean(axis=1)
        counts = np.bincount(labels)
        recalls = np.bincount(labels, weights=correct)[counts > 0] / counts[counts > 0]
        figures = (
            head.loo_accuracy,
            float(recalls.mean()),
            head.alpha_relative,
            multiplications + head.decision.cost,
            "",
            float(np.average(squared, weights=head.class_weight[labels])),
        )
        return cls(choice, *figures, correct, squared, head.trials)

    def to_config(self) -> dict[str, object]:
        """Return the candidate as JSON values."""
        return {
            **self.choice.to_config(),
            "loo_accuracy": self.loo_accuracy,
            "loo_balanced_accuracy": self.loo_balanced_accuracy,
            "loo_squared_error": self.loo_squared_error,
            "alpha_relative": self.alpha_relative,
            "cost": self.cost,
            "dropped": self.dropped,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Rebuild what `to_config` described."""
        names = ("loo_accuracy", "loo_balanced_accuracy", "alpha_relative", "cost", "dropped")
        values: dict[str, Any] = {name: config[name] for name in names}
        # Models from before it counted have no squared error.
        return cls(Choice.from_config(config), **values, loo_squared_error=config.get("loo_squared_error"))


def choices(
    tap_sets: Iterable[TapSet], encode: str, kernel: str, signed: Container[TapSet] = ()
) -> list[Choice]:
    """List every combination that `auto` or a name stands for.

    Where features have signs (`signed`), which the optical kernel cannot see, `auto` also stands for
    encodings that keep them for it.
    """
    encodings = AUTO_ENCODINGS if encode == "auto" else (encode,)
    kernels = AUTO_KERNELS if kernel == "auto" else (kernel,)
    listed = []
    for taps in tap_sets:
        listed += [Choice(taps, e, k) for e in encodings for k in kernels]
        if encode == "auto" and "optical" in kernels and taps in signed:
            listed += [Choice(taps, e, "optical") for e in SIGNED_ENCODINGS]
    return listed
