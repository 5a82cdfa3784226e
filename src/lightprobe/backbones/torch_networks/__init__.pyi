from .catalogue import (
    create_network,
    describe_network,
    network_of_file,
)
from .tapped_network import TappedNetwork, pool_output
from .torch_backbone import TorchBackbone

__all__ = [
    "TappedNetwork",
    "TorchBackbone",
    "create_network",
    "describe_network",
    "network_of_file",
    "pool_output",
]
