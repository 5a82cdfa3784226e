"""Faults in the data: unreadable and odd files, copies, leaks, wrong labels, groups, classes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
