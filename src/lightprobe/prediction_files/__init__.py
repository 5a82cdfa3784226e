"""Batch prediction: any number of photos in, one row each out, in flat memory, resumable."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
