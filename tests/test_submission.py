"""Reading what was handed in."""

import json
import os

import pytest

from npppo.grading import submission as reading
from npppo.grading.submission import UnreadableError, read_submission


def notebook(*sources):
    cells = [{"cell_type": "markdown", "source": ["# Title"]}]
    cells += [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": cells, "nbformat": 4})


def test_a_module(tmp_path):
    path = tmp_path / "my_ppo.py"
    path.write_text("\ufeffx = 1\n", encoding="utf-8")  # Windows' editors begin with this mark
    submission = read_submission(path)
    assert submission.chunks == (("my_ppo.py", "x = 1\n"),)
    assert (submission.name, submission.module) == ("my_ppo.py", "my_ppo")


def test_a_notebook(tmp_path):
    path = tmp_path / "work.ipynb"
    cells = [
        ["import numpy as np\n", "%matplotlib inline\n", "!pip install numpy\n", "x = 5 % 3\n"],
        "if True:\n    %timeit 1\n",
        "%%bash\nls\n",
        "def broken(:\n",
    ]
    path.write_text(notebook(*cells))
    chunks = read_submission(path).chunks
    assert [label for label, _ in chunks][:2] == [
        "work.ipynb, code cell 1",
        "work.ipynb, code cell 2",
    ]
    sources = [source for _, source in chunks]
    namespace = {}
    for source in sources[:3]:
        exec(source, namespace)
    assert namespace["x"] == 2
    assert sources[0].count("\n") == 4  # the lines keep their numbers
    assert sources[3] == "def broken(:\n"  # a broken cell does not spoil the others


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.py", b"", "is empty"),
        ("a.py", b" \n\t\n", "is empty"),
        ("a.py", b"def f(:\n", r"is not Python: .* \(line 1\)"),
        ("a.py", b"x = '\xff'", "is not UTF-8 text: byte 0xff at position 5"),
        ("a.py", b"x = 1\x00", "is not Python"),
        ("a.py", b"(" * 5000, "is not Python|nested too deeply"),
        ("a.ipynb", b"x = 1", "is not a Jupyter notebook"),
        ("a.ipynb", b"[1]", "is not a Jupyter notebook"),
        ("a.ipynb", b'{"cells": []}', "has no code cells"),
    ],
)
def test_unreadable(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=message) as caught:
        read_submission(path)
    assert "\n" not in str(caught.value)


def test_no_such_file_and_a_folder(tmp_path):
    with pytest.raises(UnreadableError, match="there is no file"):
        read_submission(tmp_path / "nothing.py")
    with pytest.raises(UnreadableError, match="is a folder"):
        read_submission(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(UnreadableError, match="is a device or a pipe"):
        read_submission(tmp_path / "pipe.py")


def test_what_is_too_large_is_not_parsed(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text("x = (((\n" * 40_000)
    with pytest.raises(UnreadableError, match="has 312 kB of code, expected at most 256"):
        read_submission(path)
    monkeypatch.setattr(reading, "LARGEST_FILE", 1 << 17)
    with pytest.raises(UnreadableError, match="MB, expected at most"):
        read_submission(path)


@pytest.mark.parametrize(
    ("line", "python"),
    [
        ("  %time f(x)", "  pass"),
        ("help?", "pass"),
        ("np.dot??  ", "pass"),
        ("files, n = !ls", "pass"),
        ("x = %env", "pass"),
        ("x = 5 % 3", "x = 5 % 3"),
        ("y = '%d' % 3", "y = '%d' % 3"),
        ("    z = [1][0]", "    z = [1][0]"),
        (" " * 200_000 + "x", " " * 200_000 + "x"),
        ("x" + " " * 200_000 + "y", "x" + " " * 200_000 + "y"),
    ],
)
def test_lines_for_the_shell(line, python):
    assert reading.without_shell(line) == python
