import json

import pytest

from lightprobe.errors import DataError, OptionError
from lightprobe.images import ClassMap, ImageSet, as_class_map, parse_class_map
from lightprobe.images.arrays import ItemSource


def images_of(*names: str) -> ImageSet:
    return ImageSet.from_names([f"{i}" for i in range(len(names))], names, ItemSource(names))


def mapped(images: ImageSet) -> list[tuple[str, str]]:
    return [(p, images.classes[label]) for p, label in zip(images.paths, images.labels, strict=True)]


def test_plastic_against_the_rest() -> None:
    images = parse_class_map("plastic=plastic,other=*").apply(images_of("glass", "plastic", "metal"))
    assert images.classes == ("other", "plastic")
    assert mapped(images) == [("0", "other"), ("1", "plastic"), ("2", "other")]


def test_classes_that_nothing_matches_are_dropped_with_their_images() -> None:
    images = parse_class_map("cats=*cat, dogs=dog ,cats=lynx").apply(
        images_of("tomcat", "dog", "cow", "lynx", "cat")
    )
    assert images.classes == ("cats", "dogs")
    assert mapped(images) == [("0", "cats"), ("1", "dogs"), ("3", "cats"), ("4", "cats")]


def test_the_first_pair_that_matches_wins() -> None:
    images = parse_class_map("x=a*,y=b*,x=*").apply(images_of("a1", "b1", "c1"))
    assert [name for _, name in mapped(images)] == ["x", "y", "x"]


def test_a_name_with_brackets_is_also_taken_literally() -> None:
    assert parse_class_map("new=old[1]").apply(images_of("old[1]", "b")).classes == ("new",)


def test_case_counts() -> None:
    with pytest.raises(DataError, match=r"the class map names Cat, which matches no class.*cat, dog"):
        parse_class_map("x=Cat,y=dog").apply(images_of("cat", "dog"))


def test_data_to_evaluate_on_may_lack_classes() -> None:
    class_map = parse_class_map("plastic=plastic,other=*")
    assert class_map.apply(images_of("glass"), allow_unmatched=True).classes == ("other",)
    with pytest.raises(DataError, match="drops every image: it keeps none of glass"):
        parse_class_map("plastic=plastic").apply(images_of("glass"), allow_unmatched=True)


def test_a_class_map_survives_json() -> None:
    class_map = parse_class_map("a=x*,b=y,a=*")
    assert as_class_map(json.loads(json.dumps(class_map.pairs))) == class_map


def test_a_dict_gives_new_names_their_old_ones() -> None:
    assert as_class_map({"a": ["x", "y"], "b": "*"}) == ClassMap((("a", "x"), ("a", "y"), ("b", "*")))


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,,c=d"])
def test_a_malformed_pair_is_an_option_error(text: str) -> None:
    with pytest.raises(OptionError, match="is not a pair NEW=OLD"):
        parse_class_map(text)


@pytest.mark.parametrize("value", [{}, [], [["a"]], {"a": [1]}, [["a", ""]]])
def test_a_malformed_map_is_an_option_error(value: object) -> None:
    with pytest.raises(OptionError, match="is not a map from new names to old ones"):
        as_class_map(value)  # type: ignore[arg-type]  # wrong on purpose


def test_a_backslash_makes_a_comma_or_an_equals_sign_part_of_a_name() -> None:
    parsed = parse_class_map(r"red=apple\, red,a\=b=x=y,back=a\\,slash=c\d")
    assert parsed.pairs == (("red", "apple, red"), ("a=b", "x=y"), ("back", "a\\"), ("slash", r"c\d"))
    with pytest.raises(OptionError, match=r"has 'green', .*a comma or = that belongs to a name"):
        parse_class_map("red=apple, green")
