"""Look inside: what a network sees in a photo, and where its evidence lies; photos of a data set."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
