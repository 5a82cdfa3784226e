"""What every method's fitted classifier shares: networks that look, answers, the disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
