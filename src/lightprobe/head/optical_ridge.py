"""OpticalRidge: the classifier over features, from the kernel or the projection to probabilities."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from lightprobe.errors import OptionError
from lightprobe.head.decision import RandomFeatures
from lightprobe.head.fit import fit_head
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.options import HeadOptions
from lightprobe.learned import Learned
from lightprobe.optics import Camera, OpticalFeatures
from lightprobe.ridge import AlphaPoint, Calibration

Floats = NDArray[np.float64]

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
        The penalty, relative to tr(Kc)/n; "auto" chooses it by leave-one-out.
    class_weight : "balanced", dict or None
        Weights of classes, which multiply sample_weight.
    max_memory : int or None
        Bytes that fitting may take beyond X; None is 60 % of what is available.
    device : str
        Where to compute, such as "cpu" or "cuda:0"; "auto" is CUDA where there is one. What needs double
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

    X_fit_ = Learned[NDArray[Any]]("decision.rows")
    dual_coef_ = Learned[Floats]("decision.dual_coef")
    coef_ = Learned[Floats]("decision.coef")
    intercept_ = Learned[Floats]("decision.intercept")
    n_components_ = Learned[int | None]("decision.n_components")
    cost_ = Learned[int]("decision.cost")
    loo_scores_ = Learned[Floats]("loo_scores")
    loo_accuracy_ = Learned[float]("loo_accuracy")
    class_weight_ = Learned[Floats]("class_weight")
    alpha_ = Learned[float]("alpha")
    alpha_relative_ = Learned[float]("alpha_relative")
    alpha_path_ = Learned[tuple[AlphaPoint, ...]]("alpha_path")
    calibration_ = Learned[Calibration]("calibration")
    solver_ = Learned[str]("solver")
    plan_ = Learned[str]("plan")
    seconds_ = Learned[dict[str, float]]("seconds")

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
        self.classes_, self._fitted = classes, fitted
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
        head._fitted = fitted
        return head

    def options(self) -> HeadOptions:
        """Return the parameters as one value."""
        return HeadOptions(**self.get_params(deep=False))

    @property
    def fitted_(self) -> FittedHead:
        """Everything that was learned, as one value; NotFittedError before `fit`."""
        check_is_fitted(self)
        return self._fitted

    @property
    def features_(self) -> OpticalFeatures:
        """The random features, of a head that has them; else AttributeError."""
        decision = self.fitted_.decision
        if not isinstance(decision, RandomFeatures):
            raise AttributeError("This head has no random features.")
        return OpticalFeatures.from_projection(
            decision.projection, decision.n_features, decision.random_state
        )

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
        return self._fitted.calibration.probabilities(scores)

    def class_scores(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), one a class of two classes, too: there each other's negative."""
        fitted = self.fitted_
        X = validate_data(
            self,
            _bytes_for_bits(X),
            dtype=list(DTYPES),
            order="C",
            ensure_all_finite=not _is_finite_half(X),
            reset=False,
        )
        return fitted.scores(_as_fitted(X, fitted.decision.dtype))

    def __sklearn_is_fitted__(self) -> bool:
        return "_fitted" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # |xR|² cannot tell x from −x, and the estimator checks' toy classes lie on both sides of zero.
        tags.classifier_tags.poor_score = self.kernel == "optical"
        return tags


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
