"""Every flag of the table, by every verb and method that declares it: it arrives, or is refused by name."""

import argparse
from typing import Any

import pytest

from lightprobe.cli import _parser
from lightprobe.cli.methods import build, refuse_foreign, takes, train_command
from lightprobe.cli.options import METHODS, OPTIONS, Option, given
from lightprobe.errors import OptionError

VALUES = {
    "root": "R",
    "class_map": "a=b",
    "classes": "leaf",
    "path_column": "P",
    "label_column": "L",
    "group": "-g",
    "test_fraction": "0.3",
    "backbone": "resnet18",
    "quality": "balanced",
    "weights": "w.pth",
    "cut": "stem",
    "image_size": "48",
    "mean": "0.4,0.5,0.6",
    "std": "0.2",
    "precision": "fp32",
    "engine": "eager",
    "batch_size": "5",
    "workers": "3",
    "max_megapixels": "2.5",
    "pool": "flatten",
    "encode": "sign",
    "looks": "crop,squash",
    "kernel": "linear",
    "components": "77",
    "projection": "dense",
    "alpha": "0.5",
    "keep": "nothing",
    "class_weight": "balanced",
    "recipe": "tutorial",
    "config": "r.yaml",
    "set": "flip=false",
    "epochs": "2",
    "lr": "0.7",
    "validation_fraction": "0.4",
    "devices": "2",
    "num_nodes": "3",
    "strategy": "ddp",
    "unfreeze": "1",
    "network": "cnn2",
    "activation": "elu",
    "pooling": "avg",
    "init": "xavier",
}
STARTS = {"train": ["train", "D", "--out", "O"], "compare": ["compare", "D", "--out", "O"]}


def words(option: Option) -> list[str]:
    if option.name not in VALUES:
        return [option.flag.replace("--batch-norm", "--no-batch-norm")]
    return [f"{option.flag}={VALUES[option.name]}"]


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return _parser()


@pytest.mark.parametrize("name", list(OPTIONS))
@pytest.mark.parametrize("method", METHODS)
def test_train_builds_with_what_a_flag_says_or_names_flag_and_method(
    method: str, name: str, parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "set":
        pytest.importorskip("yaml", reason="the extra backprop, which reads recipes, is not installed")
    option = OPTIONS[name]
    args = parser.parse_args([*STARTS["train"], "--method", method, *words(option)])
    asked: list[Any] = []
    find = __import__("lightprobe.backprop", fromlist=["find_recipe"]).find_recipe

    def remembered(for_method: str, recipe: Any) -> Any:
        asked.append(recipe)
        return find(for_method, None if name == "config" else recipe)

    monkeypatch.setattr("lightprobe.backprop.find_recipe", remembered)
    if not takes(method, option):
        with pytest.raises(OptionError, match=f"{option.flag} is no option of --method {method}, but of "):
            refuse_foreign(args, [method])
        return
    refuse_foreign(args, [method])
    model, value = build(args, method), given(args)[name]
    told = model.get_params()
    if name in ("recipe", "config"):
        assert asked == [value]
    elif name == "set":
        assert told["recipe"].flip is False
    elif option.line and "recipe" in told:
        assert getattr(told["recipe"], option.line) == value
    elif option.sets:
        assert told[option.sets] == value
    else:
        assert name in ("root", "test_fraction", "path_column", "label_column", "no_map"), (
            "the verb reads these"
        )


@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in ("resume", "no_map")])
@pytest.mark.parametrize("method", METHODS)
def test_compare_tells_each_method_what_train_then_reads(
    method: str, name: str, parser: argparse.ArgumentParser
) -> None:
    option = OPTIONS[name]
    args = parser.parse_args([*STARTS["compare"], *words(option)])
    refuse_foreign(args, METHODS)
    child = parser.parse_args(["train", "--out=O", *train_command(args, method)])
    told = {key: str(value) for key, value in given(child).items() if key != "root" or name == "root"}
    wanted = {name: str(given(args)[name])} if takes(method, option) else {}
    assert told == wanted
    assert (child.method, child.data) == (method, "D")
    if not takes(method, option):
        with pytest.raises(OptionError, match=f"{option.flag} is no option of --method {method}, but of "):
            refuse_foreign(args, [method])


@pytest.mark.parametrize(
    ("verb", "flag"),
    [
        ("compare", "--resume"),
        ("compare", "--no-map"),
        ("study size", "--resume"),
        ("study size", "--keep=sums"),
    ],
)
def test_what_a_verb_never_honours_it_does_not_know(
    verb: str, flag: str, parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([*verb.split(), "D", "--out", "O", flag])
    assert stop.value.code == 2
    assert flag in capsys.readouterr().err
