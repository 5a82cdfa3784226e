"""Studies: a question each, answered on the user's own photos; configurations in, rows out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
