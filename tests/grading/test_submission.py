"""Reading what was handed in."""

import json
import os

import pytest
from handins import assignment

from npppo.grading.desk import notebook as notebook_cells
from npppo.grading.desk import submission as reading
from npppo.grading.desk.grade import grade
from npppo.grading.desk.submission import UnreadableError, read_submission


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
        ("a.ipynb", b'{"cells": [\n', r"is not a Jupyter notebook: .* \(line 2\)"),
        ("a.ipynb", b'{"worksheets": [{"cells": []}]}', "is not a Jupyter notebook of format 4"),
        ("a.ipynb", b'{"cells": [{"cell_type": "code", "source": 5}]}', "not a Jupyter notebook"),
        ("a.ipynb", b"[" * 100_000, "is not a Jupyter notebook"),
        ("a.ipynb", b"\xff", "is not UTF-8 text"),
        ("a.ipynb", b" \n", "is empty"),
        ("a.py", "\ufeffx = 1".encode("utf-16-le"), "is not UTF-8 text: byte 0xff at position 0"),
        ("a.py", b"# coding: klingon\nx = 1", "is not Python: unknown encoding: klingon"),
        ("a.py", b"\xef\xbb\xbf# coding: latin-1\nx = 1", "is not Python: encoding problem"),
        ("a.py", b"# coding: rot13\nk = 1", "is not text: it declares itself to be rot13"),
        ("a.py", b"# coding: ascii\nx = '\xff'", "is not ascii text, which it declares"),
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
    ("cell", "python"),
    [
        # Python as it stands, whatever its lines begin with
        ("x = (a\n% b)", "x = (a\n% b)"),
        ("x = (a\n!= b)", "x = (a\n!= b)"),
        ("s = '''\n%ls\n?\n'''", "s = '''\n%ls\n?\n'''"),
        ("x = a \\\n% b", "x = a \\\n% b"),
        # and beside a line that is not
        ("%ls\nx = (a\n% b)", "\nx = (a\n% b)"),
        ("%ls\nx = (a\n!= b)\n", "\nx = (a\n!= b)\n"),
        ("!ls\ns = '''\n%ls\n?\n'''", "\ns = '''\n%ls\n?\n'''"),
        ("?x\nx = a \\\n% b", "\nx = a \\\n% b"),
        ("%ls\nx = f(a,\n  b)\n!ls", "\nx = f(a,\n  b)\n\n"),
        ("%ls\nx = f'{a!r}' # ?\n# what?", "\nx = f'{a!r}' # ?\n# what?"),
        # the shell's, where a statement begins
        (
            "def f():\n    '''%d'''\n    %ls\n    return 1\n",
            "def f():\n    '''%d'''\n    pass\n    return 1\n",
        ),
        ("if a:\n    b\nelse:\n    !ls", "if a:\n    b\nelse:\n    pass\n"),
        ("help?\nnp.dot??  \n?help\nx = 1", "\n\n\nx = 1"),
        ("f(x)?\nx = 1", "\nx = 1"),
        ("files, n = !ls\nx = %env\n(a, b[0]) = !ls", "\n\n\n"),
        ("!pip install \\\n  numpy\nx = 1", "\n\nx = 1"),
        # what is timed is run
        ("%time f(x)", "f(x)"),
        ("if a:\n    y = %time f(x)\n", "if a:\n    y = f(x)\n"),
        ("%%time\nfrom __future__ import annotations", "\nfrom __future__ import annotations"),
        ("\n%%capture out\nx = 1\n%ls", "\n\nx = 1\n\n"),
        # other languages
        ("%%bash\nls", ""),
        ("%%writefile a.py\nx = 1", ""),
        # and what a notebook takes as well
        ("  x = 1\n  %ls\n", "x = 1\n\n"),
        ("x = 1\r\n%ls\r\ny = 2", "x = 1\n\ny = 2"),
        # broken Python stays broken, on the same line
        ("%ls\ndef f(:\n%ls\n", "\ndef f(:\n%ls\n"),
        ("%ls\nx = [\n% 3\n", "\nx = [\n% 3\n"),
    ],
)
def test_what_of_a_cell_is_for_the_shell(cell, python):
    assert notebook_cells.python(cell) == python
    assert notebook_cells.python(python) == python


@pytest.mark.parametrize("line", ["x\n", "(\n", "[ ", "a.b ", "'''\n", "x = ?\n"])
def test_a_long_cell_is_read_once(line, monkeypatch):
    """Not once more for each of its statements, which would take minutes."""
    asked = []
    real = notebook_cells.tokenize.generate_tokens

    def counting(readline):
        return real(lambda: asked.append(1) or readline())

    monkeypatch.setattr(notebook_cells.tokenize, "generate_tokens", counting)
    notebook_cells.python("%ls\n" + line * 2000)
    assert len(asked) <= 3 * 2002


def test_a_cell_in_another_language_is_said(tmp_path):
    path = tmp_path / "work.ipynb"
    path.write_text(notebook("x = 1", "%%bash\nls", "%%time\nx = 2"))
    submission = read_submission(path)
    assert submission.notes == (
        "work.ipynb, code cell 2 is not Python and does not count: it begins with %%bash.",
    )
    assert grade(submission, assignment("tanh")).messages == submission.notes
    assert not read_submission_of(tmp_path, "a.py", b"x = 1").notes


def read_submission_of(folder, name, data):
    (folder / name).write_bytes(data)
    return read_submission(folder / name)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("# coding: latin-1\nx = 'é'".encode("latin-1"), "é"),
        ("#!/usr/bin/python\n# -*- coding: cp1252 -*-\nx = '€'".encode("cp1252"), "€"),
        ("# vim: set fileencoding=utf-8 :\nx = 'é'".encode(), "é"),
        ("\ufeff# coding: utf-8\nx = 'é'".encode(), "é"),
        (b"if 1:\r\n\tx = 2\r\n", 2),
        (b"if 1:\r\tx = 3\r", 3),
        (b"x = 4 # coding: gbk", 4),
    ],
)
def test_a_module_is_read_as_python_reads_it(tmp_path, data, value):
    """What the worker compiles are the chunks, as UTF-8."""
    ((label, source),) = read_submission_of(tmp_path, "a.py", data).chunks
    namespace = {}
    exec(compile(source.encode(), label, "exec"), namespace)
    assert namespace["x"] == value


@pytest.mark.parametrize(
    ("name", "module"), [("HW.PY", "HW"), ("HW.IPYNB", ""), ("a b.py", "a b"), ("-x.Py", "-x")]
)
def test_suffixes_in_any_case(tmp_path, name, module):
    data = (notebook("x = 1") if module == "" else "x = 1").encode()
    submission = read_submission_of(tmp_path, name, data)
    assert submission.module == module
    assert [source for _, source in submission.chunks] == ["x = 1"]


@pytest.mark.skipif(os.name != "posix", reason="other names are no names there")
def test_a_name_does_not_break_a_line(tmp_path):
    with pytest.raises(UnreadableError, match=r"a b\.py is empty") as caught:
        read_submission_of(tmp_path, "a\nb.py", b"")
    assert "\n" not in str(caught.value)
    ((label, _),) = read_submission_of(tmp_path, "a\nb.py", b"x = 1").chunks
    assert label == "a b.py"
    with pytest.raises(UnreadableError, match="cannot be read: File name too long"):
        read_submission(tmp_path / ("a" * 300 + ".py"))
