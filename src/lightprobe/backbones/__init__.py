"""What sees: a frozen pretrained network, stopped at a chosen layer.

`zoo` names the networks and makes a `Backbone`; an engine runs it: `engines.create_runner`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
