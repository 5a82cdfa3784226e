"""Photos in, feature matrices out: streamed, cached, resumable."""

from lightprobe.features.cache import FeatureCache
from lightprobe.features.compiling import compile_for
from lightprobe.features.extract import Features, extract
from lightprobe.features.sample import sample_pixels
from lightprobe.features.stream import Chunk, stream

__all__ = ["Chunk", "FeatureCache", "Features", "compile_for", "extract", "sample_pixels", "stream"]
