"""Rows and kept evidence become one HTML file that says what came of a run; models are never read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
