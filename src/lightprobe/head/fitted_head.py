"""A fitted head: a decision function, its calibration, and what leave-one-out said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import ModelFileError
from lightprobe.head.decision import Arrays, Decision, both_classes, from_arrays
from lightprobe.ridge import AlphaPoint, Calibration, Trials

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedHead:
    """Scores and probabilities of encoded features.

    Attributes
    ----------
    decision : Exact, Linear or RandomFeatures
    n_classes : int
    calibration : Calibration
    loo_scores : ndarray, shape (n, n_classes)
        Scores of every training row by the fit that has not seen it; no rows in a model that keeps none.
    loo_accuracy : float
    class_weight : ndarray, shape (n_classes,)
    alpha, alpha_relative : float
    solver, plan : str
        How the system was solved, and why so.
    alpha_path : tuple of AlphaPoint
        The penalties that were tried; empty for a head that was loaded.
    seconds : dict of generate, project and fit
    trials : Trials or None
        What leave-one-out said of every row at each of these penalties, where that is known.
    """

    decision: Decision
    n_classes: int
    calibration: Calibration
    loo_scores: Floats
    loo_accuracy: float
    class_weight: Floats
    alpha: float
    alpha_relative: float
    solver: str
    plan: str
    alpha_path: tuple[AlphaPoint, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    trials: Trials | None = field(default=None, repr=False)

    def scores(self, X: NDArray[Any]) -> Floats:
        """Scores (n, n_classes) of rows X (n, m), of the fitted type, one a class of two classes, too."""
        return both_classes(self.decision.scores(X))

    def probabilities(self, X: NDArray[Any]) -> Floats:
        """Probabilities (n, n_classes) of rows X (n, m), calibrated on the leave-one-out scores."""
        return self.calibration.probabilities(self.scores(X))

    @property
    def n_bytes(self) -> int:
        """Bytes of what predicting needs."""
        arrays, _ = self.decision.to_arrays()
        return sum(array.nbytes for name, array in arrays.items() if name != "kernel_means")

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """Take it apart: arrays, and plain values for a JSON file."""
        arrays, random = self.decision.to_arrays()
        config = {
            "kernel": self.decision.kernel,
            "random_features": random,
            "classes": list(range(self.n_classes)),
            "n_features": self.decision.n_features,
            "dtype": self.decision.dtype.name,
            "alpha": self.alpha,
            "alpha_relative": self.alpha_relative,
            "loo_accuracy": self.loo_accuracy,
            "class_weight": self.class_weight.tolist(),
            "solver": self.solver,
            "plan": self.plan,
            "calibration": self.calibration.to_dict(),
        }
        return arrays | {"loo_scores": self.loo_scores}, config

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], config: Mapping[str, Any], device: str = "cpu"
    ) -> Self:
        """Build a head that predicts the same to the last bit on the same machine.

        Raises
        ------
        ModelFileError
            Something is missing, or shapes do not fit each other.
        """
        try:
            n_classes, loo_scores = len(config["classes"]), arrays["loo_scores"]
            if loo_scores.dtype != np.float64 or loo_scores.shape != (len(loo_scores), n_classes):
                raise ValueError(f"loo_scores is {loo_scores.dtype} of shape {loo_scores.shape}")
            return cls(
                from_arrays(arrays, config, len(loo_scores), device),
                n_classes,
                Calibration.from_dict(config["calibration"]),
                loo_scores,
                float(config["loo_accuracy"]),
                np.array(config["class_weight"], dtype=np.float64),
                float(config["alpha"]),
                float(config["alpha_relative"]),
                str(config["solver"]),
                str(config["plan"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"The saved head is damaged or foreign ({error}); train it again."
            ) from error
