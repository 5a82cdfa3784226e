"""The light: floats -> bits -> |XR|², its kernel, and the camera."""

from lightprobe.optics.camera import Camera, SaturationWarning
from lightprobe.optics.encode import (
    ENCODERS,
    Float32Encoder,
    SignEncoder,
    float32_bits,
    l2_normalize,
    side_by_side,
    sign_bits,
)
from lightprobe.optics.kernel import (
    KERNELS,
    OpticalAgainst,
    linear_kernel,
    optical_from_products,
    optical_kernel,
    sum_kernels,
)
from lightprobe.optics.planes import MixedBitPlanes
from lightprobe.optics.project import OpticalFeatures, memory_needed

__all__ = [
    "ENCODERS",
    "KERNELS",
    "Camera",
    "Float32Encoder",
    "MixedBitPlanes",
    "OpticalAgainst",
    "OpticalFeatures",
    "SaturationWarning",
    "SignEncoder",
    "float32_bits",
    "l2_normalize",
    "linear_kernel",
    "memory_needed",
    "optical_from_products",
    "optical_kernel",
    "side_by_side",
    "sign_bits",
    "sum_kernels",
]
