"""Folders of toys that several rooms' tests share, and a cache of their own."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

# Read once, when torch is loaded. Toys are too small for threads that wait for each other in a busy loop:
# they take the cores from those that have something to do, such as decoders and other programs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
from tests.toy_network import toy_network
from tests.toys import draw_toys


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For modules whose tests show the same photos to the same networks: `usefixtures` it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    shared = "module_cache" in request.fixturenames
    # Not inside, where tests look at what was written.
    alone = tmp_path.with_name(f"{tmp_path.name}-cache")
    folder: Path = request.getfixturevalue("module_cache") if shared else alone
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is as readable before it is on the disk."""
    monkeypatch.setattr("lightprobe.atomic._to_disk", lambda path: None)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Take back what the command line sets for its process: where messages go, and which."""
    loggers = [logging.getLogger(name) for name in ("lightprobe", "lightprobe.data")]
    were = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, were, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(scope="session")
def toy_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every network inside the package is a toy, of the same name and its own weights."""
    from lightprobe.backbones import PACKAGED

    folder = tmp_path_factory.mktemp("networks")
    for seed, name in enumerate(PACKAGED):
        toy_network(folder / f"{name}.onnx", seed=seed)
    return folder


@pytest.fixture(autouse=True)
def packaged_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks inside the package are toys, but for tests marked `real_network`.

    Compiled in milliseconds and seen through in microseconds; other processes see the real ones.
    """
    if not request.node.get_closest_marker("real_network"):
        folder = request.getfixturevalue("toy_networks")
        monkeypatch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", folder)


@pytest.fixture
def toy_folder(tmp_path: Path) -> Path:
    """Twelve training and four test photos of each of three classes."""
    return draw_toys(tmp_path)


@pytest.fixture
def int8() -> None:
    """Skip where int8 networks cannot run: without what calibrates them, or without int8 products."""
    from lightprobe.backbones import has_int8

    if not has_int8("cpu"):
        pytest.skip("this processor has neither VNNI nor Arm's dot products: its int8 products saturate")
    pytest.importorskip("nncf", reason="the extra int8 is not installed")  # which takes seconds
