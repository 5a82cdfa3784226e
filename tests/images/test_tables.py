import os
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.images.toy_photos import write_photo

from lightprobe.errors import DataError, ImageError, MissingExtraError, OptionError
from lightprobe.images import open_images, open_unlabelled, read_table
from lightprobe.runs.update import read_relabelling


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
        ("place,label\n1.png,a\n", "no column 'path'; its first line is 'place,label'.*`path_column`"),
        ("path|label\n1.png|a\n", "no column 'path'; its first line is 'path.label'.*commas, semicolons"),
        ("path,kind\n1.png,a\n", "no column 'label'.*`label_column`"),
        ("path,label\n1.png,a|b\n", "line 2, column label: 'a.b' names several classes"),
        ("path,label\n1.png,\"['a', 'b']\"\n", "line 2, column label: .* names several classes"),
        ("path,label\n1.png,a\n2.png\n", "line 3: 1 columns where the header has 2"),
        ("path,label\n1.png,a\n2.png,b,c\n", "line 3: 3 columns where the header has 2"),
        ("path,label\n1.png,\n", "line 2, column label: empty"),
        ("path,label\n ,a\n", "line 2, column path: empty"),
        (
            "path,label,split\n1.png,a,later\n",
            "line 2, column split: 'later' is not a split; allowed are train",
        ),
        ("path,label\n1.png,a\n1.png,b\n", "line 3, column path: 1.png is also on line 2"),
        ('path,label\n"1.png,a\n', "line 2: not valid CSV"),
        ("path,label\n", "has no rows"),
        ("path,label\nx.png,a\ny.png,b\n", "none of the 2 files in .* exists .x.png, y.png.: their"),
    ],
)
def test_a_malformed_table_is_an_error_that_names_the_place(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_images(table(folder, text))


def test_a_table_that_is_not_utf8_says_so(folder: Path) -> None:
    with pytest.raises(DataError, match="is not UTF-8 text"):
        open_images(table(folder, "path,label\n1.png,ü\n", "latin-1"))


TABLES = {
    "UTF-8": b"path,label\n1.png,\xc3\xbc\n2.png,b\n",
    "UTF-8 with its mark": "path,label\n1.png,ü\n2.png,b\n".encode("utf-8-sig"),
    "UTF-16": "path,label\n1.png,ü\n2.png,b\n".encode("utf-16"),
    "UTF-16, the other way round": b"\xfe\xff" + "path,label\n1.png,ü\n2.png,b\n".encode("utf-16-be"),
    "UTF-32": "path,label\n1.png,ü\n2.png,b\n".encode("utf-32"),
    "capitals and spaces": " Path , LABEL\n1.png, ü\n2.png ,b\n".encode(),
    "quoted after a space": 'path, label\n1.png, "ü"\n2.png, "b"\n'.encode(),
    "semicolons": "path;label\r\n1.png;ü\r\n2.png;b\r\n".encode(),
    "tabs": "path\tlabel\n1.png\tü\n2.png\tb\n".encode(),
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_every_reader_reads_every_table_alike(folder: Path, content: bytes) -> None:
    path = folder / "table.csv"
    path.write_bytes(content)
    images = open_images(path)
    assert [images.classes[label] for label in images.labels] == ["ü", "b"]
    assert read_relabelling(path) == {"1.png": "ü", "2.png": "b"}
    assert open_unlabelled(str(path)).paths == tuple(
        (folder / name).as_posix() for name in ("1.png", "2.png")
    )


@pytest.mark.parametrize(
    "content", ["path,label\n1.png,ü\n".encode("latin-1"), "path,label\n".encode("utf-16-le")]
)
def test_every_reader_refuses_other_text_in_the_same_words(folder: Path, content: bytes) -> None:
    path = folder / "table.csv"
    path.write_bytes(content)
    for read in (open_images, read_relabelling, open_unlabelled, read_table):
        with pytest.raises(DataError, match=r"table\.csv is not UTF-8 text: save it as CSV UTF-8"):
            read(path)


def test_a_split_may_be_called_as_folders_are(folder: Path) -> None:
    images = open_images(table(folder, "path,label,split\n1.png,a,Training\n2.png,b,dev\n3.png,b,test set\n"))
    assert images.splits.tolist() == ["train", "val", "test"]


def test_a_photo_is_the_same_however_its_path_is_spelled(tmp_path: Path) -> None:
    accent = unicodedata.normalize("NFC", "café/é.png")
    write_photo(tmp_path / unicodedata.normalize("NFD", accent))
    write_photo(tmp_path / "b" / "2.png")
    path = tmp_path / "t.csv"
    path.write_text(
        f"path,label\n./{accent},a\nb\\2.png,b\nb/../b//2.png,b\n{tmp_path / 'b' / '2.png'},b\n",
        encoding="utf-8",
    )
    images = open_images(path)
    assert images.paths == (accent, "b/2.png")
    assert all(images.read(i) for i in range(2))
    assert [one.reason for one in images.skipped] == ["listed already on line 3"] * 2
    assert open_images(tmp_path).paths == ("b/2.png", accent), "from the folder it has the same name"
    assert open_images(([str(tmp_path / "b" / "2.png"), accent], ["b", "a"])).paths[1] == accent
    path.write_text(f"path,label\nb/2.png,b\nb\\2.png,a\n{accent},c\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3, column path: b.2\.png is also on line 2"):
        open_images(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("photos.csv", "id,File Name,label\n7,1.png,x\n8,gone.png,y\n"),
        ("photos.tsv", "image_path\tnote\n1.png\ta\ngone.png\tb\n"),
        ("list.txt", "1.png\n\ngone.png\n"),
        ("list.txt", "path\n1.png\ngone.png\n"),
        ("list.csv", "1.png\ngone.png\n"),
    ],
)
def test_a_list_of_photos_is_read_as_one_and_a_missing_one_stays(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    images = open_unlabelled([str(folder / name)])
    assert images.paths == tuple((folder / photo).as_posix() for photo in ("1.png", "gone.png"))
    assert images.read(0) == (folder / "1.png").read_bytes()
    with pytest.raises(ImageError, match="no such file"):
        images.read(1)


def test_a_list_may_speak_of_the_working_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "list.txt").write_text("photos/2.png\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert open_unlabelled("photos/list.txt").paths == ("photos/2.png",)


def test_a_list_without_photos_says_so_and_a_photo_called_like_a_list_is_a_photo(folder: Path) -> None:
    (folder / "odd.txt").write_bytes((folder / "1.png").read_bytes())
    assert open_unlabelled(folder / "odd.txt").paths == ((folder / "odd.txt").as_posix(),)
    (folder / "t.csv").write_text("id,score\n1,2\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"no column of photos; its first line is 'id,score'.*call the column path"
    ):
        open_unlabelled(folder / "t.csv")
    (folder / "t.csv").write_text("path\n", encoding="utf-8")
    with pytest.raises(DataError, match="names no photos"):
        open_unlabelled(folder / "t.csv")


def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="is no file"):
        read_table(tmp_path / "pipe.csv")
    reading, writing = os.pipe()
    os.write(writing, b"path,label\na.jpg,cat\n")
    os.close(writing)
    try:
        assert read_table(Path(f"/dev/fd/{reading}")).rows == [(2, ["a.jpg", "cat"])]
    finally:
        os.close(reading)


def workbook(path: Path, *rows: Sequence[object], formats: dict[str, str] | None = None) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, shown in (formats or {}).items():
        book.active[cell].number_format = shown
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("t.xlsx", "openpyxl", "excel"), ("t.parquet", "pyarrow", "parquet")]
)
def test_what_reads_a_table_is_named_where_it_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    (folder / name).write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'lightprobe\[{extra}\]'"):
        read_table(folder / name)


def test_an_excel_workbook_is_read_as_it_shows(folder: Path) -> None:
    rows = (
        ["File Name", "class", "note"],
        ["1.png", 7, None],
        [None, None, None],
        ["2.png", 7.5],
        ["3.png", 7],
    )
    path = workbook(folder / "t.xlsx", *rows, formats={"B5": "000"})
    images = open_images(path)
    assert [images.classes[label] for label in images.labels] == ["7", "7.5", "007"]
    assert open_unlabelled(path).paths == tuple((folder / f"{n}.png").as_posix() for n in (1, 2, 3))
    with pytest.raises(DataError, match="line 3, column class: empty"):
        open_images(workbook(path, ["path", "class"], ["1.png", True], ["2.png", None]))
    path.write_bytes(b"path,label\n1.png,a\n")
    with pytest.raises(DataError, match="cannot be read as an Excel workbook"):
        open_images(path)


def test_parquet_is_read_as_pandas_writes_it(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {"image_path": ["1.png", "2.png", "3.png"], "target": [1.0, 2.0, 1.0], "group": ["a", None, "b"]},
        index=["x", "y", "z"],
    )
    frame.to_parquet(folder / "t.parquet")
    images = open_images(folder / "t.parquet")
    assert [images.classes[label] for label in images.labels] == ["1", "2", "1"]
    assert images.groups is not None
    assert images.groups.tolist() == ["a", "2.png", "b"]
    frame["target"] = [["a", "b"], ["a"], ["b"]]
    frame.to_parquet(folder / "t.parquet")
    with pytest.raises(
        DataError, match=r"line 2, column target: .* names several classes, and a photo has one"
    ):
        open_images(folder / "t.parquet")


def test_labels_are_text_and_a_photo_s_column_may_be_named(folder: Path) -> None:
    text = "who;what;score\r\n1.png;007;0,5\r\n2.png;NA;1,0\r\n3.png;None;0,1\r\n"
    path = table(folder, text)
    images = open_images(path, path_column="who", label_column="What")
    assert images.classes == ("007", "NA", "None")
    with pytest.raises(DataError, match="no column 'which'"):
        open_images(path, path_column="who", label_column="which")
    with pytest.raises(OptionError, match="are for tables"):
        open_images(folder, path_column="who")


def test_a_table_s_paths_may_start_at_the_working_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    path = table(tmp_path / "lists", f"file,target\n{folder.name}/1.png,True\n{folder.name}\\2.png,False\n")
    monkeypatch.chdir(tmp_path)
    assert open_images(path).classes == ("False", "True")
