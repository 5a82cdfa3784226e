"""Photos in, feature matrices out: streamed, cached, resumable."""

from lightprobe.features.cache import FeatureCache, image_digest
from lightprobe.features.compiling import compile_for
from lightprobe.features.extract import Features, extract, provenance
from lightprobe.features.sample import sample_pixels
from lightprobe.features.stream import Chunk, Prepared, as_float16, prepared, stream

__all__ = [
    "Chunk",
    "FeatureCache",
    "Features",
    "Prepared",
    "as_float16",
    "compile_for",
    "extract",
    "image_digest",
    "prepared",
    "provenance",
    "sample_pixels",
    "stream",
]
