"""A signal that comes after OpenVINO was used must find its stack."""

import gc
import sys

import pytest
from tests.backbones.engines.test_quantization import SIZE, photos

from lightprobe.backbones import DEFAULT, Tap, create_backbone, create_runner
from lightprobe.backbones.graphs.openvino import _Stack, _swap, same_signal_stack, signal_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signal stacks are moved on Linux only")


@pytest.mark.usefixtures("int8")
def test_compiling_and_quantising_leave_the_signal_stack_where_it_was() -> None:
    toy = create_backbone(DEFAULT, image_size=SIZE)
    before = signal_stack()
    tap = Tap(toy.cut)
    runners = [
        create_runner(toy, [tap], precision="int8", device="cpu", calibration=photos(4, seed))
        for seed in (21, 22)
    ]
    runners.append(create_runner(toy, [tap], engine="openvino", precision="fp32", device="cpu"))
    assert signal_stack() == before
    while runners:
        del runners[0]  # the first made goes first
        gc.collect()
        assert signal_stack() == before


def test_a_stack_that_was_set_meanwhile_is_taken_back() -> None:
    import ctypes

    memory = ctypes.create_string_buffer(1 << 16)
    before = signal_stack()
    with same_signal_stack():
        _swap(_Stack(ctypes.addressof(memory), 0, len(memory)))
        assert signal_stack() == ctypes.addressof(memory)
    assert signal_stack() == before
