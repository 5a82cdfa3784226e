"""From features to what a kernel takes, as a torch module that can be exported.

Features are rounded to float16, as they are on their way through the cache: what is exported sees what its
original saw. That is done by arithmetic, because OpenVINO holds float16 in single precision on CPUs and drops
casts there and back.
"""

import torch
from torch import Tensor, nn

from lightprobe.errors import OptionError

FLOAT16_MAX = 65_504.0
# The exponents of what float16 holds: 2^-24 is its smallest number, and 2^39 times that is above its largest.
SMALLEST, EXPONENT_BITS = -24, (32, 16, 8, 4, 2, 1)
FLOAT32_BIAS = 127


def as_half(x: Tensor) -> Tensor:
    """Round numbers up to 65,504 to the nearest that float16 holds.

    c − (c − x) with c = (2^13 + 1)x keeps 11 of the 24 digits (Dekker 1971, "A floating-point technique for
    extending the available precision"); below 2^-14, float16 has multiples of 2^-24.
    """
    carrier = x * (2.0**13 + 1)
    normal = carrier - (carrier - x)
    return torch.where(x.abs() < 2.0**-14, torch.round(x * 2.0**-SMALLEST) * 2.0**SMALLEST, normal)


def as_cached(features: Tensor) -> Tensor:
    """Round features to float16, as the cache holds them."""
    return as_half(features.clamp(-FLOAT16_MAX, FLOAT16_MAX))


class Encode(nn.Module):
    """Features (n, m), rounded to float16, to what the kernel takes, float32.

    Parameters
    ----------
    encoding : {"none", "l2", "sign", "float32"}

    Raises
    ------
    OptionError
        If a graph has no operation for the encoding.
    """

    def __init__(self, encoding: str) -> None:
        super().__init__()
        if encoding not in ("none", "l2", "sign", "float32"):
            raise OptionError(
                f"Graphs have no operation for the encoding {encoding}: "
                "export a model with another one (none, l2, sign or float32)."
            )
        self.encoding = encoding

    def forward(self, features: Tensor) -> Tensor:
        """Encode a batch."""
        x = as_cached(features)
        if self.encoding == "sign":
            return (x > 0).float()
        if self.encoding == "float32":
            return float32_bits(x)
        if self.encoding == "l2":
            x = x / x.abs().amax(1, keepdim=True).clamp(min=1e-30)  # so that squares do not overflow
            x = as_half(x / x.square().sum(1, keepdim=True).sqrt().clamp(min=1e-30))
        return x


def float32_bits(x: Tensor) -> Tensor:
    """Sign and exponent of the single format, (n, 9m), by arithmetic: graphs cannot take a number's bytes.

    Parameters
    ----------
    x : Tensor of float32, shape (n, m)
        Numbers that float16 holds.
    """
    # |x| = 2^e (1 + f): e in binary, the highest digit first; everything here is a power of two, so exact.
    rest = x.abs() * 2.0**-SMALLEST
    exponent = (rest >= 1).float() * (FLOAT32_BIAS + SMALLEST)  # zero has the exponent 0
    for step in EXPONENT_BITS:
        above = rest >= 2.0**step
        exponent = exponent + above.float() * step
        rest = torch.where(above, rest * 2.0**-step, rest)
    halves = [torch.floor(exponent * 2.0**-place) for place in range(9)]
    digits = [halves[place] - 2 * halves[place + 1] for place in reversed(range(8))]
    sign = (1 / x < 0).float()  # which −0, too, has
    return torch.stack([sign, *digits], dim=2).flatten(1)
