"""OpticalRidge: the classifier over features, from the kernel or the projection to probabilities."""

import time
from typing import Any, Self

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from lightprobe.errors import DataError, ModelFileError, OptionError
from lightprobe.optics.kernel import KERNELS, linear_kernel
from lightprobe.optics.project import OpticalFeatures
from lightprobe.ridge.calibrate import Calibration, fit_calibration
from lightprobe.ridge.loo import identical_rows
from lightprobe.ridge.plan import plan_fit
from lightprobe.ridge.search import RidgeFit
from lightprobe.ridge.solve import solve_dual, solve_primal

Floats = NDArray[np.float64]

DTYPES = (np.float64, np.float32, np.float16, np.uint8)
COMPONENTS = ("auto", "exact")
MEMORY_SHARE = 0.6  # of the memory available, where max_memory is not given
PREDICT_BYTES = 2**26  # of kernel values or features at a time


class OpticalRidge(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Ridge classifier on an optical or linear kernel, its penalty chosen by leave-one-out.

    min over W, b of Σ_i w_i ‖φ(x_i)W + b − y_i‖² + α‖W‖², y in {−1, +1}, one column a class, where φ is
    the features themselves (linear), all optical random features at once through their kernel (optical,
    exact), or a given number of them (optical, components).

    Rows that are equal to the last bit are left out together, so that no photo is predicted by its copy.

    Parameters
    ----------
    kernel : {"optical", "linear"}
    components : {"auto", "exact"} or int
        Random features to draw; "exact" uses the kernel they converge to; "auto" does so while it fits
        in memory.
    projection : {"structured", "dense"}
        How random features are made; see OpticalFeatures.
    camera : Camera or None
        8-bit speckle instead of floats, for random features.
    alpha : "auto" or float
        The penalty, relative to tr(Kc)/n; "auto" chooses it by leave-one-out accuracy.
    class_weight : "balanced", dict or None
        Weights of classes, which multiply sample_weight.
    max_memory : int or None
        Bytes that fitting may take beyond X; None is 60 % of what is available.
    device : str
        Where to compute, as torch names it; "auto" is CUDA where there is one.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : (c,)
    dual_coef_ : (n, c), or (n, 1) for two classes
        Only where the kernel is exact and optical; X_fit_ holds the training features.
    coef_ : (c, k), or (1, k) for two classes
        Otherwise.
    intercept_ : (c,), or (1,) for two classes
    loo_scores_ : (n, c)
        Scores of every training row by the fit that has not seen it.
    loo_accuracy_ : float
    alpha_, alpha_relative_ : float
    alpha_path_ : tuple of AlphaPoint
    calibration_ : Calibration
    solver_ : {"dual", "primal"}
    n_components_ : int or None
    plan_ : str
        What was chosen, and why.
    cost_ : int
        Multiplications that predicting one row takes.
    seconds_ : dict of generate, project and fit
    """

    def __init__(
        self,
        kernel: str = "optical",
        components: str | int = "auto",
        projection: str = "structured",
        camera: Any = None,
        alpha: str | float = "auto",
        class_weight: str | dict[Any, float] | None = None,
        max_memory: int | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.kernel = kernel
        self.components = components
        self.projection = projection
        self.camera = camera
        self.alpha = alpha
        self.class_weight = class_weight
        self.max_memory = max_memory
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        groups: NDArray[Any] | None = None,
    ) -> Self:
        """Fit to features X (n, m), floats or uint8, and labels y (n,).

        Parameters
        ----------
        sample_weight : (n,), ≥ 0
        groups : (n,)
            Rows of equal value are left out together; by default those that are copies of each other.
        """
        self._check_options()
        X, y = validate_data(self, _bytes_for_bits(X), y, dtype=list(DTYPES), order="C")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError("The labels are all of one class; a classifier needs at least two.")
        counts = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        weights = counts * self._class_weights(labels, counts)[labels]
        Y = np.where(labels[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)
        options = {
            "alpha_relative": None if self.alpha == "auto" else float(self.alpha),
            "weights": weights,
            "groups": identical_rows(X) if groups is None else groups,
        }
        self.dtype_ = X.dtype
        self.seconds_ = {"generate": 0.0, "project": 0.0, "fit": 0.0}
        self.n_components_ = self._choose(*X.shape)
        self._forget()
        if self.n_components_ is not None:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            self.features_ = self._optical_features(self.n_components_, seed).fit(X)
        fit = self._fit(X, Y, options)
        columns = slice(1, 2) if len(self.classes_) == 2 else slice(None)
        self.intercept_ = fit.intercept[columns]
        self.loo_scores_ = fit.loo_scores
        self.loo_accuracy_ = float(np.average(fit.loo_scores.argmax(axis=1) == labels, weights=counts))
        self.alpha_, self.alpha_relative_, self.alpha_path_ = fit.alpha, fit.alpha_relative, fit.path
        self.calibration_ = fit_calibration(fit.loo_scores, labels, counts)
        return self

    def decision_function(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), or (n,) for two classes: positive for the second."""
        scores = self._scores(X)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Labels (n,) of the highest scores."""
        scores = self._scores(X)
        best = (scores[:, 0] > 0).astype(int) if len(self.classes_) == 2 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: NDArray[Any]) -> Floats:
        """Probabilities (n, c), calibrated on the leave-one-out scores."""
        scores = self._scores(X)
        both = np.hstack([-scores, scores]) if len(self.classes_) == 2 else scores
        return self.calibration_.probabilities(both)

    @property
    def cost_(self) -> int:
        """Multiplications that predicting one row takes: what tells equals apart."""
        check_is_fitted(self)
        n_outputs, n_features = len(self.intercept_), self.n_features_in_
        if hasattr(self, "X_fit_"):
            return int(len(self.X_fit_) * (n_features + n_outputs))
        if self.n_components_ is None:
            return int(n_features * n_outputs)
        # A dense map multiplies by every entry of R; a structured one transforms each block in k log m.
        per_component = 2 * n_features if self.projection == "dense" else n_features.bit_length()
        return int(self.n_components_ * (per_component + n_outputs))

    def get_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that predicting needs: arrays, and plain values for a JSON file."""
        check_is_fitted(self)
        arrays: dict[str, NDArray[Any]] = {"intercept": self.intercept_, "loo_scores": self.loo_scores_}
        if hasattr(self, "X_fit_"):
            arrays["dual_coef"] = self.dual_coef_
            bits = self.X_fit_.dtype == np.uint8 and self.X_fit_.max() <= 1
            arrays["X_fit_bits" if bits else "X_fit"] = (
                np.packbits(self.X_fit_, axis=1) if bits else self.X_fit_
            )
        else:
            arrays["coef"] = self.coef_
        config = {
            "kernel": self.kernel,
            "projection": self.projection,
            "n_components": self.n_components_,
            "seed": self.features_.random_state if self.n_components_ is not None else None,
            "classes": self.classes_.tolist(),
            "n_features": self.n_features_in_,
            "dtype": self.dtype_.name,
            "alpha": self.alpha_,
            "alpha_relative": self.alpha_relative_,
            "loo_accuracy": self.loo_accuracy_,
            "solver": self.solver_,
            "plan": self.plan_,
            "calibration": self.calibration_.to_dict(),
        }
        return arrays, config

    @classmethod
    def from_state(cls, arrays: dict[str, NDArray[Any]], config: dict[str, Any]) -> Self:
        """Build a fitted head that predicts the same to the last bit on the same machine.

        Raises
        ------
        ModelFileError
            Something is missing, or shapes do not fit each other.
        """
        try:
            return cls._from_state(arrays, config)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"The saved head is damaged or foreign ({error}); train it again."
            ) from error

    @classmethod
    def _from_state(cls, arrays: dict[str, NDArray[Any]], config: dict[str, Any]) -> Self:
        head = cls(
            kernel=config["kernel"],
            components=config["n_components"] or "exact",
            projection=config["projection"],
            alpha=config["alpha_relative"],
        )
        head._check_options()
        head.classes_ = np.array(config["classes"])
        head.n_features_in_ = int(config["n_features"])
        head.dtype_ = np.dtype(config["dtype"])
        head.n_components_ = config["n_components"]
        head.alpha_, head.alpha_relative_ = float(config["alpha"]), float(config["alpha_relative"])
        head.loo_accuracy_, head.solver_ = float(config["loo_accuracy"]), config["solver"]
        head.plan_ = config["plan"]
        head.calibration_ = Calibration.from_dict(config["calibration"])
        head.intercept_, head.loo_scores_ = arrays["intercept"], arrays["loo_scores"]
        width = 1 if len(head.classes_) == 2 else len(head.classes_)
        _expect("intercept", head.intercept_, (width,))
        if head.n_components_ is None and head.kernel == "optical":
            if "X_fit_bits" in arrays:
                packed = arrays["X_fit_bits"]
                head.X_fit_ = np.unpackbits(packed, axis=1, count=head.n_features_in_)
            else:
                head.X_fit_ = arrays["X_fit"]
            head.dual_coef_ = arrays["dual_coef"]
            _expect("X_fit", head.X_fit_, (len(head.loo_scores_), head.n_features_in_))
            _expect("dual_coef", head.dual_coef_, (len(head.X_fit_), width))
        else:
            head.coef_ = arrays["coef"]
            _expect("coef", head.coef_, (width, head.n_components_ or head.n_features_in_))
        if head.n_components_ is not None:
            head.features_ = head._optical_features(head.n_components_, int(config["seed"]))
            head.features_.fit(np.zeros((1, head.n_features_in_), dtype=head.dtype_))
        return head

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # |xR|² cannot tell x from −x, and the estimator checks' toy classes lie on both sides of zero.
        tags.classifier_tags.poor_score = self.kernel == "optical"
        return tags

    def _fit(self, X: NDArray[Any], Y: Floats, options: dict[str, Any]) -> RidgeFit:
        """Solve, and keep what predicting needs: X_fit_ and dual_coef_, or coef_."""
        start = time.perf_counter()
        columns = slice(1, 2) if Y.shape[1] == 2 else slice(None)
        if self.n_components_ is not None:
            X = np.asarray(self.features_.transform(X))
            self.seconds_["generate"] = self.features_.generate_seconds_
            self.seconds_["project"] = time.perf_counter() - start - self.seconds_["generate"]
            start = time.perf_counter()
        exact_optical = self.kernel == "optical" and self.n_components_ is None
        self.solver_ = "dual" if exact_optical or X.shape[1] >= len(X) else "primal"
        if self.solver_ == "primal":
            fit = solve_primal(X, Y, **options)
            self.coef_ = fit.coef.T[columns].copy()
        else:
            kernel = KERNELS["optical"] if exact_optical else linear_kernel
            fit = solve_dual(kernel(X, device=self._torch_device()), Y, overwrite_K=True, **options)
            if exact_optical:
                self.X_fit_, self.dual_coef_ = X, fit.coef[:, columns].copy()
            else:
                self.coef_ = _fold(X, fit.coef[:, columns])
        self.seconds_["fit"] = time.perf_counter() - start
        return fit

    def _scores(self, X: NDArray[Any]) -> Floats:
        check_is_fitted(self)
        X = validate_data(self, _bytes_for_bits(X), dtype=list(DTYPES), order="C", reset=False)
        X = self._as_fitted(X)
        exact = hasattr(self, "X_fit_")
        width = len(self.X_fit_) if exact else self.coef_.shape[1]
        step = max(1, PREDICT_BYTES // (8 * width))
        scores = np.empty((len(X), len(self.intercept_)))
        for start in range(0, len(X), step):
            block = X[start : start + step]
            if exact:
                part = KERNELS["optical"](block, self.X_fit_, device=self._torch_device()) @ self.dual_coef_
            else:
                features = (
                    block if self.n_components_ is None else np.asarray(self.features_.transform(block))
                )
                part = features.astype(np.float64) @ self.coef_.T
            scores[start : start + step] = part + self.intercept_
        return scores

    def _as_fitted(self, X: NDArray[Any]) -> NDArray[Any]:
        """Bring X to the type that was fitted; bytes only if nothing is lost."""
        if X.dtype == self.dtype_:
            return X
        same = X.astype(self.dtype_)
        if self.dtype_ == np.uint8 and not np.array_equal(same, X):
            raise OptionError(
                "The model was fitted on bytes (uint8) and got other numbers; encode them the same way."
            )
        return same

    def _choose(self, n: int, m: int) -> int | None:
        """Choose the number of random features, None for the exact kernel, and say why."""
        budget = self.max_memory
        if budget is None:
            budget = int(MEMORY_SHARE * psutil.virtual_memory().available)
        if self.kernel == "linear" and m < n:
            self.plan_ = f"Linear kernel in the primal: {m} features are fewer than {n} rows."
            return None
        plan = plan_fit(n, "exact" if self.kernel == "linear" else self.components, budget)
        self.plan_ = plan.reason
        return plan.components

    def _optical_features(self, components: int, seed: int) -> OpticalFeatures:
        return OpticalFeatures(components, projection=self.projection, random_state=seed, device=self.device)

    def _class_weights(self, labels: NDArray[np.intp], counts: Floats) -> Floats:
        n_classes = len(self.classes_)
        if self.class_weight is None:
            return np.ones(n_classes)
        if isinstance(self.class_weight, str):  # "balanced"
            per_class = np.bincount(labels, weights=counts, minlength=n_classes)
            return np.asarray(counts.sum() / (n_classes * np.maximum(per_class, 1e-300)))
        return np.array([float(self.class_weight.get(name, 1.0)) for name in self.classes_.tolist()])

    def _check_options(self) -> None:
        if self.kernel not in KERNELS:
            raise OptionError(f"kernel is {self.kernel!r}; it must be one of {', '.join(KERNELS)}.")
        number = not isinstance(self.components, str)
        if self.components < 1 if not isinstance(self.components, str) else self.components not in COMPONENTS:
            raise OptionError(
                f"components is {self.components!r}; it must be 'auto', 'exact' or a whole number above zero."
            )
        if number and self.kernel == "linear":
            raise OptionError(
                "components are random features of the optical kernel; the linear one has none."
            )
        if self.alpha != "auto" and not (isinstance(self.alpha, int | float) and 0 <= self.alpha < np.inf):
            raise OptionError(f"alpha is {self.alpha!r}; it must be 'auto' or a number of zero or more.")
        if not (self.class_weight in (None, "balanced") or isinstance(self.class_weight, dict)):
            raise OptionError(
                f"class_weight is {self.class_weight!r}; give None, 'balanced' or a dict of class: weight."
            )

    def _torch_device(self) -> str:
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device

    def _forget(self) -> None:
        """Drop what an earlier fit may have kept, as each kind of fit keeps something else."""
        for name in ("X_fit_", "dual_coef_", "coef_", "features_"):
            self.__dict__.pop(name, None)


def _bytes_for_bits(X: Any) -> Any:
    """Booleans as bytes, without a copy; anything else as it is."""
    return X.view(np.uint8) if isinstance(X, np.ndarray) and X.dtype == np.bool_ else X


def _fold(X: NDArray[Any], dual_coef: Floats, block: int = 1024) -> Floats:
    """W = cᵀX, (c, m), in blocks of rows."""
    folded = np.zeros((dual_coef.shape[1], X.shape[1]))
    for start in range(0, len(X), block):
        folded += dual_coef[start : start + block].T @ X[start : start + block].astype(np.float64)
    return folded


def _expect(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}")
