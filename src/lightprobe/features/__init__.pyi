from .cache import DIGEST_BYTES, FeatureCache, image_digest
from .extraction import Features, extract, provenance
from .feature_file import extract_to_file
from .multi_backbone import (
    TapSet,
    extract_tap_sets,
    names_of,
    places_by_network,
    stream_tap_set,
    taps_of,
)
from .runner import BackboneRunner, compile_each, compile_for
from .sample import sample_pixels
from .streaming import Chunk, as_float16, stream

__all__ = [
    "DIGEST_BYTES",
    "BackboneRunner",
    "Chunk",
    "FeatureCache",
    "Features",
    "TapSet",
    "as_float16",
    "compile_each",
    "compile_for",
    "extract",
    "extract_tap_sets",
    "extract_to_file",
    "image_digest",
    "names_of",
    "places_by_network",
    "provenance",
    "sample_pixels",
    "stream",
    "stream_tap_set",
    "taps_of",
]
