"""Names that say where a network comes from, before any library is asked for it."""

from typing import Final

DEFAULT: Final = "efficientnet_lite0"
# Files inside the package.
PACKAGED: Final = (DEFAULT, "efficientnet_lite2")
# Networks of tutorials on CIFAR-10, to be trained from scratch.
PLAIN_CNNS: Final = ("cnn2", "cnn3", "cnn4")
# Beside these, where they are at hand: what the level of quality "best" looks through.
BEST: Final = ("mobilenet_v2", "timm:convnext_tiny.fb_in22k")
TIMM_PREFIX: Final = "timm:"
