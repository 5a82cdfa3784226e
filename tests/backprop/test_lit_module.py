import math
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.optim import lr_scheduler

from lightprobe.backprop import Recipe
from lightprobe.backprop.batches import Samples
from lightprobe.backprop.lit_module import make_optimizer, rate_factors
from lightprobe.backprop.trainables import Trainable

pytestmark = pytest.mark.torch

EPOCHS, STEPS = 8, 5
TOTAL = EPOCHS * STEPS


@pytest.mark.parametrize(
    ("recipe", "factor"),
    [
        (Recipe(epochs=EPOCHS, schedule="step", step_size=3), lambda step: 0.1 ** (step // (3 * STEPS))),
        (
            Recipe(epochs=EPOCHS, schedule="cosine"),
            lambda step: (1 + math.cos(math.pi * step / TOTAL)) / 2,
        ),
        (Recipe(epochs=EPOCHS, schedule="constant"), lambda _step: 1.0),
        (Recipe(epochs=EPOCHS, schedule="constant", warmup=2), lambda step: min(1.0, (step + 1) / 10)),
        (
            Recipe(epochs=EPOCHS, schedule="cosine", warmup=2),
            lambda step: (step + 1) / 10 if step < 10 else (1 + math.cos(math.pi * (step - 10) / 30)) / 2,
        ),
    ],
)
def test_rates_follow_the_formula_of_their_schedule(recipe: Recipe, factor: Callable[[int], float]) -> None:
    factors = rate_factors(recipe, STEPS)
    assert factors == pytest.approx([factor(step) for step in range(TOTAL + 1)], abs=1e-9)


def test_one_cycle_rises_from_a_25th_to_the_rate_in_a_quarter_and_falls_to_nothing() -> None:
    factors = rate_factors(Recipe(epochs=20, schedule="one-cycle"), STEPS)
    top = factors.index(max(factors))
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[top] == pytest.approx(1.0, abs=1e-3)
    assert abs(top - 25) <= 1
    assert factors[-1] == pytest.approx(1e-5)
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one-cycle"])
@pytest.mark.parametrize("steps", range(1, 6))
def test_the_shortest_trainings_have_a_rate(schedule: Any, steps: int) -> None:
    for warmup in (0.0, 0.5, 3.0):
        factors = rate_factors(Recipe(epochs=1, schedule=schedule, warmup=warmup), steps)
        assert len(factors) == steps + 1
        assert all(1e-6 < factor <= 1 for factor in factors[:-1])


def test_one_cycle_is_what_torchs_scheduler_does_to_an_optimizer() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = lr_scheduler.OneCycleLR(
        optimizer, 0.3, TOTAL + 1, pct_start=0.25, final_div_factor=4000, cycle_momentum=False
    )
    for factor in rate_factors(Recipe(epochs=EPOCHS, schedule="one-cycle"), STEPS):
        assert 0.3 * factor == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        if theirs.last_epoch < TOTAL:
            theirs.step()


def test_biases_and_norms_do_not_decay() -> None:
    layer = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    nothing = Samples(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), torch.empty(0))
    recipe = Recipe(weight_decay=0.3)
    optimizer = make_optimizer(Trainable(layer, nothing, recipe), recipe)
    decays = {group["weight_decay"]: [p.ndim for p in group["params"]] for group in optimizer.param_groups}
    assert decays == {0.3: [2], 0.0: [1, 1, 1]}
