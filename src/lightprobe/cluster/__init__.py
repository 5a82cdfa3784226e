"""More photos than one machine: sums of parts, which add up to the model of all of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
