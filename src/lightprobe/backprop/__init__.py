"""The baselines, by gradients, on Lightning: linear probe, fine-tuning, from scratch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
