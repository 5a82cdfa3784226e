"""The decision function of a fitted head, in one of three forms.

    Exact           s(x) = Σ_i c_i k(x_i, x) + b, the optical kernel against all training rows
    Linear          s(x) = W x + b
    RandomFeatures  s(x) = W φ(x) + b, φ(x) = |xR|² / √k

Of two classes, whose scores are each other's negative, only the second one's coefficients are kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.optics import KERNELS, Camera, OpticalAgainst, Projection, drawn_seed

Floats = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]

BLOCK_BYTES: Final = 2**26  # of kernel values or features at a time


@dataclass(frozen=True, eq=False)
class Exact:
    """Against every training row, by the optical kernel.

    Attributes
    ----------
    rows : ndarray, shape (n, m)
        Encoded training features.
    dual_coef : ndarray, shape (n, c), or (n, 1) for two classes
    intercept : ndarray, shape (c,), or (1,)
    kernel_means : ndarray, shape (n,)
        Mean of the kernel between each training row and all of them.
    device : str
        Where to multiply.
    """

    rows: NDArray[Any]
    dual_coef: Floats
    intercept: Floats
    kernel_means: Floats
    device: str = "cpu"

    kernel = "optical"
    n_components: int | None = None

    @property
    def n_features(self) -> int:
        """Features a row."""
        return int(self.rows.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the features."""
        return self.rows.dtype

    @property
    def cost(self) -> int:
        """Multiplications that scoring one row takes."""
        return len(self.rows) * (self.n_features + len(self.intercept))

    def scores(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), or (n, 1) for two classes, of rows X (n, m) of the fitted type."""
        against = OpticalAgainst(self.rows, len(X), self.device)
        return in_blocks(lambda block: self.of_kernel(against(block)), X, len(self.rows), len(self.intercept))

    def of_kernel(self, kernel: Floats) -> Floats:
        """Scores of rows whose kernel (n, n_train) is known."""
        return kernel @ self.dual_coef + self.intercept

    def to_arrays(self) -> tuple[Arrays, None]:
        """Return the arrays that scoring needs, and no values beside them; bits are packed."""
        arrays = {"intercept": self.intercept, "dual_coef": self.dual_coef, "kernel_means": self.kernel_means}
        return arrays | pack_rows("X_fit", self.rows), None


@dataclass(frozen=True, eq=False)
class _OnFeatures:
    """s(x) = W f(x) + b.

    Attributes
    ----------
    coef : ndarray, shape (c, k), or (1, k) for two classes
    intercept : ndarray, shape (c,), or (1,)
    dtype : dtype
        Of the rows X.
    """

    coef: Floats
    intercept: Floats
    dtype: np.dtype[Any]

    def features(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return what the coefficients are for, (n, k), of rows X (n, m)."""
        return X

    def scores(self, X: NDArray[Any]) -> Floats:
        """Scores (n, c), or (n, 1) for two classes, of rows X (n, m) of the fitted type."""
        return in_blocks(
            lambda block: self.features(block).astype(np.float64) @ self.coef.T + self.intercept,
            X,
            self.coef.shape[1],
            len(self.intercept),
        )


@dataclass(frozen=True, eq=False)
class Linear(_OnFeatures):
    """On the features themselves: f(x) = x."""

    kernel = "linear"
    n_components: int | None = None

    @property
    def n_features(self) -> int:
        """Features a row."""
        return int(self.coef.shape[1])

    @property
    def cost(self) -> int:
        """Multiplications that scoring one row takes."""
        return int(self.coef.size)

    def to_arrays(self) -> tuple[Arrays, None]:
        """Return the arrays that scoring needs, and no values beside them."""
        return {"intercept": self.intercept, "coef": self.coef}, None


@dataclass(frozen=True, eq=False)
class RandomFeatures(_OnFeatures):
    """On random optical features: f(x) = φ(x).

    Attributes
    ----------
    projection : Projection
    random_state : int
        What the projection's seed was drawn from.
    n_features : int
        Features a row, before they are projected.
    """

    projection: Projection
    random_state: int
    n_features: int

    kernel = "optical"

    @property
    def n_components(self) -> int:
        """Random features, k."""
        return int(self.coef.shape[1])

    @property
    def cost(self) -> int:
        """Multiplications that scoring one row takes."""
        # A dense map multiplies by every entry of R; a structured one takes a logarithm of that a column.
        k, m = self.n_components, self.n_features
        dense = self.projection.kind == "dense"
        return int((2 * k * m if dense else max(k, m) * m.bit_length()) + self.coef.size)

    def features(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return φ(X), (n, k)."""
        return np.asarray(self.projection(X))

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """Return the arrays that scoring needs, and what makes the same random features again."""
        random, camera = self.projection, self.projection.camera
        described = {
            "components": self.n_components,
            "projection": random.kind,
            "seed": self.random_state,
            # The exposure that training set, not the rule it was set by.
            "camera": camera and {"bits": camera.bits, "exposure": random.exposure},
        }
        return {"intercept": self.intercept, "coef": self.coef}, described


Decision = Exact | Linear | RandomFeatures


def from_arrays(
    arrays: Mapping[str, NDArray[Any]], config: Mapping[str, Any], n_rows: int, device: str
) -> Decision:
    """Rebuild the form that `to_arrays` took apart.

    Parameters
    ----------
    config : mapping
        `kernel`, `random_features`, `n_features`, `dtype` and `classes` of a saved head.
    n_rows : int
        Training rows of a head that keeps them.
    device : str
        Where to multiply.

    Raises
    ------
    KeyError, TypeError, ValueError
        Something is missing, or of another type or shape.
    """
    n_features, dtype = int(config["n_features"]), np.dtype(config["dtype"])
    width = 1 if len(config["classes"]) == 2 else len(config["classes"])
    random = config["random_features"]
    intercept = _floats(arrays, "intercept", (width,))
    if random is not None:
        k, seed, camera = int(random["components"]), int(random["seed"]), random["camera"]
        projection = Projection(
            k,
            drawn_seed(seed),
            random["projection"],
            camera and Camera(**camera),
            camera and float(camera["exposure"]),
            device=device,
        )
        coef = _floats(arrays, "coef", (width, k))
        return RandomFeatures(coef, intercept, dtype, projection, seed, n_features)
    if config["kernel"] not in KERNELS:
        raise ValueError(f"its kernel is {config['kernel']!r}")
    if config["kernel"] == "linear":
        return Linear(_floats(arrays, "coef", (width, n_features)), intercept, dtype)
    rows = unpack_rows(arrays, "X_fit", (n_rows, n_features), dtype)
    coef = _floats(arrays, "dual_coef", (n_rows, width))
    if "kernel_means" in arrays:
        means = _floats(arrays, "kernel_means", (n_rows,))
    else:  # written before they were kept
        means = mean_kernel(rows, device)
    return Exact(rows, coef, intercept, means, device)


def both_classes(scores: Floats) -> Floats:
    """Give two classes, of which only the second one's column is kept, a column each: (n, 1) to (n, 2)."""
    return np.hstack([-scores, scores]) if scores.shape[-1] == 1 else scores


def in_blocks(
    function: Callable[[NDArray[Any]], Floats], X: NDArray[Any], width: int, n_outputs: int
) -> Floats:
    """Apply a function of rows to X block by block, so that `width` float64 a row stay within bounds."""
    step = max(1, BLOCK_BYTES // (8 * width))
    out = np.empty((len(X), n_outputs))
    for start in range(0, len(X), step):
        out[start : start + step] = function(X[start : start + step])
    return out


def mean_kernel(rows: NDArray[Any], device: str = "cpu") -> Floats:
    """Mean (n,) over j of the optical kernel k(x_i, x_j) of all rows (n, m)."""
    against = OpticalAgainst(rows, len(rows), device)
    return in_blocks(lambda block: against(block).mean(axis=1, keepdims=True), rows, len(rows), 1)[:, 0]


def pack_rows(name: str, rows: NDArray[Any]) -> Arrays:
    """Name features (n, m) for a file; bits are packed, eight to a byte."""
    if rows.dtype == np.uint8 and rows.max(initial=0) <= 1:
        return {f"{name}_bits": np.packbits(rows, axis=1)}
    return {name: rows}


def unpack_rows(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
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


def _floats(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> Floats:
    array = arrays[name]
    if array.dtype != np.float64 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, not float64 of shape {shape}")
    return array
