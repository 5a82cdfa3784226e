"""Dense optical map: φ(x) = |xR|²/√k with every entry of R drawn independently.

R (m, k) holds circular complex Gaussians with E|r|² = 1, so E φ(x)·φ(y) = |x|²|y|² + (x·y)²
(Ohana et al. 2019, arXiv:1910.09880). At the sizes of interest R does not fit in memory
(81,536 × 120,000 complex numbers are 78 GB), so each block of its columns is made when it is needed,
from a hash of (seed, column, row): the value of an entry depends on nothing else, neither on the width
of a block, nor on the number of photos or components, nor on the device.
"""

import math
import time

import numpy as np
import torch

__all__ = [
    "complex_gaussian",
    "dense_block_size",
    "dense_projection",
    "dense_work_bytes",
    "finished",
    "prepared",
]

# SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), as signed int64.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64
_HASH_CHUNK = 1 << 17  # entries hashed at a time on a CPU: the temporaries stay in cache
_CPU_BLOCK_BYTES = 256 << 20
_GPU_BLOCK_BYTES = 1 << 30
_ROWS = 1024  # rows of X multiplied at a time


def _key(seed: int) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64).view(np.int64)[0])


def _hash64(counter: torch.Tensor, key: int) -> torch.Tensor:
    """SplitMix64's output number `counter` from state `key`, in place (int64, wrapping)."""
    z = counter.mul_(_GAMMA).add_(key)
    for shift, multiplier in ((30, _MIX_1), (27, _MIX_2)):
        z.bitwise_xor_((z >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(multiplier)
    return z.bitwise_xor_((z >> 31).bitwise_and_((1 << 33) - 1))


def _polar(hashes: torch.Tensor, real: torch.Tensor, imag: torch.Tensor) -> None:
    """Write √(−ln u) e^{iθ}, u in (0, 1] and θ in [−π, π) uniform, from the two halves of each hash."""
    halves = hashes.view(torch.int32)
    u = halves[1::2].bitwise_and(0x7FFFFFFF).float().add_(0.5)  # + ½: never ln 0
    radius = u.mul_(2.0**-31).log_().neg_().sqrt_()
    angle = halves[::2].float().mul_(math.pi * 2.0**-31)
    torch.cos(angle, out=real).mul_(radius)
    torch.sin(angle, out=imag).mul_(radius)


def complex_gaussian(
    n_rows: int, first: int, last: int, seed: int, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Columns `first` to `last` (excluded) of R: independent circular complex Gaussians, E|r|² = 1.

    Parameters
    ----------
    n_rows : int
        m, the number of rows of R.
    first, last : int
        The columns wanted.
    seed : int
    device : torch.device or str
        Where the block is made; its values do not depend on it (beyond rounding).

    Returns
    -------
    torch.Tensor of shape (2, last − first, n_rows), float32
        Real and imaginary parts, one column of R a row.
    """
    block = torch.empty((2, last - first, n_rows), dtype=torch.float32, device=device)
    real, imag = block[0].view(-1), block[1].view(-1)
    chunk = _HASH_CHUNK if block.device.type == "cpu" else real.numel()
    key, offset = _key(seed), first * n_rows
    for start in range(0, real.numel(), max(chunk, 1)):
        stop = min(start + chunk, real.numel())
        counter = torch.arange(offset + start, offset + stop, dtype=torch.int64, device=device)
        _polar(_hash64(counter, key), real[start:stop], imag[start:stop])
    return block


def prepared(
    X: torch.Tensor, packed_bits: int | None, device: torch.device, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Rows as numbers (n, m) on a device, those of packed bits unpacked, the highest bit of a byte first."""
    X = X.to(device)
    if packed_bits is not None:
        shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
        X = (X[:, :, None] >> shifts).bitwise_and_(1).flatten(1)[:, :packed_bits]
    return X.to(dtype)


def finished(features: torch.Tensor, levels: int | None) -> torch.Tensor:
    """Intensities as they are, or as a camera of so many levels counts them, in the same memory."""
    return features if levels is None else features.round_().clamp_(max=levels)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def dense_block_size(n_features: int, n_components: int, device: torch.device | str = "cpu") -> int:
    """Columns of R made at a time: as many as fit in 256 MB (1 GB on a GPU), and at least 16."""
    budget = _CPU_BLOCK_BYTES if torch.device(device).type == "cpu" else _GPU_BLOCK_BYTES
    return min(n_components, max(16, budget // (8 * n_features)))


def dense_work_bytes(n_samples: int, n_features: int, n_components: int) -> int:
    """Work space of `dense_projection` beside its input and result, in bytes."""
    width, rows = dense_block_size(n_features, n_components), min(n_samples, _ROWS)
    return 8 * n_features * width + rows * (4 * n_features + 12 * width)


def dense_projection(
    X: torch.Tensor,
    n_components: int,
    seed: int,
    *,
    packed_bits: int | None = None,
    device: torch.device | str | None = None,
    batch_size: int = _ROWS,
    scale: float | None = None,
    levels: int | None = None,
    out: torch.Tensor | None = None,
) -> tuple[torch.Tensor, float]:
    """φ(X) = scale · |XR|² with R made on the way, each column block once.

    Parameters
    ----------
    X : torch.Tensor of shape (n_samples, n_features)
        Floats or 0/1 bits of any type; or packed bits, (n_samples, ⌈packed_bits / 8⌉).
    n_components : int
        k, the number of features; fewer features are the first of more, up to `scale`.
    seed : int
    packed_bits : int, optional
        m, where X holds packed bits.
    device : torch.device or str, optional
        Where the arithmetic is done; X's device by default.
    batch_size : int
        Rows of X multiplied at a time; it bounds the memory and changes nothing else.
    scale : float, optional
        1/√k by default.
    levels : int, optional
        Round to whole numbers and clip there: what a camera of that many levels sees.
    out : torch.Tensor of shape (n_samples, n_components), optional
        Where to write; float32 on X's device by default. On a GPU, a 16-bit type is the type of the
        arithmetic too (sums stay in float32): that is what its matrix units are fast in.

    Returns
    -------
    features : torch.Tensor of shape (n_samples, n_components)
    generate_seconds : float
        The part of the time that went into making R.
    """
    n_samples, n_features = len(X), packed_bits or X.shape[1]
    device = torch.device(device) if device is not None else X.device
    if out is None:
        out = torch.empty((n_samples, n_components), dtype=torch.float32, device=X.device)
    half = out.dtype in (torch.float16, torch.bfloat16) and device.type == "cuda"
    arithmetic = out.dtype if half else torch.float32
    scale = n_components**-0.5 if scale is None else scale
    generate_seconds = 0.0
    width = dense_block_size(n_features, n_components, device)
    for first in range(0, n_components, width):
        last = min(first + width, n_components)
        started = time.perf_counter()
        columns = complex_gaussian(n_features, first, last, seed, device).to(arithmetic)
        _synchronize(device)
        generate_seconds += time.perf_counter() - started
        for start in range(0, n_samples, batch_size):
            rows = slice(start, start + batch_size)
            batch = prepared(X[rows], packed_bits, device, arithmetic)
            real = (batch @ columns[0].T).float()
            imag = (batch @ columns[1].T).float()
            features = real.square_().addcmul_(imag, imag).mul_(scale)
            out[rows, first:last] = finished(features, levels)
    return out, generate_seconds
