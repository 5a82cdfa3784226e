from pathlib import Path

import pytest
import torch

from lightprobe.backbones import Backbone, Runner, Tap, create_backbone
from lightprobe.backbones.engines import create_runner
from lightprobe.features import compile_for
from lightprobe.features import runner as runner_module
from lightprobe.images import open_images
from lightprobe.runtime import Runtime


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return create_backbone("squeezenet1_1", weights="random", cut="features.4", image_size=64)


def test_what_runs_is_said_with_its_agreement(toy_folder: Path, backbone: Backbone) -> None:
    images, taps = open_images(toy_folder), [Tap(backbone.cut)]
    compiled, agreement = compile_for(images, backbone, taps, Runtime("eager", "fp32", "cpu"))
    assert compiled.backbone is backbone
    assert (compiled.runner.engine, compiled.runner.precision, agreement) == ("eager", "fp32", 1.0)
    compiled, agreement = compile_for(images, backbone, taps, Runtime("openvino", "fp32", "cpu"))
    assert (compiled.runner.engine, compiled.runner.precision) == ("openvino", "fp32")
    assert agreement == pytest.approx(1.0, abs=1e-5)


def test_auto_leaves_a_precision_that_sees_other_things_than_fp32(
    toy_folder: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Blurred:
        """A runner that calls itself bf16 and loses more than bf16 does."""

        def __init__(self, runner: Runner) -> None:
            self.__dict__.update(vars(runner), engine=runner.engine, precision="bf16")
            self.runner = runner

        def __call__(self, batch: torch.Tensor) -> dict[Tap, torch.Tensor]:
            return {tap: torch.relu(values - values.mean()) for tap, values in self.runner(batch).items()}

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
