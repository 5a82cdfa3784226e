"""A fitted OpticalRidge as arrays and plain values, and back."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import ModelFileError
from lightprobe.optics.camera import Camera
from lightprobe.ridge.calibrate import Calibration

if TYPE_CHECKING:
    from lightprobe.head.optical_ridge import OpticalRidge

Arrays = dict[str, NDArray[Any]]


def state_of(head: "OpticalRidge") -> tuple[Arrays, dict[str, Any]]:
    """Take a fitted head apart; training bits are packed, eight to a byte."""
    arrays: Arrays = {"intercept": head.intercept_, "loo_scores": head.loo_scores_}
    if hasattr(head, "X_fit_"):
        arrays["dual_coef"] = head.dual_coef_
        arrays |= pack_rows("X_fit", head.X_fit_)
    else:
        arrays["coef"] = head.coef_
    random = None
    if head.n_components_ is not None:
        random = {
            "components": head.n_components_,
            "projection": head.projection,
            "seed": head.features_.random_state,
            # The exposure that training set, not the rule it was set by.
            "camera": head.camera and {"bits": head.camera.bits, "exposure": head.features_.exposure_},
        }
    config = {
        "kernel": head.kernel,
        "random_features": random,
        "classes": head.classes_.tolist(),
        "n_features": head.n_features_in_,
        "dtype": head.dtype_.name,
        "alpha": head.alpha_,
        "alpha_relative": head.alpha_relative_,
        "loo_accuracy": head.loo_accuracy_,
        "class_weight": head.class_weight_.tolist(),
        "solver": head.solver_,
        "plan": head.plan_,
        "calibration": head.calibration_.to_dict(),
    }
    return arrays, config


def restore_state(head: "OpticalRidge", arrays: Arrays, config: dict[str, Any]) -> None:
    """Fill an unfitted head.

    Raises
    ------
    ModelFileError
        Something is missing, or shapes do not fit each other.
    """
    try:
        _restore(head, arrays, config)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"The saved head is damaged or foreign ({error}); train it again.") from error


def pack_rows(name: str, rows: NDArray[Any]) -> Arrays:
    """Name features (n, m) for a file; bits are packed, eight to a byte."""
    if rows.dtype == np.uint8 and rows.max(initial=0) <= 1:
        return {f"{name}_bits": np.packbits(rows, axis=1)}
    return {name: rows}


def unpack_rows(arrays: Arrays, name: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Take what `pack_rows` packed out again.

    Raises
    ------
    KeyError, ValueError
        It is missing, or of another type or shape.
    """
    packed = arrays.get(f"{name}_bits")
    if packed is None:
        rows = arrays[name]
        if rows.dtype != dtype or rows.shape != shape:
            raise ValueError(f"{name} is {rows.dtype} of shape {rows.shape}, not {dtype} of shape {shape}")
        return rows
    if packed.shape != (shape[0], -(-shape[1] // 8)):
        raise ValueError(f"{name}_bits has shape {packed.shape}, which are not {shape} bits")
    return np.unpackbits(packed, axis=1, count=shape[1])


def _restore(head: "OpticalRidge", arrays: Arrays, config: dict[str, Any]) -> None:
    random = config["random_features"]
    head.set_params(kernel=config["kernel"], alpha=config["alpha_relative"], components="exact")
    if random is not None:
        camera = random["camera"] and Camera(**random["camera"])
        head.set_params(components=random["components"], projection=random["projection"], camera=camera)
    head.check_options()
    head.classes_ = np.array(config["classes"])
    head.n_features_in_ = int(config["n_features"])
    head.dtype_ = np.dtype(config["dtype"])
    head.n_components_ = None if random is None else int(random["components"])
    head.alpha_, head.alpha_relative_ = float(config["alpha"]), float(config["alpha_relative"])
    head.loo_accuracy_ = float(config["loo_accuracy"])
    head.class_weight_ = np.array(config["class_weight"], dtype=np.float64)
    head.solver_, head.plan_ = str(config["solver"]), str(config["plan"])
    head.calibration_ = Calibration.from_dict(config["calibration"])
    width = 1 if len(head.classes_) == 2 else len(head.classes_)
    head.intercept_ = _floats(arrays, "intercept", (width,))
    head.loo_scores_ = _floats(arrays, "loo_scores", (len(arrays["loo_scores"]), len(head.classes_)))
    if head.n_components_ is None and head.kernel == "optical":
        n = len(head.loo_scores_)
        head.X_fit_ = unpack_rows(arrays, "X_fit", (n, head.n_features_in_), head.dtype_)
        head.dual_coef_ = _floats(arrays, "dual_coef", (n, width))
    else:
        head.coef_ = _floats(arrays, "coef", (width, head.n_components_ or head.n_features_in_))
    if random is not None:
        seen = np.ones((1, head.n_features_in_), dtype=head.dtype_)
        head.features_ = head.optical_features(int(random["components"]), int(random["seed"])).fit(seen)


def _floats(arrays: Arrays, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = arrays[name]
    if array.dtype != np.float64 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, not float64 of shape {shape}")
    return array
