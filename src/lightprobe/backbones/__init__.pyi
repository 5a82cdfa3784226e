from .backbone import Backbone
from .engines import CALIBRATION_PHOTOS, agreement, create_runner
from .engines.conversion import compile_on_cpu, import_openvino
from .engines.devices import resolve_device, resolve_precision
from .engines.protocol import Runner, TappedNetwork
from .engines.quantization import from_tensors
from .plain_cnn import PLAIN_CNNS
from .preprocessing import Preprocessing, pixel_planes
from .taps import Pool, Tap, pool_output
from .weights import pack_state
from .zoo import BACKBONES, BackboneInfo, create_backbone, describe_backbone

__all__ = [
    "BACKBONES",
    "CALIBRATION_PHOTOS",
    "PLAIN_CNNS",
    "Backbone",
    "BackboneInfo",
    "Pool",
    "Preprocessing",
    "Runner",
    "Tap",
    "TappedNetwork",
    "agreement",
    "compile_on_cpu",
    "create_backbone",
    "create_runner",
    "describe_backbone",
    "from_tensors",
    "import_openvino",
    "pack_state",
    "pixel_planes",
    "pool_output",
    "resolve_device",
    "resolve_precision",
]
