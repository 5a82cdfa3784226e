"""Values of any type and names of any bytes, written as JSON and CSV and read again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightprobe.csv_text import read_csv, rows_with_text, write_csv
from lightprobe.json_text import to_json
from lightprobe.runs.rows import json_lines, read_rows
from lightprobe.runs.training_run import append_row

# What a file may be called where names are bytes: anything but NUL and the slash, as Python gets to see it.
NAMES = st.binary(min_size=1, max_size=12).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"_")))
SIGNS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXTS = NAMES | SIGNS | st.sampled_from(["\u2028", "\x85", "\r", "a\nb", '"', ",", "caf\udce9", "\x1b[2J"])
NUMBERS = st.integers(-(2**62), 2**62) | st.floats() | st.booleans() | st.none()
NUMPY = (
    st.integers(-(2**31), 2**31 - 1).map(np.int64)
    | st.floats(width=32).map(np.float32)
    | st.booleans().map(np.bool_)
    | st.lists(st.floats(), max_size=3).map(np.array)
    | TEXTS.map(np.str_)
)
PATHS = NAMES.map(Path)
TREES = st.recursive(
    NUMBERS | TEXTS | NUMPY | PATHS,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def expected(value: Any) -> Any:
    """What a reader of the JSON should get, said in another way than the writer does it."""
    if isinstance(value, np.ndarray):
        return [expected(one) for one in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: expected(one) for key, one in value.items()}
    return [expected(one) for one in value] if isinstance(value, (list, tuple)) else value


@given(TREES)
@settings(max_examples=150, deadline=None)
def test_any_tree_of_values_is_json_that_utf_8_and_ascii_hold_and_reads_back_the_same(tree: Any) -> None:
    for text in (to_json(tree), to_json(tree, ascii_only=True), to_json(tree, indent=1)):
        assert json.loads(text.encode()) == expected(tree)
    assert to_json(tree, ascii_only=True).isascii()
    assert "\n" not in to_json(tree), "one line in rows.jsonl"


@given(st.lists(st.dictionaries(TEXTS, TREES, max_size=3), max_size=3))
@settings(max_examples=60, deadline=None)
def test_rows_of_any_values_are_read_as_they_were_appended(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    run = tmp_path_factory.mktemp("run")
    (run / "rows.jsonl").touch()
    for row in rows:
        append_row(run, {"method": "optical", **row})
    assert len(json_lines(run / "rows.jsonl")) == len(rows)
    assert read_rows(run) == [expected({"method": "optical", **row}) for row in rows if "epoch" not in row]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_table_of_any_names_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    write_csv(path, ("path", "reason"), rows)
    assert [(row["path"], row["reason"]) for row in read_csv(path)] == rows
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    told = list(rows_with_text(text))
    assert [tuple(cells) for cells, _ in told[1:]] == rows
    assert "".join(row for _, row in told) == text
    for name, _ in rows:
        if not set(name) & set('",\r\n'):
            assert os.fsencode(name) in path.read_bytes(), "a name's own bytes"


@pytest.mark.parametrize("value", [{"a": [{1, 2}]}, {"a": [b"x"]}, {"a": [object()]}])
def test_what_json_has_no_word_for_is_refused_by_its_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r"a\[0\] is of type"):
        to_json(value)
    with pytest.raises(TypeError, match="a key in"):
        to_json({(1, 2): 3})
    with pytest.raises(ValueError, match=r"^head\.alpha\[1\] is inf"):
        to_json({"head": {"alpha": [1.0, np.float64("inf")]}}, require_finite=True)
