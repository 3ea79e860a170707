"""A file that is whole or not there, that runs nothing, and in which no damage goes unnoticed."""

import errno
import io
import json
import os
import pickle
import stat
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from properties import assert_same

from npppo.training import checkpoint
from npppo.training.checkpoint import (
    CheckpointError,
    expect_free,
    read_checkpoint,
    write_atomically,
    write_checkpoint,
    write_json,
)

rng = np.random.default_rng(0)
ARRAYS = {
    "parameters": rng.normal(size=40).astype(np.float32),
    "recent": rng.normal(size=(6, 2)),
    "actions": rng.integers(200, size=(5, 3)).astype(np.uint8),
    "ended": np.array([True, False, True]),
    "nothing": np.zeros((0, 4)),
}
META = {"env_id": "Some-v0", "seed": 2**70, "rate": 0.1, "playing": True, "deep": {"γ": [1, None]}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.npz"
    write_checkpoint(path, ARRAYS, META)
    return path


def assert_content(path, arrays=ARRAYS, meta=META):
    read_arrays, read_meta = read_checkpoint(path)
    assert read_meta == meta
    assert read_arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        assert_same(read_arrays[name], array)


def assert_no_lie(path):
    """Whatever is read is what was written. `load` refuses a file that lacks something."""
    read_arrays, read_meta = read_checkpoint(path)
    assert read_meta == META
    for name, array in read_arrays.items():
        assert_same(array, ARRAYS[name])


def is_refused(path):
    """Whether reading fails as it should. Any other exception is a failure of the test."""
    try:
        read_checkpoint(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        return True
    return False


def test_what_is_read_is_what_was_written(path):
    assert_content(path)


# All or nothing


class Crash(Exception):
    pass


def half_a_file(file, **content):
    file.write(b"PK\x03\x04 half of it")
    raise Crash


def crash(*args, **kwargs):
    raise Crash


@pytest.mark.parametrize(
    ("where", "name", "crash"),
    [
        (np, "savez", half_a_file),
        (np, "savez", crash),
        (os, "fsync", crash),
        (os, "replace", crash),
    ],
)
def test_a_crash_while_writing_leaves_the_old_file_whole(path, where, name, crash, monkeypatch):
    new = {"parameters": np.ones(1000)}
    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(where, name, crash)
        write_checkpoint(path, new, {"seed": 1})
    assert_content(path)
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.npz"]
    write_checkpoint(path, new, {"seed": 1})
    assert_content(path, new, {"seed": 1})


def test_a_crash_while_writing_the_first_file_leaves_none(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(Crash):
        write_checkpoint(tmp_path / "new.npz", ARRAYS, META)
    assert not (tmp_path / "new.npz").exists()


def test_writers_at_the_same_time_are_in_nobodys_way(tmp_path):
    """One begins, another one writes the same file, the first one ends: the last to end wins."""
    path = tmp_path / "marks.csv"

    def outer(file):
        file.write(b"the first to begin, ")
        write_atomically(path, lambda inner: inner.write(b"another"))
        assert path.read_bytes() == b"another"
        file.write(b"the last to end")

    write_atomically(path, outer)
    assert path.read_bytes() == b"the first to begin, the last to end"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_never_takes_the_place_of_another(links, tmp_path, monkeypatch):
    """Nor of one that came while it was written; also on a file system without links."""
    if not links:

        def refuse(source, target):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    path, late = tmp_path / "first", tmp_path / "late"
    write_atomically(path, lambda file: file.write(b"mine"), new=True)
    late_comer = lambda file: late.write_bytes(b"mine")  # noqa: E731
    for taken, write in ((path, lambda file: file.write(b"yours")), (late, late_comer)):
        with pytest.raises(FileExistsError, match=str(taken)):
            write_atomically(taken, write, new=True)
        assert taken.read_bytes() == b"mine"
    assert sorted(tmp_path.iterdir()) == [path, late]


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "written", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "written").stat().st_mode) == 0o640


def test_an_error_names_the_file_that_was_to_be_written(path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"No space left on device.*{path}"):
        write_checkpoint(path, ARRAYS, META)
    missing = path.parent / "missing" / "file"
    with pytest.raises(FileNotFoundError, match=rf"{missing}'$"):
        write_json(missing, {})


def test_the_bytes_are_on_the_disk_before_the_name_is(path, monkeypatch):
    """Otherwise a power cut could leave the new name with no content."""
    done = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor):
        done.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def spy_replace(source, target):
        done.append(("replace", os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    write_checkpoint(path, ARRAYS, META)
    size = path.stat().st_size
    assert done[:2] == [("fsync", size), ("replace", size)]


def test_json_is_strict_and_all_or_nothing(tmp_path):
    path = tmp_path / "config.json"
    write_json(path, {"γ": 0.9, "none": None})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"γ": float("nan")})
    assert json.loads(path.read_text()) == {"γ": 0.9, "none": None}


# Damage


def test_a_truncated_file_is_refused(path):
    size = path.stat().st_size
    for length in reversed(range(size)):
        os.truncate(path, length)
        assert is_refused(path), f"the first {length} of {size} bytes"


def test_an_extended_file_is_whole_or_refused(path):
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    if not is_refused(path):
        assert_no_lie(path)


def test_a_changed_byte_is_noticed_or_changes_nothing(path):
    """Every single byte, by random ones: some say nothing, as the date of an entry does."""
    size = path.stat().st_size
    refused = 0
    for place, change in enumerate(np.random.default_rng(1).integers(1, 256, size=size)):
        with flipped(path, place, change):
            if is_refused(path):
                refused += 1
            else:
                assert_no_lie(path)
    assert refused > size / 2


def test_a_changed_bit_is_noticed_or_changes_nothing(path):
    """Small changes make plausible headers: another dtype, another size, another method."""
    for place, bit in enumerate(np.random.default_rng(2).integers(8, size=path.stat().st_size)):
        with flipped(path, place, 1 << bit):
            if not is_refused(path):
                assert_no_lie(path)


@contextmanager
def flipped(path, place, change):
    """The file with some bits of one byte the other way round."""
    right = path.read_bytes()[place]
    put(path, place, right ^ change)
    yield
    put(path, place, right)


def put(path, place, byte):
    """In the file as it lies there: to write all of it anew takes the disk's time."""
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(bytes([byte]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"'<f4'", b"'<f2'"),  # half as many bytes, so the end is never read
        (b"'<f4'", b"'<i4'"),
        (b"(40,)", b"(39,)"),
        (b"(6, 2)", b"(5, 2)"),
        (b"(6, 2)", b"(2, 6)"),
        (b"False", b"True "),  # fortran_order
    ],
)
def test_a_changed_header_is_noticed(path, old, new):
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))
    assert is_refused(path)


def test_zeros_in_place_of_a_block_are_noticed(path):
    """What a file system may leave after a power cut."""
    whole = path.read_bytes()
    for start in range(0, len(whole), 64):
        path.write_bytes(whole[:start] + bytes(64) + whole[start + 64 :])
        if not is_refused(path):
            assert_no_lie(path)


# What is no checkpoint


def npz(path, **content):
    with open(path, "wb") as file:
        np.savez(file, **content)


def text(meta):
    return np.array(json.dumps(meta))


FOREIGN = {
    "an empty file": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("learning_rate = 3e-4\n"),
    "one array": lambda path: path.write_bytes(npy(np.zeros(3))),
    "an empty zip": lambda path: zipfile.ZipFile(path, "w").close(),
    "a zip of text": lambda path: zip_of_text(path),
    "somebody's npz": lambda path: npz(path, weights=np.zeros(3)),
    "somebody's npz with a meta": lambda path: npz(path, meta=np.zeros(3)),
    "a meta that is no JSON": lambda path: npz(path, meta=np.array("hello")),
    "a meta that is a number": lambda path: npz(path, meta=text(3)),
    "a meta that is a list": lambda path: npz(path, meta=text([1])),
    "a meta that is a text": lambda path: npz(path, meta=text("format")),
    "a meta of another program": lambda path: npz(path, meta=text({"version": 1})),
    "an older format": lambda path: npz(path, meta=text({"format": "npppo checkpoint 1"})),
    "a newer format": lambda path: npz(path, meta=text({"format": "npppo checkpoint 3"})),
    "a format that is none": lambda path: npz(path, meta=text({"format": None})),
    "a folder": lambda path: path.mkdir(),
    "nothing": lambda path: None,
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zip_of_text(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("meta.npy", "not an array")
        file.writestr("parameters", "nor this")


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_checkpoint_is_refused(kind, tmp_path):
    path = tmp_path / "file.npz"
    FOREIGN[kind](path)
    assert is_refused(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("nothing", "does not exist"),
        ("a folder", "is a folder"),
        ("somebody's npz", "is not a checkpoint of npppo"),
        ("a newer format", "has format 'npppo checkpoint 3', expected 'npppo checkpoint 2'"),
        ("an older format", "has format 'npppo checkpoint 1', expected 'npppo checkpoint 2'"),
        ("an empty file", "is truncated or damaged"),
        ("text", r"is not a checkpoint of npppo \(no .npz file\)"),
    ],
)
def test_the_error_says_which(kind, said, tmp_path):
    FOREIGN[kind](tmp_path / "file.npz")
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(tmp_path / "file.npz")


def test_the_format_is_the_one_written(path):
    with np.load(path) as file:
        assert json.loads(str(file["meta"]))["format"] == checkpoint.FORMAT


def test_a_file_in_a_place_that_is_no_folder_is_refused(path):
    assert is_refused(path / "deeper.npz")


# Nothing in it is run


class Bomb:
    """Unpickling it would leave a mark."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("name", ["meta", "parameters"])
def test_a_pickle_in_it_is_refused_unopened(name, path, tmp_path):
    content = {"meta": text({"format": checkpoint.FORMAT, **META}), **ARRAYS}
    npz(path, **content)
    assert_content(path)
    mark = tmp_path / "mark"
    npz(path, **{**content, name: np.array([Bomb(mark)], object)})
    assert is_refused(path)
    assert not mark.exists()
    with np.load(path, allow_pickle=True) as file:
        assert file[name] is not None
    assert mark.exists()  # it would have gone off


def test_a_bare_pickle_is_refused_unopened(tmp_path):
    path, mark = tmp_path / "model.npz", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    assert is_refused(path)
    assert not mark.exists()


# What exists, and what is read


def test_what_is_there_is_overwritten_by_force_alone(tmp_path):
    file, full, empty = tmp_path / "file", tmp_path / "full", tmp_path / "empty"
    file.write_text("mine")
    full.mkdir()
    empty.mkdir()
    (full / "file").write_text("mine")
    for output, folder in ((file, False), (full, True)):
        with pytest.raises(ValueError, match=rf"{output} is there already: --force"):
            expect_free(output, False, folder=folder)
        expect_free(output, True, folder=folder)
    for output, folder in ((tmp_path / "new", False), (tmp_path / "new", True), (empty, True)):
        expect_free(output, False, folder=folder)
    expect_free(Path(os.devnull), False)


def test_what_is_read_is_never_overwritten(tmp_path):
    """By whatever name: a link to it, another way there, a file in a folder that is read."""
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.write_text("")
    file = folder / "file"
    file.write_text("mine")
    for name in ("link", "hard link"):
        (os.symlink if name == "link" else os.link)(file, tmp_path / name)
    for output in (file, folder / ".." / "folder" / "file", tmp_path / "link"):
        for read in (file, folder):
            with pytest.raises(ValueError, match=r"is what is to be read"):
                expect_free(output, True, None, other, read)
    with pytest.raises(ValueError, match=r"is what is to be read"):
        expect_free(tmp_path / "hard link", True, file)
    with pytest.raises(ValueError, match=r"is what is to be read"):
        expect_free(folder, True, file, folder, folder=True)
    expect_free(folder / "new", False, folder)  # nothing is lost
    expect_free(file, True, other, tmp_path / "missing")


def test_a_place_where_no_file_can_be_is_said_at_once(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    for output, folder, said in [
        (tmp_path, False, "is a folder, expected a file"),
        (file, True, "is a file, expected a folder"),
        (tmp_path / "no" / "file", False, "there is no folder"),
    ]:
        with pytest.raises(ValueError, match=said):
            expect_free(output, True, folder=folder)
    expect_free(tmp_path / "no" / "folder", False, folder=True)  # is made with its parents


def test_a_place_where_nothing_can_be_written_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    (tmp_path / "old").write_text("")
    for output, folder in (("new", False), ("old", False), ("new/deep/folder", True)):
        with pytest.raises(ValueError, match="is read-only"):
            expect_free(tmp_path / output, True, folder=folder)
    (tmp_path / "folder").mkdir()
    expect_free(tmp_path / "folder" / "new", False)
    expect_free(Path(os.devnull), False)
