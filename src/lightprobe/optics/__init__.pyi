from .camera import Camera, SaturationWarning
from .dense import complex_gaussian, dense_projection
from .encode import (
    ENCODERS,
    float32_bits,
    has_signs,
    l2_normalize,
    side_by_side,
    sign_bits,
    split_signs,
    with_constant,
)
from .encoders import Float32Encoder, SignEncoder
from .hadamard import hadamard_matrix, walsh_hadamard
from .kernel import KERNELS, OpticalAgainst, linear_kernel, optical_from_products, optical_kernel, sum_kernels
from .planes import MixedBitPlanes
from .project import OpticalFeatures, memory_needed
from .projection import Projection, drawn_seed
from .structured import Layout, diagonal_bits, structured_projection

__all__ = [
    "ENCODERS",
    "KERNELS",
    "Camera",
    "Float32Encoder",
    "Layout",
    "MixedBitPlanes",
    "OpticalAgainst",
    "OpticalFeatures",
    "Projection",
    "SaturationWarning",
    "SignEncoder",
    "complex_gaussian",
    "dense_projection",
    "diagonal_bits",
    "drawn_seed",
    "float32_bits",
    "hadamard_matrix",
    "has_signs",
    "l2_normalize",
    "linear_kernel",
    "memory_needed",
    "optical_from_products",
    "optical_kernel",
    "side_by_side",
    "sign_bits",
    "split_signs",
    "structured_projection",
    "sum_kernels",
    "walsh_hadamard",
    "with_constant",
]
