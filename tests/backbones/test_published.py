"""Networks that others publish: what the table says of them, and what is at hand."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from lightprobe.backbones import PACKAGED, Published, find_published, published_networks
from lightprobe.backbones.published import hugging_face_hub, torch_hub

RECIPE = Path(__file__).parents[2] / "recipes" / "published_networks.py"


def named(name: str) -> Published:
    found = find_published(name)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.torch
def test_the_table_says_what_the_libraries_say() -> None:
    pytest.importorskip("timm")
    table = runpy.run_path(str(RECIPE))["table"]()
    ours = [vars(one) for one in published_networks() if one.library != "lightprobe"]
    assert ours == table


def test_networks_inside_the_package_are_at_hand() -> None:
    inside = published_networks()[: len(PACKAGED)]
    assert tuple(one.name for one in inside) == PACKAGED
    for one in inside:
        assert (one.state, one.missing_extra, one.command) == ("inside", None, "")


def test_weights_in_a_librarys_cache_are_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
    mobilenet, resnet = named("mobilenet_v2"), named("timm:resnet50.a1_in1k")
    assert [one.state for one in (mobilenet, resnet)] == ["download", "download"]
    assert mobilenet.source in mobilenet.command
    assert str(mobilenet.cached_file) in mobilenet.command
    assert "hf download timm/resnet50.a1_in1k" in resnet.command
    file = tmp_path / "torch" / "hub" / "checkpoints" / mobilenet.source.rpartition("/")[2]
    snapshot = tmp_path / "hf" / "hub" / "models--timm--resnet50.a1_in1k" / "snapshots" / "0a1b"
    for folder in (file.parent, snapshot):
        folder.mkdir(parents=True)
    assert [one.state for one in (mobilenet, resnet)] == ["download", "download"]
    file.write_bytes(b"")
    (snapshot / "model.safetensors").write_bytes(b"")
    assert [one.state for one in (mobilenet, resnet)] == ["cached", "cached"]


def test_a_missing_library_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert named("mobilenet_v2").command.startswith("pip install 'lightprobe[torch]' && ")
    assert named("timm:resnet50.a1_in1k").missing_extra == "timm"


@pytest.mark.torch
def test_caches_are_where_the_libraries_have_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    assert str(torch_hub()) == torch.hub.get_dir()
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
        assert str(torch_hub()) == torch.hub.get_dir()
        monkeypatch.delenv(name)
    hub = pytest.importorskip("huggingface_hub.constants")
    assert str(hugging_face_hub()) == hub.HF_HUB_CACHE


def test_listing_imports_neither_library() -> None:
    code = (
        "import sys; from lightprobe.cli import main; main(['backbones']); "
        "print([name for name in ('torch', 'torchvision', 'timm') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"
    assert any(line.split()[:2] == ["mobilenet_v2", "download"] for line in said.splitlines()) or (
        named("mobilenet_v2").state == "cached"
    )
    assert "Apache-2.0" in said
    assert "none stated" in said
