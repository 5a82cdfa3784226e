from pathlib import Path

import pytest

from lightprobe.backprop import DEFAULT_RECIPES, NAMED_RECIPES, Recipe, find_recipe, read_setting
from lightprobe.errors import OptionError

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]


def test_recipes_are_found_by_name_and_in_files_and_checked(tmp_path: Path) -> None:
    assert find_recipe("scratch", None) == DEFAULT_RECIPES["scratch"]
    tutorial = find_recipe("fine-tune", "tutorial")
    assert tutorial == NAMED_RECIPES["tutorial"]
    assert (tutorial.lr, tutorial.momentum, tutorial.batch_size, tutorial.epochs) == (0.001, 0.9, 4, 10)
    assert (tutorial.schedule, tutorial.step_size, tutorial.gamma) == ("step", 7, 0.1)
    growing = tmp_path / "growing.yaml"
    growing.write_text("epochs: 11\nsizes: [[64, 8], [80, 2], [96, 1]]\n", encoding="utf-8")
    sized = find_recipe("scratch", growing)
    assert [sized.size_at(epoch, 224) for epoch in (0, 7, 8, 9, 10, 99)] == [64, 64, 80, 80, 96, 96]
    assert find_recipe("scratch", ROOT / "recipes" / "cifar10.yaml").network == "cnn4"
    wrong = tmp_path / "wrong.yaml"
    for text, words in (("epochz: 3", "epochz"), ("- 1", "name: value"), ("a: [", "YAML"), ("lr: -1", "lr")):
        wrong.write_text(text, encoding="utf-8")
        with pytest.raises(OptionError, match=words):
            find_recipe("scratch", wrong)
    with pytest.raises(OptionError, match="cannot be read"):
        find_recipe("scratch", tmp_path / "missing.yaml")


def test_settings_are_read_as_yaml() -> None:
    assert read_setting("sizes=[[64, 2], [96, 1]]") == ("sizes", [[64, 2], [96, 1]])
    assert read_setting("weight-decay=0.1") == ("weight_decay", 0.1)
    with pytest.raises(OptionError, match="name=value"):
        read_setting("epochs")
    with pytest.raises(OptionError, match="sizes"):
        Recipe(sizes=((32, 2),)).with_settings({"epochs": 4})
