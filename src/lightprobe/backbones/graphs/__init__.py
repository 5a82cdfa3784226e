"""Networks as graphs of OpenVINO's: read from files, cut, measured, put together, kept."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
