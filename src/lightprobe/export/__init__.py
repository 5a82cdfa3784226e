"""A model as a file that other programs run: ONNX or OpenVINO, from pixels to probabilities."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
