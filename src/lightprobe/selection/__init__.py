"""Which layer, encoding and kernel to use: candidates scored by leave-one-out, from one pass."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
