"""Dense optical map: φ(x) = |xR|²/√k with every entry of R drawn independently.

R (m, k) holds circular complex Gaussians with E|r|² = 1, so E φ(x)·φ(y) = |x|²|y|² + (x·y)²
(Ohana et al. 2019, arXiv:1910.09880). At the sizes of interest R does not fit in memory
(81,536 × 120,000 complex numbers are 78 GB), so each block of its columns is made when it is needed,
from a hash of (seed, column, row): the value of an entry depends on nothing else, neither on the width
of a block, nor on the number of photos or components, nor on the device.
"""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from lightprobe.devices import (
    CPU,
    array_namespace,
    computing_device,
    import_torch,
    namespace_of,
    to_device,
    to_numpy,
)
from lightprobe.threads import cpu_threads

__all__ = [
    "complex_gaussian",
    "dense_block_size",
    "dense_projection",
    "dense_work_bytes",
    "finished",
    "new_features",
    "prepared",
    "store",
]

# SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), as signed int64.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64
_HASH_CHUNK = 1 << 17  # entries hashed at a time on a CPU: the temporaries stay in cache
_CPU_BLOCK_BYTES = 256 << 20
_GPU_BLOCK_BYTES = 1 << 30
_HALVES = ("float16", "bfloat16")
_ROWS = 1024  # rows of X multiplied at a time


def _key(seed: int) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64).view(np.int64)[0])


def _hash64(counter: Any, key: int) -> Any:
    """SplitMix64's output number `counter` from state `key`, in place (int64, wrapping)."""
    z = counter
    z *= _GAMMA
    z += key
    for shift, multiplier in ((30, _MIX_1), (27, _MIX_2)):
        z ^= (z >> shift) & ((1 << (64 - shift)) - 1)
        z *= multiplier
    z ^= (z >> 31) & ((1 << 33) - 1)
    return z


def _polar(hashes: Any, real: Any, imag: Any) -> None:
    """Write √(−ln u) e^{iθ}, u in (0, 1] and θ in [−π, π) uniform, from the two halves of each hash."""
    xp = namespace_of(hashes)
    halves = hashes.view(xp.int32)
    u = xp.astype(halves[1::2] & 0x7FFFFFFF, xp.float32)
    u += 0.5  # never ln 0
    u *= 2.0**-31
    radius = xp.sqrt(-xp.log(u))
    angle = xp.astype(halves[::2], xp.float32)
    angle *= math.pi * 2.0**-31
    real[...] = xp.cos(angle)
    real *= radius
    imag[...] = xp.sin(angle)
    imag *= radius


def complex_gaussian(n_rows: int, first: int, last: int, seed: int, device: str = CPU) -> Any:
    """Columns `first` to `last` (excluded) of R: independent circular complex Gaussians, E|r|² = 1.

    Parameters
    ----------
    n_rows : int
        m, the number of rows of R.
    first, last : int
        The columns wanted.
    seed : int
    device : str
        Where the block is made; its values do not depend on it (beyond rounding).

    Returns
    -------
    array (on `cpu`) or tensor of shape (2, last − first, n_rows), float32
        Real and imaginary parts, one column of R a row.
    """
    xp = array_namespace(device)
    block = xp.empty((2, last - first, n_rows), dtype=xp.float32, device=device)
    real, imag = block[0].reshape(-1), block[1].reshape(-1)  # in the same memory
    size, offset = (last - first) * n_rows, first * n_rows
    chunk, key = (_HASH_CHUNK if device == CPU else max(size, 1)), _key(seed)

    def make(start: int) -> None:
        stop = min(start + chunk, size)
        counter = xp.arange(offset + start, offset + stop, dtype=xp.int64, device=device)
        _polar(_hash64(counter, key), real[start:stop], imag[start:stop])

    with ThreadPoolExecutor(cpu_threads()) as pool:
        list(pool.map(make, range(0, size, chunk)))
    return block


def prepared(X: Any, packed_bits: int | None, device: str, dtype: str = "float32") -> Any:
    """Rows as numbers (n, m) on a device, those of packed bits unpacked, the highest bit of a byte first."""
    X = to_device(X, device)
    xp = namespace_of(X)
    if packed_bits is not None:
        shifts = xp.arange(7, -1, -1, dtype=xp.uint8, device=device)
        X = xp.reshape((X[:, :, None] >> shifts) & 1, (len(X), -1))[:, :packed_bits]
    return xp.astype(X, getattr(xp, dtype), copy=False)


def finished(features: Any, levels: int | None) -> Any:
    """Intensities as they are, or as a camera of so many levels counts them."""
    if levels is None:
        return features
    xp = namespace_of(features)
    return xp.clip(xp.round(features), max=levels)


def new_features(X: Any, n_components: int, dtype: str = "float32") -> Any:
    """Memory for features (n, n_components) of rows, of their kind and on their device."""
    xp = namespace_of(X)
    shape = (len(X), n_components)
    return xp.empty(shape, dtype=getattr(xp, dtype), device=X.device)


def store(out: Any, features: Any) -> None:
    """Write features of any device and type into an array or a tensor."""
    out[...] = to_numpy(features) if isinstance(out, np.ndarray) else features


def _synchronize(device: str) -> None:
    if device.startswith("cuda"):
        import_torch(f"Device {device}").cuda.synchronize(device)


def dense_block_size(n_features: int, n_components: int, device: str = CPU) -> int:
    """Columns of R made at a time: as many as fit in 256 MB (1 GB on a GPU), and at least 16."""
    budget = _CPU_BLOCK_BYTES if device == CPU else _GPU_BLOCK_BYTES
    return min(n_components, max(16, budget // (8 * n_features)))


def dense_work_bytes(n_samples: int, n_features: int, n_components: int) -> int:
    """Work space of `dense_projection` beside its input and result, in bytes."""
    width, rows = dense_block_size(n_features, n_components), min(n_samples, _ROWS)
    return 8 * n_features * width + rows * (4 * n_features + 12 * width)


def dense_projection(
    X: Any,
    n_components: int,
    seed: int,
    *,
    packed_bits: int | None = None,
    device: str | None = None,
    batch_size: int = _ROWS,
    scale: float | None = None,
    levels: int | None = None,
    out: Any = None,
) -> tuple[Any, float]:
    """φ(X) = scale · |XR|² with R made on the way, each column block once.

    Parameters
    ----------
    X : array or tensor of shape (n_samples, n_features)
        Floats or 0/1 bits of any type; or packed bits, (n_samples, ⌈packed_bits / 8⌉).
    n_components : int
        k, the number of features; fewer features are the first of more, up to `scale`.
    seed : int
    packed_bits : int, optional
        m, where X holds packed bits.
    device : str, optional
        Where the arithmetic is done; X's device by default.
    batch_size : int
        Rows of X multiplied at a time; it bounds the memory and changes nothing else.
    scale : float, optional
        1/√k by default.
    levels : int, optional
        Round to whole numbers and clip there: what a camera of that many levels sees.
    out : array or tensor of shape (n_samples, n_components), optional
        Where to write; float32, of X's kind and on its device, by default. On a GPU, a 16-bit type is the
        type of the arithmetic too (sums stay in float32): that is what its matrix units are fast in.

    Returns
    -------
    features : array or tensor, as X is, of shape (n_samples, n_components)
    generate_seconds : float
        The part of the time that went into making R.
    """
    n_samples, n_features = len(X), packed_bits or X.shape[1]
    if out is None:
        out = new_features(X, n_components)
    device = computing_device(X, out, device)
    xp, target = array_namespace(device), to_numpy(out) if device == CPU else out
    kept = str(out.dtype).removeprefix("torch.")
    arithmetic = kept if kept in _HALVES and device.startswith("cuda") else "float32"
    scale = n_components**-0.5 if scale is None else scale
    generate_seconds = 0.0
    width = dense_block_size(n_features, n_components, device)
    for first in range(0, n_components, width):
        last = min(first + width, n_components)
        started = time.perf_counter()
        columns = complex_gaussian(n_features, first, last, seed, device)
        columns = xp.astype(columns, getattr(xp, arithmetic), copy=False)
        _synchronize(device)
        generate_seconds += time.perf_counter() - started
        for start in range(0, n_samples, batch_size):
            rows = slice(start, start + batch_size)
            batch = prepared(X[rows], packed_bits, device, arithmetic)
            real, imag = (xp.astype(batch @ part.T, xp.float32, copy=False) for part in columns)
            real *= real
            imag *= imag
            real += imag
            real *= scale
            store(target[rows, first:last], finished(real, levels))
    return out, generate_seconds
