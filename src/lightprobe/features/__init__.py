"""Photos in, feature matrices out: streamed, cached, resumable."""

from lightprobe.features.cache import FeatureCache, image_digest
from lightprobe.features.extract import Features, extract, provenance
from lightprobe.features.multi_backbone import TapSet, extract_tap_sets, stream_tap_set, taps_of
from lightprobe.features.runner import BackboneRunner, compile_for
from lightprobe.features.sample import sample_pixels
from lightprobe.features.stream import Chunk, Prepared, as_float16, prepared, stream

__all__ = [
    "BackboneRunner",
    "Chunk",
    "FeatureCache",
    "Features",
    "Prepared",
    "TapSet",
    "as_float16",
    "compile_for",
    "extract",
    "extract_tap_sets",
    "image_digest",
    "prepared",
    "provenance",
    "sample_pixels",
    "stream",
    "stream_tap_set",
    "taps_of",
]
