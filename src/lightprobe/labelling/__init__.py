"""Which photos without a label to label next: the order, from features and what a model says of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
