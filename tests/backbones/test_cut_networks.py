"""Cut networks against forward hooks on the whole torchvision network, at every listed cut."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightprobe import ImageClassifier
from lightprobe.backbones import PLAIN_CNNS, describe_backbone, list_backbones
from lightprobe.errors import BackboneError

# ruff: noqa: E402
pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import torch
from torch import Tensor, nn
from torchvision import models

from lightprobe.backbones.torch_networks import TorchBackbone, create_network, cutting
from lightprobe.backbones.torch_networks.architecture import Architecture
from lightprobe.backbones.torch_networks.cutting import cut_network, graph_of, measure

MakePair = Callable[[str, int], tuple[TorchBackbone, nn.Module]]

FAST = [("squeezenet1_1", 64), ("resnet18", 64), ("regnet_y_400mf", 64), ("mobilenet_v2", 64)]
SLOW = [
    ("alexnet", 96),
    ("convnext_tiny", 64),
    ("densenet169", 64),
    ("efficientnet_b0", 64),
    ("googlenet", 64),
    ("inception_v3", 96),
    ("maxvit_t", 224),
    ("mnasnet0_5", 64),
    ("mobilenet_v3_small", 64),
    ("shufflenet_v2_x0_5", 64),
    ("swin_t", 64),
    ("swin_v2_t", 64),
    ("vgg16", 64),
    ("vit_b_16", 224),
]
EACH = [*FAST, *(pytest.param(*network, marks=pytest.mark.slow) for network in SLOW)]


def hooked_outputs(network: nn.Module, names: list[str], images: Tensor) -> dict[str, Tensor]:
    outputs = {}

    def keep(name: str) -> None:
        def hook(module: nn.Module, args: object, output: Tensor) -> None:
            outputs[name] = output.clone()  # what follows may write into it

        network.get_submodule(name).register_forward_hook(hook)

    for name in names:
        keep(name)
    with torch.inference_mode():
        network(images)
    return outputs


@pytest.mark.parametrize(("name", "size"), EACH)
def test_every_cut_gives_what_a_hook_on_the_whole_network_sees(
    make_pair: MakePair, name: str, size: int
) -> None:
    backbone, whole = make_pair(name, size)
    names = [cut.name for cut in backbone.cuts]
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))

    expected = hooked_outputs(whole, names, images)
    with torch.inference_mode():
        outputs = backbone.network(names)(images)

    assert list(outputs) == names
    assert list(expected) == names, "cuts are listed in the order of execution"
    for cut in names:
        scale = expected[cut].std().item()
        assert scale > 0
        torch.testing.assert_close(outputs[cut], expected[cut], rtol=1e-4, atol=1e-4 * scale)
    sums = {(output.shape, output.double().sum().item()) for output in outputs.values()}
    assert len(sums) == len(names), "two cuts have the same output"
    measured = {info.name: info.shape for info in backbone.describe()}
    assert measured == {cut: tuple(output.shape[1:]) for cut, output in expected.items()}


def test_a_shallow_cut_alone_equals_the_same_cut_beside_a_deeper_one(make_pair: MakePair) -> None:
    backbone, _ = make_pair("resnet18", 64)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone = backbone.network(["layer2"])(images)["layer2"]
        beside = backbone.network(["layer2", "layer4"])(images)["layer2"]
        cut_short = backbone.at("layer2").network(["layer2"])(images)["layer2"]
    assert torch.equal(alone, beside)
    assert torch.equal(alone, cut_short)


def test_networks_run_undisturbed_while_another_thread_cuts_one() -> None:
    network = create_network("squeezenet1_1", weights="random", image_size=32).network(["features"])
    images = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)["features"]
    other = Architecture("densenet121", 64)
    cuts = [cut.name for cut in graph_of(other).cuts]
    running, wrong = threading.Event(), []

    def run() -> None:
        with torch.inference_mode():
            while running.is_set():
                try:
                    if not torch.equal(network(images)["features"], expected):
                        wrong.append("another output")
                except Exception as error:
                    wrong.append(repr(error))

    running.set()
    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(5):
        cut_network(other, cuts)
    running.clear()
    thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("weights", "most"),
    [
        ("file", 1),
        ("random", 2),  # without data, and once with the numbers that torchvision draws from the seed
    ],
)
def test_a_fit_builds_its_network_once_and_the_next_one_never(
    weights: str, most: int, toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if weights == "file":
        weights = str(tmp_path / "mine.pth")
        torch.save(models.squeezenet1_1().state_dict(), weights)
    built, build = [], models.get_model

    def counted(name: str, **options: object) -> nn.Module:
        built.append(name)
        network: nn.Module = build(name, **options)
        return network

    monkeypatch.setattr(models, "get_model", counted)
    forget_networks()
    for in_all in (most, most):
        classifier = ImageClassifier(backbone="squeezenet1_1", weights=weights, image_size=32)
        classifier.fit(toy_folder / "train")
        forget_networks()
        assert 0 < len(built) <= in_all


def test_threads_that_ask_at_once_build_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built, build = [], Architecture.build

    def slow(self: Architecture, *, data: bool) -> nn.Module:
        built.append(self.builder)
        time.sleep(0.05)
        return build(self, data=data)

    monkeypatch.setattr(Architecture, "build", slow)
    forget_networks()
    with ThreadPoolExecutor(4) as pool:
        graphs = list(pool.map(graph_of, [Architecture("squeezenet1_1", 32) for _ in range(4)]))
    assert built == ["squeezenet1_1"]
    assert all(graph is graphs[0] for graph in graphs)
    assert graph_of(Architecture("squeezenet1_1", 33)) is not graphs[0]
    assert graph_of(Architecture("squeezenet1_1", 32, {"num_classes": 3})) is not graphs[0]


@pytest.mark.parametrize("name", ["resnet18", "swin_t"])  # Swin's index tables have data without weights
def test_what_is_handed_out_can_be_spoilt_without_harm(name: str) -> None:
    backbone = create_network(name, weights="random", image_size=64)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    kept = graph_of(backbone.architecture).network
    before = {key: (id(tensor), tensor.device) for key, tensor in kept.state_dict(keep_vars=True).items()}
    with torch.inference_mode():
        expected = backbone.network([backbone.cut])(images)[backbone.cut].clone()
    backbone.describe()

    spoilt = backbone.network([backbone.cut]).half().to("meta")
    for module in list(spoilt.modules()):
        module.register_forward_hook(lambda *_: None)
        module.extra = 1  # type: ignore[assignment]
        module._modules.clear()

    again = {key: (id(tensor), tensor.device) for key, tensor in kept.state_dict(keep_vars=True).items()}
    assert again == before
    assert not [module for module in kept.modules() if module._forward_hooks or hasattr(module, "extra")]
    with torch.inference_mode():
        assert torch.equal(backbone.network([backbone.cut])(images)[backbone.cut], expected)


def forget_networks() -> None:
    cutting._build.cache_clear()
    measure.cache_clear()


def test_multiplications_of_convolutions_are_those_of_a_run_counted_by_hand() -> None:
    backbone = create_network("resnet18", weights="random", image_size=32)
    network, counts = backbone.network(["layer2.0"]), []

    def count(convolution: nn.Conv2d, _: object, output: Tensor) -> None:
        counts.append(convolution.weight.numel() * output[0, 0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, 32, 32))
    assert backbone.multiplications("layer2.0") == sum(counts)
    listed = {info.name: info.multiplications for info in backbone.describe()}
    assert listed["layer2.0"] == sum(counts)


def test_multiplications_of_attention_are_counted_too() -> None:
    info = describe_backbone("vit_b_32", 32).cuts[-1]  # one patch and the class token
    tokens, width, layers = 2, 768, 12
    patches = 3 * 32**2 * width
    assert info.multiplications == patches + layers * (12 * tokens * width**2 + 2 * tokens**2 * width)


def test_what_lies_behind_the_cut_is_not_kept() -> None:
    network = create_network("resnet18", weights="random", image_size=32).network(["layer2"])
    kept = {name.partition(".")[0] for name, _ in network.named_parameters()}
    assert kept == {"conv1", "bn1", "layer1", "layer2"}
    assert not hasattr(network, "fc")


@pytest.mark.parametrize(("name", "classifier"), [("resnet18", "fc"), ("densenet169", "classifier")])
def test_parameters_kept_are_those_in_front_of_the_cut(name: str, classifier: str) -> None:
    with torch.device("meta"):
        whole = models.get_model(name, weights=None)
    total = sum(p.numel() for p in whole.parameters())
    behind = sum(p.numel() for p in whole.get_submodule(classifier).parameters())

    last = describe_backbone(name).cuts[-1]

    assert last.parameters == total - behind
    assert last.share == pytest.approx(1 - behind / total)


def test_parameters_kept_at_an_early_cut_are_counted_by_hand() -> None:
    whole = models.resnet18()
    front = [whole.conv1, whole.bn1, whole.layer1, whole.layer2[0]]
    expected = sum(p.numel() for module in front for p in module.parameters())
    info = next(info for info in describe_backbone("resnet18").cuts if info.name == "layer2.0")
    assert info.parameters == expected


def test_densenet_169_gives_the_numbers_of_the_first_optical_experiment() -> None:
    started = time.perf_counter()
    info = describe_backbone("densenet169")
    assert time.perf_counter() - started < 5
    assert info.image_size == 224
    assert info.cuts[-1].name == "features"
    assert (info.cuts[-1].flattened, info.cuts[-1].pooled) == (81_536, 1664)


def test_tokens_count_the_class_token_beside_the_mean() -> None:
    info = describe_backbone("vit_b_32", 64).cuts[-1]
    assert (info.shape, info.pooled, info.flattened) == ((5, 768), 2 * 768, 5 * 768)


@pytest.mark.parametrize(
    ("name", "size"), [("inception_v3", 32), ("vit_b_16", 100), ("maxvit_t", 128), ("alexnet", 30)]
)
def test_a_size_that_the_network_cannot_take_is_refused_before_weights_are_sought(
    name: str, size: int
) -> None:
    with pytest.raises(BackboneError, match=f"{name} cannot .* {size}-pixel images"):
        create_network(name, image_size=size)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*list_backbones(), *PLAIN_CNNS])
def test_every_network_can_be_described(name: str) -> None:
    info = describe_backbone(name)
    parameters = [cut.parameters for cut in info.cuts]
    assert len(info.cuts) >= 5
    assert parameters == sorted(parameters)
    assert parameters[-1] > 0
    assert 0 < info.cuts[-1].share < 1
