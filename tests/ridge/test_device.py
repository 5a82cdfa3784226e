import pytest
import torch

from lightprobe.ridge import double_device


@pytest.mark.parametrize(
    ("name", "cuda", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("mps", False, "cpu"),
        ("cuda:1", True, "cuda:1"),
        ("cpu", True, "cpu"),
    ],
)
def test_doubles_are_on_the_device_that_is_named_if_it_has_them(
    name: str, cuda: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert double_device(name) == expected
