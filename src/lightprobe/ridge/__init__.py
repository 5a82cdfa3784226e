"""The head: ridge regression in closed form, its leave-one-out scores, and probabilities from them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
