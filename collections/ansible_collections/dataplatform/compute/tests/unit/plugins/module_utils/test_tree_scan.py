# Copyright: (c) 2026, Data Platform Compute contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.dataplatform.compute.plugins.module_utils import tree_scan
from ansible_collections.dataplatform.compute.plugins.module_utils.errors import ValidationError
from ansible_collections.dataplatform.compute.plugins.module_utils.tree_errors import FileChangedError

EMPTY_MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
HELLO_MD5 = "XUFAKrxLKna5cZ2REBfFkg=="
HELLO_CRC32C = "mnG7TA=="


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_are_found_with_size_and_checksum(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "hello")
    write(tmp_path / "sub/dir/empty", "")
    (tmp_path / "no files here").mkdir()
    found = tree_scan.scan_directory(str(tmp_path), [], "p/")
    assert {name: (file.size, file.md5) for name, file in found.items()} == {
        "a.txt": (5, HELLO_MD5),
        "sub/dir/empty": (0, EMPTY_MD5),
    }


def test_a_file_larger_than_one_block_is_hashed_whole(tmp_path: Path) -> None:
    data = os.urandom(tree_scan._BLOCK_BYTES * 2 + 17)
    (tmp_path / "big").write_bytes(data)
    found = tree_scan.scan_directory(str(tmp_path), [], "")
    assert (found["big"].size, found["big"].md5) == (len(data), tree_scan.md5_base64(data))
    assert tree_scan.read_part(found["big"], len(data) - 5, 5) == data[-5:]


def test_odd_names_survive(tmp_path: Path) -> None:
    names = ["with space", "quote'\"", "ünï/日本.txt", "hash#query?per%41cent"]
    for name in names:
        write(tmp_path / name, "hello")
    assert sorted(tree_scan.scan_directory(str(tmp_path), [], "")) == sorted(names)


def test_excluded_files_are_not_even_looked_at(tmp_path: Path) -> None:
    write(tmp_path / "a.py", "hello")
    write(tmp_path / "__pycache__/bad\nname", "x")
    (tmp_path / "dangling.tmp").symlink_to("nowhere")
    assert list(tree_scan.scan_directory(str(tmp_path), ["__pycache__/**", "*.tmp"], "")) == ["a.py"]


def test_links_inside_the_tree_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "real/a", "hello")
    (tmp_path / "link").symlink_to("real/a")
    assert tree_scan.scan_directory(str(tmp_path), [], "")["link"].md5 == HELLO_MD5


def test_a_source_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    write(tmp_path / "real/a", "hello")
    (tmp_path / "current").symlink_to("real")
    assert list(tree_scan.scan_directory(str(tmp_path / "current"), [], "")) == ["a"]


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(tmp_path / "outside", "secret")
    write(tmp_path / "source-sibling/x", "secret")
    write(source / "folder/a", "hello")
    (source / "out").symlink_to("../outside")
    (source / "sibling").symlink_to("../source-sibling/x")
    (source / "dangling").symlink_to("nowhere")
    (source / "to-folder").symlink_to("folder")
    write(source / "line\nbreak", "x")
    os.mkfifo(source / "pipe")
    Path(os.fsdecode(bytes(source) + b"/latin\xff")).write_text("x")
    with pytest.raises(ValidationError) as caught:
        tree_scan.scan_directory(str(source), [], "")
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 7
    for words in (
        "'out' is a symbolic link that leaves the tree (to '../outside')",
        "'sibling' is a symbolic link that leaves the tree",
        "'dangling' is a symbolic link to nothing",
        "'to-folder' is a symbolic link to a folder",
        r"'line\nbreak' contains the control character U+000A",
        "'pipe' is neither a file nor a folder",
        r"'latin\udcff' is not valid UTF-8",
    ):
        assert words in problems


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(ValidationError, match="neither a file nor a folder"):
            tree_scan.scan_directory(".", [], "")


@pytest.mark.parametrize(("name", "words"), [("missing", "does not exist"), ("file", "is not a directory")])
def test_source_that_is_no_directory(tmp_path: Path, name: str, words: str) -> None:
    write(tmp_path / "file", "x")
    with pytest.raises(ValidationError, match=words):
        tree_scan.scan_directory(str(tmp_path / name), [], "")


def test_a_file_rewritten_after_the_plan_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "hello")
    planned = tree_scan.scan_directory(str(tmp_path), [], "")["a"]
    assert tree_scan.read_planned(planned) == b"hello"
    path.write_text("hallo")
    with pytest.raises(FileChangedError, match="changed while the tree was being uploaded"):
        tree_scan.read_planned(planned)
    assert not tree_scan.still_as_planned(planned)


def test_a_file_that_vanished_or_shrank_after_the_plan_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "hello")
    planned = tree_scan.scan_directory(str(tmp_path), [], "")["a"]
    path.write_text("hell")
    with pytest.raises(FileChangedError, match="shorter"):
        tree_scan.read_part(planned, 0, 5)
    path.unlink()
    with pytest.raises(FileChangedError, match="No such file"):
        tree_scan.read_planned(planned)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a", "hello")
    real = os.fstat

    def grow_after_first_look(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        with path.open("a") as stream:
            stream.write("!")
        return status

    monkeypatch.setattr(tree_scan.os, "fstat", grow_after_first_look)
    with pytest.raises(FileChangedError, match="changed while it was being read"):
        tree_scan.scan_directory(str(tmp_path), [], "")


def test_crc32c(tmp_path: Path) -> None:
    pytest.importorskip("google_crc32c")
    write(tmp_path / "a", "hello")
    on_disk = tree_scan.scan_directory(str(tmp_path), [], "")["a"]
    in_memory = tree_scan.wanted_from_content({"a": "hello"}, [], "")["a"]
    assert tree_scan.crc32c_base64(on_disk) == tree_scan.crc32c_base64(in_memory) == HELLO_CRC32C


def test_content_becomes_files() -> None:
    found = tree_scan.wanted_from_content({"a/ü": "hellö", "skip.tmp": "x"}, ["*.tmp"], "")
    assert {name: file.data for name, file in found.items()} == {"a/ü": "hellö".encode()}


def test_bad_content_is_reported_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        tree_scan.wanted_from_content({"a": {"k": 1}, "b/": "x", "c": "x", "d": 3}, [], "")
    assert len(caught.value.problems) == 3
    assert "content['a'] is of type dict" in caught.value.problems[0]
    assert "to_json" in caught.value.problems[0]


def test_a_key_that_is_no_text_is_reported_with_the_others() -> None:
    with pytest.raises(ValidationError) as caught:
        tree_scan.wanted_from_content({1: "x", "b/": "x"}, [], "")
    assert len(caught.value.problems) == 2
    assert "content key 1 is of type int" in caught.value.problems[0]


def test_content_with_a_file_and_a_folder_of_one_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="both 'a' and 'a/b'"):
        tree_scan.wanted_from_content({"a": "x", "a/b": "y"}, [], "")


def test_bytes_in_base64_stand_beside_texts() -> None:
    found = tree_scan.wanted_from_content({"a": "hello"}, [], "", {"b.zip": "AP8="})
    assert {name: file.data for name, file in found.items()} == {"a": b"hello", "b.zip": b"\x00\xff"}


def test_what_is_not_base64_and_names_given_twice_are_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        tree_scan.wanted_from_content({"a": "x"}, [], "", {"a": "AP8=", "b": "not base64!", "c": 3})
    assert caught.value.problems == [
        "content and content_base64 both have 'a'; expected each name once",
        "content_base64['b'] is not base64, expected the bytes of the file in base64",
        "content_base64['c'] is not base64, expected the bytes of the file in base64",
    ]
