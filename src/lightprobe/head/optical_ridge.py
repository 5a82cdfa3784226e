"""OpticalRidge: the classifier over features, from the kernel or the projection to probabilities."""

from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from lightprobe.errors import OptionError
from lightprobe.head.decision import Exact, RandomFeatures
from lightprobe.head.fit import fit_head
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.options import HeadOptions
from lightprobe.optics import Camera, OpticalFeatures
from lightprobe.ridge import AlphaPoint, Calibration

Floats = NDArray[np.float64]

Form = TypeVar("Form", Exact, RandomFeatures)

DTYPES = (np.float64, np.float32, np.float16, np.uint8)


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
    fitted_ : FittedHead
        Everything that was learned, as one value; the attributes below read from it.
    dual_coef_, X_fit_ : (n, c), or (n, 1) for two classes, and (n, m)
        Only where the kernel is exact and optical.
    coef_ : (c, k), or (1, k) for two classes
        Otherwise.
    intercept_, loo_scores_, loo_accuracy_, class_weight_, alpha_, alpha_relative_, alpha_path_, calibration_,
    solver_, n_components_, plan_, cost_, seconds_
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
    ) -> Self:
        """Fit to features X (n, m), floats or uint8, and labels y (n,).

        Parameters
        ----------
        sample_weight : (n,), ≥ 0
        groups : (n,)
            Rows of equal value are left out together, and so are, with or without groups, copies of a row.
        """
        options = self.options()
        options.check()
        X, y = validate_data(
            self,
            _bytes_for_bits(X),
            y,
            dtype=list(DTYPES),
            order="C",
            ensure_all_finite=not _is_finite_half(X),
        )
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        counts = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        weight = None
        if isinstance(self.class_weight, dict):
            weight = _named_weights(self.class_weight, classes.tolist())
        fitted = fit_head(X, labels, len(classes), options, counts=counts, class_weight=weight, groups=groups)
        self.classes_, self.fitted_ = classes, fitted
        return self

    @classmethod
    def from_fitted(
        cls, fitted: FittedHead, options: HeadOptions, classes: NDArray[Any] | None = None
    ) -> Self:
        """Return the estimator that a fitted head is, with the options that it was fitted with.

        `classes` (n_classes,) are labels; indices without it.
        """
        head = cls(**{name: getattr(options, name) for name in cls().get_params(deep=False)})
        head.classes_ = np.arange(fitted.n_classes) if classes is None else classes
        head.n_features_in_ = fitted.decision.n_features
        head.fitted_ = fitted
        return head

    def options(self) -> HeadOptions:
        """Return the parameters as one value."""
        return HeadOptions(**self.get_params(deep=False))

    def decision_function(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), or (n,) for two classes: positive for the second."""
        scores = self.class_scores(X)
        return scores[:, 1] if len(self.classes_) == 2 else scores

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Labels (n,) of the highest scores."""
        best = self.class_scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: NDArray[Any]) -> Floats:
        """Probabilities (n, c), calibrated on the leave-one-out scores."""
        scores = self.class_scores(X)
        return self.fitted_.calibration.probabilities(scores)

    def class_scores(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), one a class of two classes, too: there each other's negative."""
        check_is_fitted(self)
        X = validate_data(
            self,
            _bytes_for_bits(X),
            dtype=list(DTYPES),
            order="C",
            ensure_all_finite=not _is_finite_half(X),
            reset=False,
        )
        return self.fitted_.scores(_as_fitted(X, self.fitted_.decision.dtype))

    @property
    def X_fit_(self) -> NDArray[Any]:  # noqa: N802 - scikit-learn's name for kept training rows
        """Training features, where the kernel is exact and optical."""
        return self._of_form("X_fit_", Exact).rows

    @property
    def dual_coef_(self) -> Floats:
        """Coefficients of the training rows, where the kernel is exact and optical."""
        return self._of_form("dual_coef_", Exact).coef

    @property
    def coef_(self) -> Floats:
        """Coefficients of the features."""
        decision = self._part("coef_").decision
        if isinstance(decision, Exact):
            raise AttributeError("a head of the form Exact has no coef_")
        return decision.coef

    @property
    def features_(self) -> OpticalFeatures:
        """The random features."""
        return self._of_form("features_", RandomFeatures).projection

    @property
    def intercept_(self) -> Floats:
        """Intercepts (c,), or (1,) for two classes."""
        return self._part("intercept_").decision.intercept

    @property
    def n_components_(self) -> int | None:
        """Random features, or None."""
        return self._part("n_components_").decision.n_components

    @property
    def cost_(self) -> int:
        """Multiplications that predicting one row takes: what tells equals apart."""
        return self._part("cost_").decision.cost

    @property
    def loo_scores_(self) -> Floats:
        """Scores (n, c) of every training row by the fit that has not seen it."""
        return self._part("loo_scores_").loo_scores

    @property
    def loo_accuracy_(self) -> float:
        """Leave-one-out accuracy."""
        return self._part("loo_accuracy_").loo_accuracy

    @property
    def class_weight_(self) -> Floats:
        """What each class weighs (c,)."""
        return self._part("class_weight_").class_weight

    @property
    def alpha_(self) -> float:
        """The penalty."""
        return self._part("alpha_").alpha

    @property
    def alpha_relative_(self) -> float:
        """The penalty, relative to tr(Kc)/n."""
        return self._part("alpha_relative_").alpha_relative

    @property
    def alpha_path_(self) -> tuple[AlphaPoint, ...]:
        """Every penalty tried."""
        return self._part("alpha_path_").alpha_path

    @property
    def calibration_(self) -> Calibration:
        """From scores to probabilities."""
        return self._part("calibration_").calibration

    @property
    def solver_(self) -> str:
        """How the system was solved."""
        return self._part("solver_").solver

    @property
    def plan_(self) -> str:
        """What was chosen, and why."""
        return self._part("plan_").plan

    @property
    def seconds_(self) -> dict[str, float]:
        """Seconds a stage."""
        return self._part("seconds_").seconds

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # |xR|² cannot tell x from −x, and the estimator checks' toy classes lie on both sides of zero.
        tags.classifier_tags.poor_score = self.kernel == "optical"
        return tags

    def _part(self, name: str) -> FittedHead:
        """Return the fitted head that attribute `name` is read from; AttributeError before `fit`."""
        if "fitted_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name} before it is fitted")
        return self.fitted_

    def _of_form(self, name: str, form: type[Form]) -> Form:
        """Return the decision function, if it is of the form that has attribute `name`."""
        decision = self._part(name).decision
        if not isinstance(decision, form):
            raise AttributeError(f"a head of the form {type(decision).__name__} has no {name}")
        return decision


def _bytes_for_bits(X: Any) -> Any:
    """Booleans as bytes, without a copy; anything else as it is."""
    return X.view(np.uint8) if isinstance(X, np.ndarray) and X.dtype == np.bool_ else X


def _is_finite_half(X: Any) -> bool:
    """Whether X is float16 and all finite; scikit-learn's sum overflows there and a slow search follows."""
    return isinstance(X, np.ndarray) and X.dtype == np.float16 and bool(np.isfinite(X.sum(dtype=np.float32)))


def _as_fitted(X: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Bring X to the type that was fitted; bytes only if nothing is lost."""
    if X.dtype == dtype:
        return X
    same = X.astype(dtype)
    if dtype == np.uint8 and not np.array_equal(same, X):
        raise OptionError(
            "The model was fitted on bytes (uint8) and got other numbers; encode them the same way."
        )
    return same


def _named_weights(class_weight: dict[Any, float], names: list[Any]) -> Floats:
    """List the weights of the named classes; those that are not named weigh one."""
    unknown = [name for name in class_weight if name not in names]
    if unknown:
        raise OptionError(f"class_weight names {unknown[0]!r}, but the classes are {names}.")
    return np.array([float(class_weight.get(name, 1.0)) for name in names])
