import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from lightprobe.backbones import create_backbone
from lightprobe.backprop import DEFAULT_RECIPES, NAMED_RECIPES, Recipe, find_recipe, read_setting
from lightprobe.backprop.augment import augment
from lightprobe.backprop.networks import HeadedNetwork, stages_of
from lightprobe.backprop.schedule import make_optimizer, rate_factor
from lightprobe.backprop.training import _class_weights, seconds_to
from lightprobe.errors import OptionError

ROOT = Path(__file__).parents[2]
EPOCHS, STEPS = 8, 5


@pytest.mark.parametrize(
    ("recipe", "scheduler"),
    [
        (
            Recipe(epochs=EPOCHS, schedule="step", step_size=3, gamma=0.1),
            lambda o: lr_scheduler.StepLR(o, 3 * STEPS, 0.1),
        ),
        (
            Recipe(epochs=EPOCHS, schedule="cosine"),
            lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS),
        ),
        (Recipe(epochs=EPOCHS, schedule="constant"), lambda o: lr_scheduler.LambdaLR(o, lambda _: 1.0)),
    ],
)
def test_schedules_are_torchs(recipe: Recipe, scheduler: Callable[[Any], Any]) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = scheduler(optimizer)
    for step in range(EPOCHS * STEPS):
        assert rate_factor(recipe, step, STEPS) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no gradient was taken
            theirs.step()


def test_one_cycle_rises_from_a_25th_to_the_rate_and_falls_to_nothing() -> None:
    recipe = Recipe(epochs=EPOCHS, schedule="one-cycle")
    factors = [rate_factor(recipe, step, STEPS) for step in range(EPOCHS * STEPS + 1)]
    assert factors[0] == pytest.approx(1 / 25)
    assert max(factors) == pytest.approx(1.0)
    assert factors.index(max(factors)) == EPOCHS * STEPS // 4
    assert factors[-1] == pytest.approx(1e-5)


def test_warm_up_rises_linearly() -> None:
    recipe = Recipe(epochs=EPOCHS, schedule="constant", warmup=2)
    factors = [rate_factor(recipe, step, STEPS) for step in range(12)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10:] == [1.0, 1.0]


def test_biases_and_norms_do_not_decay() -> None:
    layer = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = make_optimizer([(0.1, list(layer.parameters()))], Recipe(weight_decay=0.3))
    decays = {group["weight_decay"]: [p.ndim for p in group["params"]] for group in optimizer.param_groups}
    assert decays == {0.3: [2], 0.0: [1, 1, 1]}


def test_a_crop_of_everything_is_the_picture_and_half_of_them_are_mirrored() -> None:
    pictures = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8)
    whole = Recipe(scale=(1.0, 1.0), flip=False)
    same = augment(pictures, torch.ones(64), 16, whole)
    torch.testing.assert_close(same, pictures.float(), atol=1e-2, rtol=0)
    torch.manual_seed(0)
    turned = augment(pictures, torch.ones(64), 16, replace(whole, flip=True))
    mirrored = (turned - pictures.flip(3)).abs().amax((1, 2, 3)) < 0.1
    upright = (turned - pictures).abs().amax((1, 2, 3)) < 0.1
    assert (mirrored ^ upright).all()
    assert 16 < int(mirrored.sum()) < 48


def test_crops_keep_the_share_and_the_proportions_that_the_recipe_says() -> None:
    # Position as colour: a crop's extent can be read off its first and last pixels.
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8)
    picture = torch.stack(
        [ramp.expand(64, 64), ramp.expand(64, 64).T, torch.zeros(64, 64, dtype=torch.uint8)]
    )
    aspects = torch.full((200,), 4 / 3)
    recipe = Recipe(scale=(0.3, 0.5), ratio=(0.8, 1.25), flip=False)
    views = augment(picture.expand(200, -1, -1, -1), aspects, 32, recipe) / 255
    width = (views[:, 0, 0, -1] - views[:, 0, 0, 0]) * 32 / 31
    height = (views[:, 1, -1, 0] - views[:, 1, 0, 0]) * 32 / 31
    area = width * height
    ratio = width * (4 / 3) / height
    assert 0.28 < area.min() < 0.33
    assert 0.47 < area.max() < 0.53
    assert 0.78 < ratio.min() < 0.85
    assert 1.18 < ratio.max() < 1.3


@pytest.mark.parametrize(
    ("name", "stages"), [("resnet18", 4), ("mobilenet_v2", 5), ("cnn3", 4), ("vit_b_32", 13)]
)
def test_stages_hold_every_parameter_once(name: str, stages: int) -> None:
    backbone = create_backbone(name, weights="random")
    found = stages_of(backbone)
    assert len(found) == stages
    every = dict(backbone.network([backbone.cut]).named_parameters())
    assert sorted(parameter for stage in found for parameter in stage) == sorted(every)


def test_earlier_stages_learn_more_slowly_and_frozen_ones_not_at_all() -> None:
    network = HeadedNetwork(create_backbone("resnet18", weights="random"), 3, unfreeze=2)
    rates = [lr for lr, _ in network.groups(0.1, 0.5)]
    assert rates == [0.1, 0.1, 0.05]
    learning = {name.split(".")[0] for name, p in network.body.named_parameters() if p.requires_grad}
    assert learning == {"layer3", "layer4"}
    assert not network.train().body.get_submodule("layer1.0.bn1").training
    assert network.body.get_submodule("layer4.0.bn1").training


def test_class_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    weights = _class_weights("balanced", labels, 3)
    assert weights is not None
    assert weights.tolist() == pytest.approx(expected.tolist())
    assert _class_weights("none", labels, 3) is None


def test_seconds_to_99_percent_end_at_the_first_epoch_that_is_near_the_best() -> None:
    rows = [{"val_accuracy": a, "seconds": s} for a, s in ((0.5, 1.0), (0.895, 2.0), (0.88, 3.0), (0.9, 4.0))]
    assert seconds_to(rows, 0.99, before=10.0) == 12.0


def test_recipes_are_found_by_name_and_in_files_and_checked(tmp_path: Path) -> None:
    assert find_recipe("scratch", None) == DEFAULT_RECIPES["scratch"]
    tutorial = find_recipe("fine-tune", "tutorial")
    assert tutorial == NAMED_RECIPES["tutorial"]
    assert (tutorial.lr, tutorial.momentum, tutorial.batch_size, tutorial.epochs) == (0.001, 0.9, 4, 10)
    assert (tutorial.schedule, tutorial.step_size, tutorial.gamma) == ("step", 7, 0.1)
    starter = find_recipe("scratch", ROOT / "recipes" / "starter.yaml")
    assert (starter.network, starter.epochs, starter.batch_size) == ("regnet_y_400mf", 11, 128)
    assert [starter.size_at(epoch, 224) for epoch in (0, 7, 8, 9, 10, 99)] == [64, 64, 80, 80, 96, 96]
    assert find_recipe("scratch", ROOT / "recipes" / "cifar10.yaml").network == "cnn4"
    wrong = tmp_path / "wrong.yaml"
    for text, words in (("epochz: 3", "epochz"), ("- 1", "name: value"), ("a: [", "YAML"), ("lr: -1", "lr")):
        wrong.write_text(text, encoding="utf-8")
        with pytest.raises(OptionError, match=words):
            find_recipe("scratch", wrong)
    with pytest.raises(OptionError, match="cannot be read"):
        find_recipe("scratch", tmp_path / "missing.yaml")


def test_settings_are_read_as_yaml() -> None:
    assert read_setting("sizes=[[64, 2], [96, 1]]") == ("sizes", [[64, 2], [96, 1]])
    assert read_setting("weight-decay=0.1") == ("weight_decay", 0.1)
    with pytest.raises(OptionError, match="name=value"):
        read_setting("epochs")
    with pytest.raises(OptionError, match="sizes"):
        Recipe(sizes=((32, 2),)).with_settings({"epochs": 4})
