"""Structured optical map: φ(x) = |Rx|²/√k with R a product of Hadamard matrices and random signs.

With x padded to L = q·P entries in q blocks of P = 2^p,

    z = H D₂ M H D₁ x               (real: H in each block, M spreads every block over all the others)
    y = H_N (S₁ + iS₂)/√2 pad(z)    (complex: one H over all N ≥ L entries, N a power of two)

where D₁, D₂, S₁ and S₂ are diagonals of random signs; y gives N features, and a further pair S₁, S₂ the
next N. Nothing else is stored, and a photo costs O((L + k) log N) instead of O(m k).

E φ(x)·φ(y) = |x|²|y|² + (x·y)² up to a relative O(1/P). The rows of R within one H are orthogonal or
nearly so, which takes variance away: at equal k the kernel's error is that of a dense map for k ≪ N and
about half of it from k = N on (compare Yu et al. 2016, "Orthogonal random features", arXiv:1610.09072, and
Dong, Ohana et al. 2020, arXiv:2006.07310, both with three rounds of Hadamard matrix and signs). Where q
is no power of two, padding leaves features that stand a multiple of P apart slightly correlated; the
error just named includes that.

Three rounds, not two: with two, a photo of two neighbouring bits gets its features in equal pairs, and
its kernel an error a third above a dense map's where k < N.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightprobe.devices import CPU, array_namespace, computing_device, namespace_of, to_device, to_numpy
from lightprobe.optics.dense import finished, new_features, prepared, store
from lightprobe.optics.hadamard import hadamard_matrix, walsh_hadamard
from lightprobe.threads import cpu_threads

__all__ = ["Layout", "diagonal_bits", "structured_projection", "structured_work_bytes"]

_SMALLEST_BLOCK = 4096  # the kernel's bias is of the order of one over this
_CHUNK = 8  # photos a thread takes at a time
_BYTES_PER_ENTRY = 32  # work space on a device: a few float32 planes of N entries
_BATCH_BYTES = 4 << 30


class Layout(NamedTuple):
    """How m entries are cut: q blocks of P (`size`), mixed as `n_mixed` ≥ q blocks, a power of two."""

    size: int
    n_blocks: int
    n_mixed: int
    segments: int

    @classmethod
    def of(cls, n_features: int) -> "Layout":
        """Between four and eight blocks, so that padding costs little, and none below 4,096 entries."""
        size = max(_SMALLEST_BLOCK, 1 << max(n_features.bit_length() - 3, 0))
        n_blocks = -(-n_features // size)
        n_mixed = 1 << (n_blocks - 1).bit_length()
        return cls(size, n_blocks, n_mixed, segments=n_mixed)


def diagonal_bits(length: int, n_diagonals: int, seed: int) -> NDArray[np.uint8]:
    """Random diagonals of ±1, (⌈n_diagonals / 8⌉, length): diagonal d is bit d mod 8 of table d div 8.

    A table depends on the seed and its own number only, so more components never change the first ones.
    """
    tables = [
        np.random.PCG64(np.random.SeedSequence([seed, table])).random_raw(-(-length // 8))
        for table in range(-(-n_diagonals // 8))
    ]
    return np.stack(tables).astype("<u8").view(np.uint8)[:, :length]


def _signs(bits: Any, diagonal: int) -> Any:
    """Diagonal number `diagonal` as ±1, float32."""
    xp = namespace_of(bits)
    return xp.astype((bits[diagonal // 8] >> diagonal % 8) & 1, xp.float32) * 2 - 1


def _n_stacks(layout: Layout, n_components: int) -> int:
    return -(-n_components // (layout.n_mixed * layout.size))


def _precondition(x: Any, layout: Layout, bits: Any) -> Any:
    """Spread each row evenly: z = H D₂ M H D₁ x, (n, q, P)."""
    xp = namespace_of(x)
    size, n_blocks, _, segments = layout
    blocks = (-1, n_blocks, size)
    padding = xp.zeros((len(x), n_blocks * size - x.shape[1]), dtype=x.dtype, device=x.device)
    w = walsh_hadamard(xp.reshape(xp.concat([x, padding], axis=1) * _signs(bits, 0), blocks))
    segment = xp.arange(segments, device=x.device)
    source = (xp.arange(n_blocks, device=x.device)[:, None] - segment) % n_blocks
    moved = xp.reshape(w, (-1, n_blocks, segments, size // segments))[:, source, segment]
    return walsh_hadamard(xp.reshape(moved, blocks) * xp.reshape(_signs(bits, 1), (n_blocks, size)))


def _project_compiled(
    X: NDArray[Any],
    layout: Layout,
    bits: NDArray[np.uint8],
    packed_bits: int | None,
    scale: float,
    levels: int | None,
    out: NDArray[Any],
) -> None:
    """Threads take a few photos at a time until none are left; each photo is one thread's work alone."""
    from lightprobe.optics.compiled import project

    starts = iter(range(0, len(X), _CHUNK))
    direct = out.dtype == np.float32 and levels is None

    def work() -> None:
        scratch = None if direct else np.empty((_CHUNK, out.shape[1]), np.float32)
        for start in starts:
            rows = slice(start, min(start + _CHUNK, len(X)))
            x = X[rows] if packed_bits is None else np.unpackbits(X[rows], axis=1, count=packed_bits)
            x = np.ascontiguousarray(x, dtype=np.uint8 if x.dtype in (np.uint8, np.bool_) else np.float32)
            features = out[rows] if scratch is None else scratch[: len(x)]
            project(x, layout.size, layout.n_mixed, layout.segments, bits, np.float32(scale), features)
            if levels is not None:
                np.minimum(np.rint(features, out=features), levels, out=features)
            if scratch is not None:
                out[rows] = features

    n_threads = max(1, min(cpu_threads(), -(-len(X) // _CHUNK)))
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(work) for _ in range(n_threads)]:
            done.result()


def _project_on_device(
    X: Any,
    layout: Layout,
    tables: NDArray[np.uint8],
    device: str,
    packed_bits: int | None,
    scale: float,
    levels: int | None,
    out: Any,
) -> None:
    """Fill out (n, k), as many photos at a time as the device has room for."""
    xp, bits = array_namespace(device), to_device(tables, device)
    size, n_blocks, n_mixed, _ = layout
    batch_size = max(1, _BATCH_BYTES // (_BYTES_PER_ENTRY * n_mixed * size))
    for start in range(0, len(X), batch_size):
        rows = slice(start, start + batch_size)
        z = _precondition(prepared(X[rows], packed_bits, device), layout, bits)[:, None]
        for stack in range(_n_stacks(layout, out.shape[1])):
            features = out[rows, stack * n_mixed * size : (stack + 1) * n_mixed * size]
            planes = xp.stack([_signs(bits, 2 + 2 * stack + plane) for plane in range(2)])
            wanted = -(-features.shape[1] // size)
            across = hadamard_matrix(n_mixed, z)[:wanted, :n_blocks]
            y = walsh_hadamard(across @ (z * xp.reshape(planes, (2, n_blocks, size))))
            y = xp.reshape(xp.sum(y * y, axis=1), (len(y), -1))[:, : features.shape[1]] * scale
            store(features, finished(y, levels))


def structured_work_bytes(n_samples: int, n_features: int, n_components: int) -> int:
    """Work space of `structured_projection` on a CPU beside its input and result, in bytes."""
    layout = Layout.of(n_features)
    length, mixed = layout.n_blocks * layout.size, layout.n_mixed * layout.size
    tables = length * -(-(2 + 2 * _n_stacks(layout, n_components)) // 8)
    threads = min(cpu_threads(), n_samples)
    return tables + threads * (_BYTES_PER_ENTRY * mixed + 4 * _CHUNK * n_components)


def structured_projection(
    X: Any,
    n_components: int,
    seed: int,
    *,
    packed_bits: int | None = None,
    device: str | None = None,
    scale: float | None = None,
    levels: int | None = None,
    out: Any = None,
) -> Any:
    """φ(X) = scale · |XR|² with R a structured random matrix that is never stored.

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
    scale : float, optional
        1/√k by default.
    levels : int, optional
        Round to whole numbers and clip there: what a camera of that many levels sees.
    out : array or tensor of shape (n_samples, n_components), optional
        Where to write, C-contiguous; float32, of X's kind and on its device, by default.

    Returns
    -------
    array or tensor, as X is, of shape (n_samples, n_components)
    """
    if out is None:
        out = new_features(X, n_components)
    device = computing_device(X, out, device)
    layout = Layout.of(packed_bits or X.shape[1])
    bits = diagonal_bits(layout.n_blocks * layout.size, 2 + 2 * _n_stacks(layout, n_components), seed)
    scale = n_components**-0.5 if scale is None else scale
    scale /= 2.0 * layout.size**2  # H is not normalised, and |±1 ± i|² = 2
    if device == CPU:
        _project_compiled(to_numpy(X), layout, bits, packed_bits, scale, levels, to_numpy(out))
    else:
        _project_on_device(X, layout, bits, device, packed_bits, scale, levels, out)
    return out
