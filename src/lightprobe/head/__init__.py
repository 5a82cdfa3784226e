"""The head: what turns features into scores and probabilities."""

from lightprobe.head.optical_ridge import OpticalRidge

__all__ = ["OpticalRidge"]
