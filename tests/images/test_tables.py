from pathlib import Path

import pytest
from tests.images.toy_photos import write_photo

from lightprobe.errors import DataError
from lightprobe.images import open_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "3.png", "sub dir/4, ü.png"):
        write_photo(tmp_path / "photos" / name)
    return tmp_path / "photos"


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.CSV"
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_come_in_any_order_and_further_ones_are_ignored(folder: Path) -> None:
    images = open_images(
        table(
            folder,
            'Split,note,PATH,label\ntrain,x,1.png,10\nVALID,"a,b",2.png,9\n\n,,"sub dir/4, ü.png",10\n',
        )
    )
    assert images.classes == ("9", "10")
    assert images.paths == ("1.png", "2.png", "sub dir/4, ü.png")
    assert images.labels.tolist() == [1, 0, 1]
    assert images.splits.tolist() == ["train", "val", ""]
    assert images.groups is None
    assert images.read(2) == (folder / "sub dir" / "4, ü.png").read_bytes()


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(folder: Path) -> None:
    images = open_images(table(folder, "path,label\r\n1.png,a\r\n2.png,b\r\n", "utf-8-sig"))
    assert images.classes == ("a", "b")


def test_paths_may_be_absolute(folder: Path) -> None:
    images = open_images(table(folder, f"path,label\n{folder / '1.png'},a\n2.png,b\n"))
    assert images.read(0) == (folder / "1.png").read_bytes()


def test_the_group_column_is_read_and_an_empty_group_is_a_group_of_its_own(folder: Path) -> None:
    path = table(folder, "path,label,group,site\n1.png,a,g1,s\n2.png,b,,s\n3.png,b,,t\n")
    groups = open_images(path).groups
    sites = open_images(path, group="Site").groups
    by_pattern = open_images(path, group=r"\d").groups
    assert groups is not None
    assert groups.tolist() == ["g1", "2.png", "3.png"]
    assert sites is not None
    assert sites.tolist() == ["s", "s", "t"]
    assert by_pattern is not None
    assert by_pattern.tolist() == ["1", "2", "3"]


def test_a_missing_file_and_a_repeated_line_are_skipped_with_their_reasons(folder: Path) -> None:
    images = open_images(table(folder, "path,label\n1.png,a\nnope.png,a\n2.png,b\n1.png,a\n"))
    assert images.paths == ("1.png", "2.png")
    assert [(s.path, s.reason) for s in images.skipped] == [
        ("nope.png", "no such file"),
        ("1.png", "listed already on line 2"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path'"),
        ("file,label\n1.png,a\n", "no column 'path'; its first line is 'file,label'"),
        ("path;label\n1.png;a\n", "no column 'path'; its first line is 'path;label'.*commas"),
        ("path,class\n1.png,a\n", "no column 'label'"),
        ("path,label\n1.png,a\n2.png\n", "line 3: 1 columns where the header has 2"),
        ("path,label\n1.png,a\n2.png,b,c\n", "line 3: 3 columns where the header has 2"),
        ("path,label\n1.png,\n", "line 2, column label: empty"),
        ("path,label\n ,a\n", "line 2, column path: empty"),
        (
            "path,label,split\n1.png,a,dev\n",
            "line 2, column split: 'dev' is not a split; allowed are train",
        ),
        ("path,label\n1.png,a\n1.png,b\n", "line 3, column path: 1.png is also on line 2"),
        ('path,label\n"1.png,a\n', "line 2: not valid CSV"),
        ("path,label\n", "has no rows"),
        ("path,label\nx.png,a\ny.png,b\n", "none of the 2 files in .* exists: their paths start at"),
    ],
)
def test_a_malformed_table_is_an_error_that_names_the_place(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_images(table(folder, text))


def test_a_table_that_is_not_utf8_says_so(folder: Path) -> None:
    with pytest.raises(DataError, match="is not UTF-8 text"):
        open_images(table(folder, "path,label\n1.png,ü\n", "latin-1"))
