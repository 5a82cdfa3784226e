import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lightprobe.atomic import append_line, exchange, whole_file, whole_path, write_whole
from lightprobe.errors import WriteError

# In a process of its own: which kind of target, and what it then holds.
_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def test_an_error_on_the_way_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_whole(file, b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(file) as written:
        written.write(b"new")
        raise KeyboardInterrupt
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "v3.txt").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "current").symlink_to("../v3.txt")
    (tmp_path / "dangling").symlink_to("later.txt")
    write_whole(tmp_path / "folder" / "current", b"new")
    write_whole(tmp_path / "dangling", b"made")
    assert (tmp_path / "v3.txt").read_bytes() == b"new"
    assert (tmp_path / "later.txt").read_bytes() == b"made"
    assert (tmp_path / "folder" / "current").is_symlink()
    assert (tmp_path / "dangling").is_symlink()


@pytest.mark.parametrize("library", [False, True])
def test_a_pipe_takes_what_is_written_and_stays_a_pipe(tmp_path: Path, library: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    if library:
        with whole_path(pipe) as path:
            path.write_bytes(b"content")
    else:
        write_whole(pipe, b"content")
    reader.join()
    assert read == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_devices_are_streamed_into_and_stay_devices() -> None:
    before = Path("/dev/null").stat()
    write_whole(Path("/dev/null"), b"content")
    assert Path("/dev/null").stat().st_rdev == before.st_rdev
    with pytest.raises(WriteError, match=r"/dev/full cannot be written \(No space left on device\): free"):
        write_whole(Path("/dev/full"), b"content")


def test_what_can_be_no_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    for target, sentence in (
        (tmp_path, "is a folder: name a file"),
        (tmp_path / "self", "name the file, not a link"),
        (tmp_path / "no" / "where.txt", "make its folder first"),
        (tmp_path / ("x" * 300), "give it a shorter name"),
    ):
        with pytest.raises(WriteError, match=sentence):
            write_whole(target, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["self"]


def test_permissions_are_those_of_the_umask_or_of_the_file_that_is_replaced(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    write_whole(tmp_path / "new", b"again")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_limit_on_the_size_of_files_is_one_sentence_and_the_old_file_stays(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from lightprobe.atomic import append_line, write_whole; from lightprobe.errors import WriteError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "for do in (lambda: write_whole(Path(sys.argv[1]), b'x' * 5000),\n"
        "           lambda: append_line(Path(sys.argv[1]), 'x' * 5000 + '\\n')):\n"
        "    try: do()\n"
        "    except WriteError as error: print(error)\n"
    )
    file = tmp_path / "a.txt"
    file.write_bytes(b"old\n")
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.count("cannot be written (File too large): raise the limit") == 2
    assert file.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(_ROOT, reason="nothing is read-only for root")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="name a place that you may write to"):
            write_whole(tmp_path / "a.txt", b"")
    finally:
        tmp_path.chmod(0o700)


def test_a_line_that_was_half_written_is_cut_off_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    append_line(file, '{"a": 1}\n')
    with file.open("ab") as half:
        half.write(b'{"b": ' + b"2" * 200_000)
    append_line(file, '{"c": 3}\n')
    assert file.read_text(encoding="utf-8") == '{"a": 1}\n{"c": 3}\n'
    file.write_bytes(b"half")
    append_line(file, "whole\n")
    assert file.read_bytes() == b"whole\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
def test_two_names_are_exchanged_in_one_step(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "is").write_text(name, encoding="utf-8")
    assert exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "is").read_text(encoding="utf-8") == "b"
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "c")
