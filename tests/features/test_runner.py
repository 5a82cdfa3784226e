from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Backbone, Runner, Tap, create_backbone
from lightprobe.backbones.engines import create_runner
from lightprobe.features import compile_for
from lightprobe.features import runner as runner_module
from lightprobe.images import open_images
from lightprobe.runtime import Runtime


@pytest.fixture(scope="module")
def backbone(toy_networks: Path) -> Backbone:
    return create_backbone(str(toy_networks / "efficientnet_lite0.onnx"))


def test_what_runs_is_said_with_its_agreement(toy_folder: Path, backbone: Backbone) -> None:
    images, taps = open_images(toy_folder), [Tap(backbone.cut)]
    compiled, agreement = compile_for(images, backbone, taps, Runtime("openvino", "fp32", "cpu"))
    assert (compiled.runner.engine, compiled.runner.precision) == ("openvino", "fp32")
    assert compiled.backbone is backbone
    assert agreement == 1.0


def test_auto_leaves_a_precision_that_sees_other_things_than_fp32(
    toy_folder: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Blurred:
        """A runner that calls itself bf16 and loses more than bf16 does."""

        def __init__(self, runner: Runner) -> None:
            self.__dict__.update(vars(runner), engine="openvino", device="cpu", precision="bf16")
            self.runner = runner

        def __call__(self, batch: NDArray[np.uint8]) -> dict[Tap, NDArray[np.float32]]:
            return {tap: np.maximum(values - values.mean(), 0) for tap, values in self.runner(batch).items()}

    def create(*args: object, precision: str, **how: object) -> object:
        runner = create_runner(*args, precision="fp32", **how)  # type: ignore[arg-type]
        return Blurred(runner) if precision in ("auto", "bf16") else runner

    monkeypatch.setattr(runner_module, "create_runner", create)
    images, taps = open_images(toy_folder), [Tap(backbone.cut)]
    compiled, agreement = compile_for(images, backbone, taps, Runtime(device="cpu"))
    assert compiled.runner.precision == "fp32"
    assert agreement > 0.999
    assert "fp32 is used instead" in caplog.text
    compiled, agreement = compile_for(images, backbone, taps, Runtime(precision="bf16", device="cpu"))
    assert compiled.runner.precision == "bf16", "a precision that was asked for stays"
    assert agreement < 0.999
