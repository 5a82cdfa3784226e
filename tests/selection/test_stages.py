from typing import Any

import pytest

from lightprobe.backbones import DEFAULT, Tap, create_backbone
from lightprobe.errors import ResourceError
from lightprobe.selection import affordable_taps, stage_cuts

RANDOM = {"weights": "random", "in_torch": True}


def test_features_that_would_not_fit_in_memory_are_left_out_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backbone = create_backbone(DEFAULT, cut="block2")
    sizes = backbone.feature_sizes([Tap(backbone.cut, "avg"), Tap(backbone.cut, "flatten")])
    small, large = sizes.values()
    assert small < large
    taps, dropped = affordable_taps(backbone, 100, "auto", max_memory=100 * 4 * small)
    assert [tap.pool for tap in taps] == ["avg"]
    assert [tap.pool for tap in dropped] == ["flatten"]
    assert "flatten is left out" in caplog.text
    with pytest.raises(ResourceError, match="max_memory"):
        affordable_taps(backbone, 100, "flatten", max_memory=100 * 4 * small)


@pytest.mark.real_network
@pytest.mark.parametrize(
    ("network", "sides", "how"),
    [
        (DEFAULT, [112, 56, 28, 14, 7], {}),
        pytest.param("squeezenet1_1", [111, 55, 27, 13], RANDOM, marks=pytest.mark.torch),
        pytest.param("resnet18", [56, 28, 14, 7], RANDOM, marks=pytest.mark.torch),
    ],
)
def test_a_stage_ends_where_the_resolution_changes(
    network: str, sides: list[int], how: dict[str, Any]
) -> None:
    backbone = create_backbone(network, **how)
    cuts = stage_cuts(backbone)
    shapes = {info.name: info.shape[-1] for info in backbone.describe()}
    assert cuts[-1] == backbone.cut
    found = [shapes[cut] for cut in cuts]
    assert found == sides


def test_earlier_layers_are_averaged_and_the_last_one_is_taken_both_ways() -> None:
    backbone = create_backbone(DEFAULT)
    cuts = stage_cuts(backbone)
    taps, dropped = affordable_taps(backbone, 10, "auto", None, cuts[:-1])
    assert taps == [*(Tap(cut, "avg") for cut in cuts), Tap(cuts[-1], "flatten")]
    assert not dropped
