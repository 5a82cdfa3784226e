"""A model on a page and over HTTP, on this machine; it can be taught while it answers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
