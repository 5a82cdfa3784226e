"""The light: floats -> bits -> |XR|², its kernel, and the camera."""

from lightprobe.optics.project import OpticalFeatures, memory_needed

__all__ = ["OpticalFeatures", "memory_needed"]
