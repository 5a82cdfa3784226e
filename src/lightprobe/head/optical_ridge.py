"""OpticalRidge: the classifier over features, from the kernel or the projection to probabilities."""

import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from lightprobe.errors import DataError, OptionError
from lightprobe.head.projected import Projected
from lightprobe.head.state import restore_state, state_of
from lightprobe.optics.camera import Camera
from lightprobe.optics.kernel import KERNELS, OpticalAgainst, linear_kernel, optical_from_products
from lightprobe.optics.project import OpticalFeatures
from lightprobe.ridge.calibrate import fit_calibration
from lightprobe.ridge.conditioning import DegenerateKernelError
from lightprobe.ridge.device import double_device
from lightprobe.ridge.loo import identical_rows, joined_groups
from lightprobe.ridge.plan import plan_fit
from lightprobe.ridge.search import RidgeFit
from lightprobe.ridge.solve import solve_dual, solve_primal

Floats = NDArray[np.float64]

DTYPES = (np.float64, np.float32, np.float16, np.uint8)
COMPONENTS = ("auto", "exact")
MEMORY_SHARE = 0.6  # of the memory available, where max_memory is not given
PREDICT_BYTES = 2**26  # of kernel values or features at a time
FOLD_ELEMENTS = 2**22  # of training features in double precision at a time


class OpticalRidge(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Ridge classifier on an optical or linear kernel, its penalty chosen by leave-one-out.

    min over W, b of Σ_i w_i ‖φ(x_i)W + b − y_i‖² + α‖W‖², y in {−1, +1}, one column a class, where φ is
    the features themselves (linear), all optical random features at once through their kernel (optical,
    exact), or a given number of them (optical, components).

    Rows that are equal to the last bit are left out together, so that no photo is predicted by its copy.

    Parameters
    ----------
    kernel : {"optical", "linear"}
    components : "auto", "exact" or int
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
        Where to compute, as torch names it; "auto" is CUDA where there is one. What needs double
        precision is done on the CPU in place of mps, which has none.
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
    class_weight_ : (c,)
        What each class weighs; all ones without class_weight.
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
        camera: Camera | None = None,
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
        products: Callable[[], Floats] | None = None,
    ) -> Self:
        """Fit to features X (n, m), floats or uint8, and labels y (n,).

        Parameters
        ----------
        sample_weight : (n,), ≥ 0
        groups : (n,)
            Rows of equal value are left out together, and so are, with or without groups, copies of a row.
        products : callable
            Gives X Xᵀ (n, n) where it is needed, so that fits on the same X can share it; it is left as
            it is. Without it, it is computed.
        """
        self.check_options()
        X, y = validate_data(
            self,
            _bytes_for_bits(X),
            y,
            dtype=list(DTYPES),
            order="C",
            ensure_all_finite=not _is_finite_half(X),
        )
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError("The labels are all of one class; a classifier needs at least two.")
        counts = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self.class_weight_ = self._class_weights(labels, counts)
        weights = counts * self.class_weight_[labels]
        copies = identical_rows(X)
        if not copies.any():
            raise DegenerateKernelError(
                "The features are the same for every row; choose another encoding or layer."
            )
        self._forget()
        self.dtype_ = X.dtype
        together = copies if groups is None else joined_groups(np.asarray(groups), copies)
        fit = self._solve(X, labels, weights, together, products)
        self.intercept_ = fit.intercept[self._columns]
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
        scores = self.class_scores(X)
        return self.calibration_.probabilities(scores)

    def class_scores(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), one a class of two classes, too: there each other's negative."""
        scores = self._scores(X)
        return np.hstack([-scores, scores]) if len(self.classes_) == 2 else scores

    @property
    def cost_(self) -> int:
        """Multiplications that predicting one row takes: what tells equals apart."""
        check_is_fitted(self)
        n_outputs, n_features = len(self.intercept_), self.n_features_in_
        if hasattr(self, "X_fit_"):
            return int(len(self.X_fit_) * (n_features + n_outputs))
        if self.n_components_ is None:
            return int(n_features * n_outputs)
        # A dense map multiplies by every entry of R; a structured one takes a logarithm of that a column.
        k = self.n_components_
        project = (
            2 * k * n_features if self.projection == "dense" else max(k, n_features) * n_features.bit_length()
        )
        return int(project + k * n_outputs)

    def get_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return everything that predicting needs: arrays, and plain values for a JSON file."""
        check_is_fitted(self)
        return state_of(self)

    @classmethod
    def from_state(cls, arrays: dict[str, NDArray[Any]], config: dict[str, Any]) -> Self:
        """Build a fitted head that predicts the same to the last bit on the same machine.

        Raises
        ------
        ModelFileError
            Something is missing, or shapes do not fit each other.
        """
        head = cls()
        restore_state(head, arrays, config)
        return head

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # |xR|² cannot tell x from −x, and the estimator checks' toy classes lie on both sides of zero.
        tags.classifier_tags.poor_score = self.kernel == "optical"
        return tags

    def _solve(
        self,
        X: NDArray[Any],
        labels: NDArray[np.intp],
        weights: Floats,
        groups: NDArray[Any],
        products: Callable[[], Floats] | None,
    ) -> RidgeFit:
        """Plan, solve, and keep what predicting needs: X_fit_ and dual_coef_, or coef_."""
        plan = plan_fit(
            *X.shape,
            linear=self.kernel == "linear",
            components=self.components,
            budget=self.memory_budget(),
            integers=X.dtype == np.uint8,
        )
        self.plan_, self.solver_, self.n_components_ = plan.reason, plan.solver, plan.components
        start = time.perf_counter()
        features: Any = X  # or what stands for a matrix that is not stored
        self.seconds_ = {"generate": 0.0, "project": 0.0}
        if plan.components is not None:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            self.features_ = self.optical_features(plan.components, seed).fit(X)
            features = Projected(self.features_, X, self.seconds_)
            if plan.stored:
                features = features[np.arange(len(X))]
        Y = np.where(labels[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)
        options: dict[str, Any] = {
            "alpha_relative": None if self.alpha == "auto" else float(self.alpha),
            "weights": None if (weights == 1).all() else weights,
            "groups": groups,
            "device": self.torch_device,
        }
        if self.solver_ == "primal":
            fit = solve_primal(features, Y, **options)
            self.coef_ = np.ascontiguousarray(fit.coef.T[self._columns])
        else:
            exact = self.kernel == "optical" and plan.components is None
            if products is not None and plan.components is None:
                kernel = products().copy()
            else:
                kernel = linear_kernel(features, device=self.torch_device)
            if exact:
                kernel = optical_from_products(kernel, X)
            fit = solve_dual(kernel, Y, overwrite_K=True, **options)
            dual_coef = np.ascontiguousarray(fit.coef[:, self._columns])
            if exact:
                self.X_fit_, self.dual_coef_ = X, dual_coef
            else:
                self.coef_ = _fold(features, dual_coef)
        self.seconds_["fit"] = time.perf_counter() - start - sum(self.seconds_.values())
        return fit

    def _scores(self, X: NDArray[Any]) -> Floats:
        check_is_fitted(self)
        X = validate_data(
            self,
            _bytes_for_bits(X),
            dtype=list(DTYPES),
            order="C",
            ensure_all_finite=not _is_finite_half(X),
            reset=False,
        )
        X = self._as_fitted(X)
        exact = hasattr(self, "X_fit_")
        width = len(self.X_fit_) if exact else self.coef_.shape[1]
        step = max(1, PREDICT_BYTES // (8 * width))
        scores = np.empty((len(X), len(self.intercept_)))
        against = OpticalAgainst(self.X_fit_, len(X), self.torch_device) if exact else None
        for start in range(0, len(X), step):
            block = X[start : start + step]
            if against is not None:
                part = against(block) @ self.dual_coef_
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

    def memory_budget(self) -> int:
        """Bytes that fitting may take."""
        if self.max_memory is not None:
            return self.max_memory
        return int(MEMORY_SHARE * psutil.virtual_memory().available)

    def optical_features(self, components: int, seed: int) -> OpticalFeatures:
        """Return the random features these parameters describe, not yet fitted."""
        return OpticalFeatures(
            components, projection=self.projection, camera=self.camera, random_state=seed, device=self.device
        )

    @property
    def _columns(self) -> slice:
        """Of two classes, whose scores are each other's negative, only the second is kept."""
        return slice(1, 2) if len(self.classes_) == 2 else slice(None)

    def _class_weights(self, labels: NDArray[np.intp], counts: Floats) -> Floats:
        names = self.classes_.tolist()
        if self.class_weight is None:
            return np.ones(len(names))
        if isinstance(self.class_weight, str):  # "balanced"
            per_class = np.bincount(labels, weights=counts, minlength=len(names))
            return np.asarray(counts.sum() / (len(names) * np.where(per_class > 0, per_class, 1)))
        unknown = [name for name in self.class_weight if name not in names]
        if unknown:
            raise OptionError(f"class_weight names {unknown[0]!r}, but the classes are {names}.")
        return np.array([float(self.class_weight.get(name, 1.0)) for name in names])

    def check_options(self) -> None:
        """Refuse values that no parameter allows, with an OptionError."""
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

    @property
    def torch_device(self) -> str:
        """Where this head solves, as torch names it."""
        return double_device(self.device)

    def _forget(self) -> None:
        """Drop what an earlier fit may have kept, as each kind of fit keeps something else."""
        for name in ("X_fit_", "dual_coef_", "coef_", "features_"):
            self.__dict__.pop(name, None)


def _bytes_for_bits(X: Any) -> Any:
    """Booleans as bytes, without a copy; anything else as it is."""
    return X.view(np.uint8) if isinstance(X, np.ndarray) and X.dtype == np.bool_ else X


def _is_finite_half(X: Any) -> bool:
    """Whether X is float16 and all finite; scikit-learn's sum overflows there and a slow search follows."""
    return isinstance(X, np.ndarray) and X.dtype == np.float16 and bool(np.isfinite(X.sum(dtype=np.float32)))


def _fold(X: NDArray[Any], dual_coef: Floats) -> Floats:
    """W = cᵀX, (c, m), in blocks of rows."""
    folded = np.zeros((dual_coef.shape[1], X.shape[1]))
    step = max(1, FOLD_ELEMENTS // X.shape[1])
    buffer = np.empty((min(step, len(X)), X.shape[1]))
    for start in range(0, len(X), step):
        block = buffer[: len(X) - start]
        np.copyto(block, X[start : start + step])
        folded += dual_coef[start : start + step].T @ block
    return folded
