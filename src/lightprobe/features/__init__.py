"""Photos in, feature matrices out: streamed, cached, resumable."""

from lightprobe.features.cache import FeatureCache, image_digest
from lightprobe.features.compiling import compile_for
from lightprobe.features.extract import Features, extract, provenance
from lightprobe.features.sample import sample_pixels
from lightprobe.features.stream import Chunk, Prepared, as_float16, prepared, stream
from lightprobe.features.views import Lens, Parts, extract_views, see, stream_views, taps_of

__all__ = [
    "Chunk",
    "FeatureCache",
    "Features",
    "Lens",
    "Parts",
    "Prepared",
    "as_float16",
    "compile_for",
    "extract",
    "extract_views",
    "image_digest",
    "prepared",
    "provenance",
    "sample_pixels",
    "see",
    "stream",
    "stream_views",
    "taps_of",
]
