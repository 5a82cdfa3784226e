from typing import Any

import pytest

from lightprobe.backbones import DEFAULT, Tap, create_backbone
from lightprobe.errors import ResourceError
from lightprobe.selection import affordable_taps, stage_cuts

RANDOM = {"weights": "random", "in_torch": True}


def test_features_that_would_not_fit_in_memory_are_left_out_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backbone = create_backbone(DEFAULT)
    first, last = stage_cuts(backbone)[0], backbone.cut
    small, large = sorted(
        backbone.feature_sizes([Tap(first, "flatten"), Tap(last, "flatten")]).items(),
        key=lambda size: size[1],
    )
    assert small[1] < large[1]
    taps, dropped = affordable_taps(backbone, 100, "flatten", 100 * 4 * small[1], [first])
    assert taps == [small[0]]
    assert list(dropped) == [large[0]]
    assert "flatten is left out" in caplog.text
    with pytest.raises(ResourceError, match="max_memory"):
        affordable_taps(backbone, 100, "flatten", max_memory=4)


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


def test_earlier_layers_stand_before_the_last_one() -> None:
    backbone = create_backbone(DEFAULT)
    cuts = stage_cuts(backbone)
    taps, dropped = affordable_taps(backbone, 10, "avg", None, cuts[:-1])
    assert taps == [Tap(cut, "avg") for cut in cuts]
    assert not dropped
