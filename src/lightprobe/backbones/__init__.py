"""What sees: a frozen pretrained network, stopped at a chosen layer.

`zoo` names the networks and makes a `Backbone`; an engine runs it: `engines.create_runner`.
"""

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines import create_runner
from lightprobe.backbones.engines.devices import resolve_device, resolve_precision
from lightprobe.backbones.engines.protocol import Runner
from lightprobe.backbones.plain_cnn import PLAIN_CNNS
from lightprobe.backbones.preprocessing import Preprocessing, pixel_planes
from lightprobe.backbones.taps import Pool, Tap, pool_output
from lightprobe.backbones.weights import pack_state
from lightprobe.backbones.zoo import BACKBONES, BackboneInfo, create_backbone, describe_backbone

__all__ = [
    "BACKBONES",
    "PLAIN_CNNS",
    "Backbone",
    "BackboneInfo",
    "Pool",
    "Preprocessing",
    "Runner",
    "Tap",
    "create_backbone",
    "create_runner",
    "describe_backbone",
    "pack_state",
    "pixel_planes",
    "pool_output",
    "resolve_device",
    "resolve_precision",
]
