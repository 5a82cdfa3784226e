"""What sees: a frozen pretrained network, stopped at a chosen layer.

`zoo` names the networks and makes a `Backbone`; an engine runs it: `engines.create_runner`.
"""

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines import CALIBRATION_PHOTOS, ENGINES, agreement, create_runner
from lightprobe.backbones.engines.protocol import Runner
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.taps import Cut, Pool, Tap
from lightprobe.backbones.weights import pack_state
from lightprobe.backbones.zoo import BACKBONES, BackboneInfo, create_backbone, describe_backbone

__all__ = [
    "BACKBONES",
    "CALIBRATION_PHOTOS",
    "ENGINES",
    "Backbone",
    "BackboneInfo",
    "Cut",
    "Pool",
    "Preprocessing",
    "Runner",
    "Tap",
    "agreement",
    "create_backbone",
    "create_runner",
    "describe_backbone",
    "pack_state",
]
