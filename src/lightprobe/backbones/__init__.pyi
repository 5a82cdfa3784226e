from .backbone import Backbone, pack
from .engines import (
    CALIBRATION_PHOTOS,
    Runner,
    agreement,
    create_runner,
    from_tensors,
    has_int8,
    resolve_precision,
)
from .graphs import (
    GraphBackbone,
    Parts,
    as_bytes,
    compile_on_cpu,
    cut_onnx,
    from_bytes,
    from_pixels,
    import_openvino,
    metadata_of,
)
from .info import BackboneInfo
from .names import BEST, DEFAULT, PACKAGED, PLAIN_CNNS
from .preprocessing import LOOKS, Look, Preprocessing
from .published import Published, find_published, published_networks
from .several import OneOrSeveral, backbones_for, list_looks, of_each
from .taps import Cut, CutInfo, Pool, Tap
from .torch_networks import TappedNetwork, TorchBackbone, pool_output
from .zoo import backbone_for, create_backbone, describe_backbone, list_backbones, restore_backbone

__all__ = [
    "BEST",
    "CALIBRATION_PHOTOS",
    "DEFAULT",
    "LOOKS",
    "PACKAGED",
    "PLAIN_CNNS",
    "Backbone",
    "BackboneInfo",
    "Cut",
    "CutInfo",
    "GraphBackbone",
    "Look",
    "OneOrSeveral",
    "Parts",
    "Pool",
    "Preprocessing",
    "Published",
    "Runner",
    "Tap",
    "TappedNetwork",
    "TorchBackbone",
    "agreement",
    "as_bytes",
    "backbone_for",
    "backbones_for",
    "compile_on_cpu",
    "create_backbone",
    "create_runner",
    "cut_onnx",
    "describe_backbone",
    "find_published",
    "from_bytes",
    "from_pixels",
    "from_tensors",
    "has_int8",
    "import_openvino",
    "list_backbones",
    "list_looks",
    "metadata_of",
    "of_each",
    "pack",
    "pool_output",
    "published_networks",
    "resolve_precision",
    "restore_backbone",
]
