"""One run, one row: trainings recorded, compared and updated; their artifacts, figures of merit, the demo."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
