"""What comes in: a folder, zip, table, dataset or Python objects become one ImageSet.

Nothing here needs torch; pixels come from `lightprobe.images.decoding.decode`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
