"""A folder of submissions: every file its row, the same marks as alone, equal mistakes together."""

import csv
import io
import json
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context, get_start_method
from pathlib import Path

import pytest
from handins import assignment

from npppo import cli
from npppo.grading.desk import classroom
from npppo.grading.desk.classroom import clusters_table, grade_class, marks_table, submissions
from npppo.grading.desk.grade import grade
from npppo.grading.desk.submission import read_submission

TASKS = assignment("tanh approx_kl")
RIGHT = """
import numpy as np
def tanh(x):
    return np.tanh(x), None
def approx_kl(new, old):
    return np.mean(np.exp(new - old) - 1 - (new - old))
"""
# Wrong in the same way, which no book knows, written in two ways.
ODD = "import numpy as np\ndef tanh(x):\n    return np.tanh(x) * np.cos(3 * x), None\n"
ODD_TOO = "import numpy\ndef tanh(y):\n    t = numpy.cos(y * 3)\n    return t * numpy.tanh(y), 1\n"
OTHER = "import numpy as np\ndef tanh(x):\n    return np.tanh(x) + np.sin(5 * x) ** 2, None\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    cell = {"cell_type": "code", "source": RIGHT}
    files = {
        "ada/my_ppo.py": RIGHT,
        "bob.ipynb": json.dumps({"cells": [cell]}),
        "cem.py": ODD,
        "dee.py": "def tanh(:\n",
        "eve, 1.py": ODD_TOO,
        "fay.py": OTHER,
        "gus.py": RIGHT + "\nraise RuntimeError('one\\ntwo, \"three\"')\n",
        "hal/HW.PY": RIGHT,
        "ian/empty/.hidden": "",
        "ian/work.zip": "",
        "notes.txt": "no submission",
        ".ipynb_checkpoints/bob.py": RIGHT,
        "__MACOSX/ada.py": RIGHT,
        "__pycache__/ada.py": RIGHT,
        ".hidden.py": RIGHT,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def graded(folder):
    return list(grade_class(submissions(folder), TASKS))


def timeless(graded):
    return [replace(one, report=one.report and replace(one.report, seconds=0.0)) for one in graded]


CODE = ["ada/my_ppo.py", "bob.ipynb", "cem.py", "dee.py", "eve, 1.py", "fay.py", "gus.py"]
NAMES = [*CODE, "hal/HW.PY", "ian/empty", "ian/work.zip", "notes.txt"]


def test_which_files_are_submissions(folder):
    """All of them, and folders without any; but nothing hidden."""
    assert [path.relative_to(folder).as_posix() for path in submissions(folder)] == NAMES


def test_no_folder_and_an_empty_one(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        submissions(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"there are no \.py or .ipynb files"):
        submissions(tmp_path)


def test_the_marks_are_those_of_a_file_alone(folder, graded):
    alone = grade(read_submission(folder / "cem.py"), TASKS)
    assert timeless(graded)[2].report == replace(alone, seconds=0.0)


@pytest.mark.parametrize(
    "executor",
    [
        lambda: ThreadPoolExecutor(3),
        lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    ],
    ids=["threads", "processes"],
)
def test_any_executor_gives_the_same(folder, graded, executor):
    with executor() as pool:
        others = list(grade_class(submissions(folder)[::3], TASKS, executor=pool))
    assert timeless(sorted(others, key=lambda one: one.name)) == timeless(graded)[::3]


def end_at_bob(submission, *args):
    if submission.name == "bob.py":
        os._exit(9)
    return grade(submission, *args)


@pytest.mark.skipif(get_start_method() != "fork", reason="only a fork knows what is patched here")
def test_a_process_that_dies_costs_only_its_file(tmp_path, monkeypatch, capsys):
    """The pool is broken then, and what waited in it is graded again."""
    (tmp_path / "class").mkdir()
    for name in ("ann", "bob", "cem", "dan"):
        (tmp_path / "class" / f"{name}.py").write_text(RIGHT)
    monkeypatch.setattr(classroom, "grade", end_at_bob)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["grade", "--class", "class", "--jobs", "2"]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "marks.csv").read_text("utf-8"))))
    assert [row["tanh"] for row in rows] == ["10", "", "10", "10"]
    assert "process ended" in rows[1]["error"]


def test_the_salt_reaches_the_grader(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(classroom, "grade", lambda *args: seen.append(args[1:]))
    list(grade_class([folder / "cem.py"], TASKS, "secret"))
    assert seen == [(TASKS, "secret")]


def test_the_table(folder, graded):
    rows = list(csv.DictReader(io.StringIO(marks_table(graded, folder, TASKS))))
    assert [Path(row["submission"]).as_posix() for row in rows] == NAMES
    assert list(rows[0]) == [
        "submission",
        "score",
        "max_score",
        "tanh",
        "approx_kl",
        "mistakes",
        "error",
    ]
    assert {row["max_score"] for row in rows} == {"20"}
    ada, bob, cem, dee, _, _, gus, hal, *others = rows
    assert (ada["score"], ada["tanh"], ada["approx_kl"], ada["error"]) == ("20", "10", "10", "")
    assert bob["score"] == "20"
    assert (cem["tanh"], cem["approx_kl"]) == (cem["score"], "")  # not attempted
    assert (dee["score"], dee["tanh"]) == ("0", "")
    assert "is not Python" in dee["error"]
    assert gus["score"] == hal["score"] == "20"
    assert [(row["score"], row["tanh"], row["error"]) for row in others] == [
        ("", "", "an empty folder"),
        ("", "", "an archive, which has to be unpacked first"),
        ("", "", "no .py or .ipynb file"),
    ]
    assert 'two, "three"' in gus["error"]


def test_named_mistakes_are_in_the_table(tmp_path):
    (tmp_path / "a.py").write_text("import numpy as np\ndef approx_kl(a, b):\n    pass\n")
    graded = list(grade_class(submissions(tmp_path), TASKS))
    (row,) = csv.DictReader(io.StringIO(marks_table(graded, tmp_path, TASKS)))
    assert row["mistakes"] == "approx_kl: FORM-01"
    assert len(clusters_table(graded, tmp_path).splitlines()) == 1


def test_equal_mistakes_are_together(folder, graded):
    text = clusters_table(graded, folder)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["function"], row["count"], row["submissions"]) for row in rows] == [
        ("tanh", "2", "cem.py; eve, 1.py"),
        ("tanh", "1", "fay.py"),
    ]
    assert rows[0]["behaviour"] != rows[1]["behaviour"]
    assert all(row["message"] for row in rows)


def test_a_file_on_which_the_grader_fails_costs_only_itself(folder, monkeypatch):
    def broken(submission, *args):
        if submission.name == "cem.py":
            raise RuntimeError("no more processes")
        return grade(submission, *args)

    monkeypatch.setattr(classroom, "grade", broken)
    paths = [folder / "cem.py", folder / "ada" / "my_ppo.py"]
    cem, ada = grade_class(paths, assignment("tanh"))
    assert cem.report is None
    assert cem.error == "the grader failed: RuntimeError: no more processes"
    assert ada.report.score == 10


@pytest.mark.skipif(os.name != "posix", reason="as POSIX systems have links and pipes")
def test_whatever_is_in_a_folder_has_a_row(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "class"
    (outside / "deep").mkdir(parents=True)
    (outside / "right.py").write_text(RIGHT)
    (folder / "linked").mkdir(parents=True)
    (folder / "linked/a.py").symlink_to(outside / "right.py")
    (folder / "linked/back").symlink_to(folder)
    (folder / "linked/gone.py").symlink_to(folder / "nothing")
    (folder / "linked/loop.py").symlink_to(folder / "linked/loop.py")
    (folder / "x.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    os.mkfifo(folder / "pipe.txt")
    (folder / "utf16.py").write_bytes("x = 1".encode("utf-16"))
    (folder / "-a b\n\u00e9.py").write_text(RIGHT)
    (folder / "same.py").write_text(RIGHT)
    (folder / "SAME.PY").write_text("")
    (folder / "old.IPYNB").write_text("{}")
    (folder / "work.TAR.GZ").write_text("")
    rows = csv.DictReader(
        io.StringIO(
            marks_table(list(grade_class(submissions(folder), TASKS)), folder, TASKS),
        )
    )
    found = {row["submission"]: (row["score"], row["error"]) for row in rows}
    there = f"{folder}/"
    assert {name: (score, error.replace(there, "")) for name, (score, error) in found.items()} == {
        "'-a b \u00e9.py": ("20", ""),
        "SAME.PY": ("0", "SAME.PY is empty"),
        "linked/a.py": ("20", ""),
        "linked/back": ("", "a link to a folder, which is not followed"),
        "linked/gone.py": ("0", "there is no file linked/gone.py"),
        "linked/loop.py": ("0", "linked/loop.py cannot be read: Too many levels of symbolic links"),
        "old.IPYNB": ("0", "old.IPYNB is not a Jupyter notebook of format 4"),
        "pipe.py": ("0", "pipe.py is a device or a pipe; hand in a file"),
        "pipe.txt": ("", "no .py or .ipynb file"),
        "same.py": ("20", ""),
        "utf16.py": ("0", "utf16.py is not UTF-8 text: byte 0xff at position 0"),
        "work.TAR.GZ": ("", "an archive, which has to be unpacked first"),
        "x.py": ("", "an empty folder"),
    }


def test_a_folder_that_cannot_be_read_has_a_row(tmp_path, monkeypatch):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada/a.py").write_text(RIGHT)
    (tmp_path / "b.py").write_text(RIGHT)
    real = Path.iterdir

    def locked(self):
        if self.name == "ada":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", locked)
    ada, b = grade_class(submissions(tmp_path), assignment("tanh"))
    assert (ada.report, ada.error) == (None, "a folder that cannot be read: Permission denied")
    assert b.report.score == 10


@pytest.mark.skipif(os.name != "posix", reason="other names are bytes there")
def test_names_of_files_need_not_be_utf_8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py"))
    try:
        path.write_text("def tanh(:\n")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    graded = list(grade_class(submissions(tmp_path), TASKS))
    table = marks_table(graded, tmp_path, TASKS)
    table.encode()
    assert "is not Python" in table


def test_no_cell_is_a_formula(tmp_path):
    (tmp_path / "=1+1.py").write_text("raise ValueError('x')\ndef tanh(x):\n    pass\n")
    (tmp_path / "@b.py").write_text("def tanh(:\n")
    graded = list(grade_class(submissions(tmp_path), TASKS))
    tables = marks_table(graded, tmp_path, TASKS), clusters_table(graded, tmp_path)
    for row in csv.reader(io.StringIO("".join(tables))):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    assert "'=1+1.py" in tables[0]
