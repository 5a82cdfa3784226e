"""Names that say where a network comes from, before any library is asked for it."""

from typing import Final

DEFAULT: Final = "efficientnet_lite0"
# Files inside the package.
PACKAGED: Final = (DEFAULT, "efficientnet_lite2")
# Networks of tutorials on CIFAR-10, to be trained from scratch.
PLAIN_CNNS: Final = ("cnn2", "cnn3", "cnn4")
TIMM_PREFIX: Final = "timm:"
