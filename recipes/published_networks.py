"""Write the table of networks that `lightprobe backbones` reads, from the libraries that have them.

    python recipes/published_networks.py > src/lightprobe/backbones/published.json

Needs lightprobe[timm]. A test marked slow holds the table against the libraries.
"""

import json
from typing import Any

import timm
import torch
from torchvision import models

# Of timm's many hundred, some that are small or strong, under licences that allow any use.
TIMM = (
    "convnext_tiny.fb_in22k",
    "efficientnet_b0.ra_in1k",
    "efficientvit_b1.r224_in1k",
    "eva02_tiny_patch14_224.mim_in22k",
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "resnet50.a1_in1k",
    "vit_base_patch16_clip_224.openai",
    "vit_base_patch16_siglip_224.webli",
    "vit_small_patch14_dinov2.lvd142m",
)


def table() -> list[dict[str, Any]]:
    """List the networks: name, library, where the weights are, their megabytes and their licence."""
    rows = []
    for name in models.list_models(module=models):
        weights = models.get_model_weights(name).DEFAULT
        rows.append(
            {
                "name": name,
                "library": "torchvision",
                "source": weights.url,
                "megabytes": round(weights.meta["_file_size"] * 2**20 / 1e6, 1),
                "licence": weights.meta.get("license"),
            }
        )
    for name in TIMM:
        facts = timm.get_pretrained_cfg(name)
        assert facts is not None
        with torch.device("meta"):
            network = timm.create_model(name)
        n_numbers = sum(tensor.numel() for tensor in network.state_dict().values())
        rows.append(
            {
                "name": f"timm:{name}",
                "library": "timm",
                "source": facts.hf_hub_id,
                "megabytes": round(n_numbers * 4 / 1e6, 1),
                "licence": facts.license,
            }
        )
    return rows


if __name__ == "__main__":
    print("[\n" + ",\n".join(f"  {json.dumps(row)}" for row in table()) + "\n]")
