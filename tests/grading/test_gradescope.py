"""The autograder for Gradescope: the zip, and what it does with whatever is handed in."""

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import npppo
from npppo.grading.desk.assignment import read_assignment
from npppo.grading.desk.grade import grade
from npppo.grading.desk.submission import read_submission
from npppo.grading.formats import gradescope
from npppo.grading.formats.gradescope import autograder, run, wheel
from npppo.grading.formats.writers import gradescope as results_json

INI = """\
[assignment]
title = Homework 3
functions = tanh relu
[relu]
visibility = hidden
points = 5
"""
RIGHT = (
    "import numpy as np\ndef tanh(x):\n    return np.tanh(x), None\ndef relu(x):\n    return x, 1\n"
)


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        distribution("npppo")
    except PackageNotFoundError:
        pytest.skip("npppo is not installed")


@pytest.fixture
def ini(tmp_path):
    path = tmp_path / "hw3.ini"
    path.write_text(INI)
    return path


@pytest.fixture
def root(tmp_path):
    """The folder /autograder as Gradescope makes it."""
    root = tmp_path / "autograder"
    for name in ("source", "results", "submission"):
        (root / name).mkdir(parents=True)
    (root / "source" / "assignment.ini").write_text(INI)
    (root / "source" / "salt.txt").write_text("pepper")
    return root


def hand_in(root, **files):
    for name, text in files.items():
        path = root / "submission" / name.replace("__", ".")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def results(root):
    def refuse(constant):
        raise ValueError(constant)

    content = json.loads((root / "results" / "results.json").read_text(), parse_constant=refuse)
    assert [path.name for path in (root / "results").iterdir()] == ["results.json"]
    assert isinstance(content["tests"], list)
    assert "score" in content or (content["tests"] and all("score" in t for t in content["tests"]))
    assert isinstance(content["output"], str)
    return content


def test_what_is_in_the_zip(ini):
    archive = zipfile.ZipFile(io.BytesIO(autograder(ini, "pepper")))
    assert archive.testzip() is None
    wheel_name = f"npppo-{npppo.__version__}-py3-none-any.whl"
    assert archive.namelist() == [
        "setup.sh",
        "run_autograder",
        wheel_name,
        "assignment.ini",
        "salt.txt",
    ]
    for entry in archive.infolist():
        assert entry.create_system == 3  # Unix
        executable = entry.filename in ("setup.sh", "run_autograder")
        assert entry.external_attr >> 16 == (0o100755 if executable else 0o100644)
    for script in ("setup.sh", "run_autograder"):
        text = archive.read(script).decode()
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "{" not in text.replace("|| {", "")
        assert "\r" not in text
    assert wheel_name in archive.read("setup.sh").decode()
    assert archive.read("assignment.ini").decode() == INI
    assert archive.read("salt.txt") == b"pepper"


def test_the_same_salt_gives_the_same_bytes_and_none_a_new_one(ini):
    assert autograder(ini, "pepper") == autograder(ini, "pepper")
    salts = {zipfile.ZipFile(io.BytesIO(autograder(None, None))).read("salt.txt") for _ in range(3)}
    assert len(salts) == 3
    assert min(map(len, salts)) >= 32


def test_an_assignment_that_is_wrong_makes_no_zip(tmp_path):
    (tmp_path / "bad.ini").write_text("[assignment]\nfunctions = gea\n")
    with pytest.raises(ValueError, match="'gea'"):
        autograder(tmp_path / "bad.ini", "")


def test_without_an_installed_npppo_there_is_no_zip(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(gradescope, "distribution", absent)
    with pytest.raises(ValueError, match="not installed"):
        autograder(None, "")


def test_the_wheel_records_every_file():
    archive = zipfile.ZipFile(io.BytesIO(wheel()))
    info = f"npppo-{npppo.__version__}.dist-info"
    rows = list(csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode())))
    assert sorted(row[0] for row in rows) == sorted(archive.namelist())
    for name, digest, size in rows[:-1]:
        data = archive.read(name)
        sha = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={sha}", str(len(data)))
    package = Path(npppo.__file__).parent
    assert {f"npppo/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")} == {
        name for name in archive.namelist() if name.endswith(".py")
    }
    texts = {f"npppo/{path.relative_to(package).as_posix()}" for path in package.rglob("*.txt")}
    assert "npppo/grading/exercises/mistakes/gae.txt" in texts
    assert texts == {name for name in archive.namelist() if name.endswith(".txt")} - {
        f"{info}/entry_points.txt"
    }
    metadata = archive.read(f"{info}/METADATA").decode()
    assert f"Version: {npppo.__version__}\n" in metadata
    for requirement in ("numpy", "gymnasium", "hypothesis"):
        assert f"Requires-Dist: {requirement}" in metadata
    assert "Provides-Extra: grade\n" in metadata
    assert "matplotlib" not in metadata


@pytest.mark.skipif(find_spec("pip") is None, reason="needs pip")
def test_the_wheel_installs_and_grades_from_there(tmp_path, root, ini):
    archive = zipfile.ZipFile(io.BytesIO(autograder(ini, "pepper")))
    archive.extractall(root / "source")
    (packed,) = (root / "source").glob("*.whl")
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    options = ["--disable-pip-version-check", "--target", str(target)]
    subprocess.run([*pip, *options, str(packed)], check=True, cwd=tmp_path)
    hand_in(root, anything__py=RIGHT)
    command = [sys.executable, "-m", "npppo.grading.formats.gradescope", str(root)]
    packages = os.pathsep.join([str(target), str(Path(np.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": packages, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
    there = results(root)
    here = json.loads(
        results_json(
            grade(
                read_submission(root / "submission" / "anything.py"), read_assignment(ini), "pepper"
            )
        )
    )
    assert there["tests"] == here["tests"]
    assert (target / "npppo").is_dir()


def test_a_good_file(root):
    hand_in(root, my_ppo__py=RIGHT)
    run(root)
    tanh, relu = results(root)["tests"]
    assert (tanh["name"], tanh["score"], tanh["max_score"]) == ("tanh", 10, 10)
    assert tanh["visibility"] == "visible"
    assert (relu["name"], relu["max_score"], relu["visibility"]) == ("relu", 5, "hidden")
    assert relu["score"] < 5


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "found 0"),
        ({"notes__txt": "x"}, "found 0"),
        ({"a__py": RIGHT, "b__py": RIGHT}, "found 2"),
        ({"a__py": "def tanh(:"}, "is not Python"),
        ({"a__py": b"\xff\xfe"}, "is not UTF-8"),
        ({"a__py": ""}, "is empty"),
        ({"a__ipynb": "{}"}, "is not a Jupyter notebook"),
    ],
)
def test_what_cannot_be_graded(root, files, words):
    hand_in(root, **files)
    run(root)
    content = results(root)
    assert (content["score"], content["tests"]) == (0, [])
    assert content["output"].startswith("Your submission cannot be graded: ")
    assert words in content["output"]


@pytest.mark.parametrize(
    "files",
    [
        {"my_ppo__py": RIGHT, "other__py": "x = 1"},
        {"my_ppo__py": RIGHT, "notes__ipynb": "{}"},
        {"solution__py": RIGHT, "data__csv": "1,2"},
        {"solution__py": RIGHT, "__solution__py": b"\x00\x05\x16\x07"},  # a Mac's resource fork
    ],
)
def test_which_of_several_files_is_meant(root, files, monkeypatch):
    monkeypatch.setattr(gradescope, "grade", lambda submission, *args: submission)
    monkeypatch.setattr(gradescope, "gradescope", lambda submission: submission.name)
    (root / "submission" / "folder.py").mkdir()
    hand_in(root, **files)
    run(root)
    name = (root / "results" / "results.json").read_text()
    assert name in ("my_ppo.py", "solution.py")


@pytest.mark.parametrize("name", ["HW.PY", "ada/src/hw.ipynb", "ada/hw.py"])
def test_suffixes_in_any_case_and_folders_in_folders(root, name):
    """As a zip that a student hands in is unpacked."""
    path = (root / "submission" / name).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RIGHT)
    (root / "submission/__MACOSX").mkdir()
    (root / "submission/__MACOSX/hw.py").write_text("")
    (root / "submission/notes.txt").write_text("")
    assert gradescope.handed_in(root / "submission") == path


def test_a_crash_in_between_leaves_a_whole_file(root, monkeypatch):
    seen = []

    def broken(*args):
        seen.append(results(root))
        raise MemoryError

    hand_in(root, my_ppo__py=RIGHT)
    monkeypatch.setattr(gradescope, "grade", broken)
    with pytest.raises(MemoryError):
        run(root)
    assert seen == [results(root)]
    assert seen[0]["score"] == 0
    assert "did not finish" in seen[0]["output"]


def test_what_a_submission_writes_is_not_its_result(root):
    path = root / "results" / "results.json"
    evil = f"""
import os
for name in ({str(path)!r}, "results.json", "/autograder/results/results.json"):
    try:
        open(name, "w").write('{{"score": 100}}')
    except OSError:
        pass
def tanh(x):
    print('{{"score": 100}}')
    os._exit(0)
"""
    hand_in(root, my_ppo__py=evil)
    run(root)
    assert [test["score"] for test in results(root)["tests"]] == [0, 0]
