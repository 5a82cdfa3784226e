from .composing import from_pixels, output_name
from .facts import metadata_of, preprocessing_for
from .graph_backbone import GraphBackbone
from .graph_cache import Parts, graph_file, keep_graph, read_graph, read_or_make
from .layers import Layers
from .network_file import SUFFIXES, is_network_file, open_network_file
from .onnx_files import Bytes, as_bytes, cut_onnx
from .openvino import (
    compile_on_cpu,
    from_bytes,
    import_openvino,
    import_without_telemetry,
    keep_outputs,
    same_signal_stack,
    signal_stack,
    to_bytes,
    weight_bytes,
)

__all__ = [
    "SUFFIXES",
    "Bytes",
    "GraphBackbone",
    "Layers",
    "Parts",
    "as_bytes",
    "compile_on_cpu",
    "cut_onnx",
    "from_bytes",
    "from_pixels",
    "graph_file",
    "import_openvino",
    "import_without_telemetry",
    "is_network_file",
    "keep_graph",
    "keep_outputs",
    "metadata_of",
    "open_network_file",
    "output_name",
    "preprocessing_for",
    "read_graph",
    "read_or_make",
    "same_signal_stack",
    "signal_stack",
    "to_bytes",
    "weight_bytes",
]
