"""Networks of torch's: torchvision's, timm's and plain CNNs, by name, cut, and converted to graphs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
