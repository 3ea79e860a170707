"""The teachers' commands as they are typed: marks, exit codes, one clear line for what is wrong."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import npppo
from npppo import cli
from npppo.grading import classroom, writers
from npppo.grading.starter import starter

RIGHT = "import numpy as np\ndef tanh(x):\n    return np.tanh(x), None\n"
WRONG = "def tanh(x):\n    pass\n"
FORMATS = ("text", "json", "gradescope", "junit", "prairielearn", "otter", "markdown")


def call(*arguments):
    """The exit code of the command, also where argparse ends it."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with files to grade, which is the current one."""
    folder = tmp_path / "home"
    files = {
        "right.py": RIGHT,
        "wrong.py": WRONG,
        "starter.py": starter(["tanh"]),
        "tanh.ini": "[assignment]\nfunctions = tanh approx_kl\n",
        "unknown.ini": "[assignment]\nfunctions = gea\n",
        "points.ini": "[assignment]\nfunctions = tanh\npoints = many\n",
        "section.ini": "[gea]\npoints = 1\n",
        "no.ini": "functions = tanh\n",
        "latin.ini": b"[assignment]\ntitle = \xe9\n",
        "text.py": "This is not Python.",
        "latin.py": b"x = '\xe9'",
        "empty.py": "",
        "folder/one.py": RIGHT,
        "folder/two.py": WRONG,
        "nothing/notes.txt": "",
        "answers/tanh.json": '{"results": []}',
        "broken/tanh.json": "{",
        "report": "an old report",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(folder)
    return folder


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


WRONG_INPUTS = {
    "grade": "FILE",
    "grade right.py --answers answers": "not allowed with",
    "grade nothing.py": "there is no file nothing.py",
    "grade text.py": "text.py is not Python",
    "grade latin.py": "latin.py is not UTF-8 text",
    "grade folder": "folder is a folder",
    "grade empty.py": "empty.py is empty",
    "grade right.py --assignment nothing.ini": "there is no assignment file nothing.ini",
    "grade right.py --assignment unknown.ini": "there is no function 'gea'",
    "grade right.py --assignment points.ini": "points = 'many' is no number",
    "grade right.py --assignment section.ini": "there is no function 'gea'",
    "grade right.py --assignment no.ini": "no.ini",
    "grade right.py --assignment latin.ini": "latin.ini is not UTF-8",
    "grade right.py --assignment folder": "folder",
    "grade right.py --format pdf": "invalid choice: 'pdf'",
    "grade right.py --jobs 0": "--jobs is 0, expected 1 or more",
    "grade right.py --jobs two": "--jobs",
    "grade --class nothing.py": "there is no folder nothing.py",
    "grade --class nothing": "there are no .py or .ipynb files in nothing",
    "grade --class folder --jobs 0": "--jobs is 0, expected 1 or more",
    "grade --class folder --assignment unknown.ini": "there is no function 'gea'",
    "grade --answers nowhere": "there is no folder nowhere",
    "grade --answers answers": "holds 0 results, expected",
    "grade --answers broken": "holds no answers",
    "vectors --functions tanh gea": "there is no function 'gea'",
    "starter --functions gea": "there is no function 'gea'",
    "gradescope-zip --assignment unknown.ini": "there is no function 'gea'",
}


@pytest.mark.parametrize("line", WRONG_INPUTS)
@pytest.mark.parametrize("output", ["report", "new"])
def test_what_is_wrong_is_one_clear_line(line, output, home, capsys):
    """A report that is there already is not touched, and no new one is begun."""
    before = contents(home)
    assert call(*line.split(), "-o", output) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("npppo: ")
    assert printed.err.count("\n") == 1
    assert WRONG_INPUTS[line] in printed.err
    assert printed.out == ""
    assert contents(home) == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("grade right.py -o right.py", "-o right.py is what is to be read"),
        ("grade right.py -o ./folder/../right.py", "is what is to be read"),
        ("grade right.py --assignment tanh.ini -o tanh.ini", "is what is to be read"),
        ("grade right.py -o folder", "-o folder is a folder"),
        ("grade right.py -o nowhere/report", "there is no folder nowhere"),
        ("grade --class folder -o nowhere/marks.csv", "there is no folder nowhere"),
        ("gradescope-zip -o nowhere/x.zip", "there is no folder nowhere"),
        ("gradescope-zip -o tanh.ini --assignment tanh.ini", "is what is to be read"),
        ("vectors -o report", "report is there already and is no folder"),
        ("starter -o report", "report is there already"),
        ("starter -o folder", "folder is there already"),
        ("starter -o nowhere/my_ppo.py", "nowhere"),
    ],
)
def test_places_where_no_report_can_be(line, words, home, capsys):
    before = contents(home)
    assert call(*line.split()) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert contents(home) == before


@pytest.mark.parametrize(("file", "code"), [("right.py", 0), ("wrong.py", 1), ("starter.py", 1)])
def test_the_exit_code_tells_whether_marks_were_lost(file, code, home, capsys):
    assert call("grade", file, "--assignment", "tanh.ini") == code
    printed = capsys.readouterr()
    assert f"score {10 if file == 'right.py' else 0}/20" in printed.out
    assert printed.err == ""
    assert "\x1b" not in printed.out  # no terminal


def test_every_format_is_written_as_the_writers_have_it(home, capsys, monkeypatch):
    """Graded once; each format both ways, to the screen and over an old file."""
    from npppo.grading import grade as grading
    from npppo.grading.assignment import read_assignment
    from npppo.grading.submission import read_submission

    report = grading.grade(read_submission("wrong.py"), read_assignment("tanh.ini"))
    monkeypatch.setattr(grading, "grade", lambda *args: report)
    assert set(FORMATS) == set(writers.FORMATS)
    for name in FORMATS:
        line = ["grade", "wrong.py", "--assignment", "tanh.ini", "--format", name]
        assert call(*line) == 1
        assert capsys.readouterr().out == writers.FORMATS[name](report)
        assert call(*line, "-o", "report") == 1
        assert capsys.readouterr().out == ""
        text = (home / "report").read_text("utf-8")
        assert text == writers.FORMATS[name](report)
        if name in ("json", "gradescope", "prairielearn"):
            json.loads(text, parse_constant=pytest.fail)
        if name == "junit":
            ElementTree.fromstring(text)
    assert not list(home.glob(".*"))


def test_a_report_is_whole_or_not_there(home, monkeypatch, capsys):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert call("grade", "right.py", "--assignment", "tanh.ini", "-o", "report") == 2
    assert (home / "report").read_text() == "an old report"
    assert "No space left on device" in capsys.readouterr().err


def test_the_salt_changes_the_inputs(home, monkeypatch, capsys):
    from npppo.grading import grade as grading

    drawn = []
    real = grading.seed
    monkeypatch.setattr(grading, "seed", lambda *args: drawn.append(real(*args)) or drawn[-1])
    for salt in ([], ["--salt", "pepper"], ["--salt", "pepper"]):
        call("grade", "right.py", "--assignment", "tanh.ini", *salt)
    seeds = [tuple(drawn[k : k + len(drawn) // 3]) for k in range(0, len(drawn), len(drawn) // 3)]
    assert seeds[0] != seeds[1] == seeds[2]


def test_starter(home, capsys):
    assert call("starter", "--functions", "gae", "-o", "mine.py") == 0
    assert capsys.readouterr().out == "wrote mine.py; check it with: npppo grade mine.py\n"
    text = (home / "mine.py").read_text()
    assert text == starter(["gae"], "mine.py")
    assert call("starter", "-o", "mine.py") == 2
    assert "mine.py is there already" in capsys.readouterr().err
    assert (home / "mine.py").read_text() == text
    assert call("starter") == 0
    assert (home / "my_ppo.py").read_text() == starter()


def test_a_class(home, capsys):
    line = ["grade", "--class", "folder", "--assignment", "tanh.ini"]
    assert call(*line) in (0, 1)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1/2  one.py: 10/20"
    assert printed[1] == "2/2  two.py: 0/20"
    alone = (home / "marks.csv").read_text()
    assert call(*line, "--jobs", 2, "-o", "two.csv") in (0, 1)
    assert (home / "two.csv").read_text() == alone
    assert alone.splitlines()[2] == "two.py,0,20,0,,tanh: FORM-01,"
    for name in ("marks-clusters.csv", "two-clusters.csv"):
        assert (home / name).read_text() == "function,behaviour,count,submissions,message\n"


def test_a_class_of_names_that_are_not_utf_8(home, capsys, monkeypatch):
    name = os.fsdecode(b"caf\xe9.py")
    monkeypatch.setattr(classroom, "submissions", lambda folder: [folder / name])
    call("grade", "--class", "folder", "--assignment", "tanh.ini")
    assert "there is no file" in (home / "marks.csv").read_text("utf-8")
    assert capsys.readouterr().out.startswith("1/1  caf\N{REPLACEMENT CHARACTER}.py: ")


def test_vectors_and_their_answers(home, capsys):
    line = ["vectors", "-o", "new/vectors", "--salt", "pepper", "--functions", "tanh"]
    assert call(*line) == 0
    assert call("grade", "--answers", "new/vectors", "--salt", "pepper") == 0
    assert "score 10/" in capsys.readouterr().out
    assert call("grade", "--answers", "new/vectors") == 1
    assert call(*line, "--inputs-only") == 0
    content = json.loads((home / "new/vectors/tanh.json").read_text())
    assert all("result" not in case for case in content["cases"])
    assert call("grade", "--answers", "new/vectors") == 2


def test_gradescope_zip(home, capsys):
    line = ["gradescope-zip", "--assignment", "tanh.ini", "--salt", "pepper", "-o"]
    assert call(*line, "one.zip") == call(*line, "report") == 0
    assert (home / "one.zip").read_bytes() == (home / "report").read_bytes()
    with zipfile.ZipFile(home / "one.zip") as archive:
        assert archive.read("assignment.ini") == (home / "tanh.ini").read_bytes()
    assert "wrote one.zip" in capsys.readouterr().out


def test_grading_says_what_it_needs(home, capsys, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert call("grade", "right.py") == 2
    assert (
        capsys.readouterr().err == 'npppo: grading needs hypothesis: pip install "npppo[grade]"\n'
    )


def test_a_process_of_its_own(home):
    """As a teacher types it: no warning, no traceback, the marks on standard output."""
    environment = {**os.environ, "PYTHONPATH": str(Path(npppo.__file__).parents[1])}
    command = [sys.executable, "-m", "npppo", "grade", "wrong.py", "--assignment", "tanh.ini"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "FORM-01" in ended.stdout


def test_an_assignment_file_to_edit(home, capsys):
    assert call("assignment", "-o", "mine.ini", "--functions", "tanh") == 0
    assert call("grade", "right.py", "--assignment", "mine.ini") == 0
    assert call("assignment", "-o", "mine.ini") == 2
    assert "mine.ini is there already" in capsys.readouterr().err


def test_a_class_has_its_own_format(home, capsys):
    assert call("grade", "--class", "folder", "--format", "json") == 2
    assert "--class writes a CSV table" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="as POSIX systems have links and pipes")
def test_a_link_is_followed_and_a_pipe_written_to(home, capsys):
    line = ["grade", "right.py", "--assignment", "tanh.ini", "-o"]
    (home / "link").symlink_to("report")
    assert call(*line, "link") == 0
    assert (home / "link").is_symlink() and "score 10/20" in (home / "report").read_text()
    (home / "loop").symlink_to("loop")
    assert call(*line, "loop") == 0
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert call(*line, "pipe") == 0
    assert b"score 10/20" in os.read(reader, 1 << 16)
    os.close(reader)
    assert not (home / "pipe").is_file()


def started(home, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(npppo.__file__).parents[1])}
    environment |= options.pop("environment", {})
    command = [sys.executable, "-m", "npppo", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=home, **options)


def test_a_terminal_that_does_not_know_greek(home):
    (home / "greek.py").write_text(
        "def approx_kl(a, b):\n    raise ValueError('\u03b3')\n", "utf-8"
    )
    process = started(home, "grade", "greek.py", environment={"PYTHONIOENCODING": "ascii"})
    printed, _ = process.communicate()
    assert process.returncode == 1
    assert b"raised ValueError: \\u03b3" in printed


@pytest.mark.skipif(os.name != "posix", reason="as POSIX systems end a process")
@pytest.mark.parametrize("delay", [0.5, 1.0, 1.5])
def test_a_grader_that_is_terminated_leaves_nothing_behind(home, delay):
    """At whatever moment: in a search, an exception from the handler could be swallowed."""
    (home / "room").mkdir()
    hangs = "import time\nimport numpy as np\ndef tanh(x):\n"
    hangs += "    time.sleep(0.05)\n    return 2 * np.tanh(x), None\n"
    (home / "hangs.py").write_text(hangs)
    process = started(home, "grade", "hangs.py", environment={"TMPDIR": str(home / "room")})
    time.sleep(delay)
    process.terminate()
    printed, _ = process.communicate(timeout=10)
    assert (process.returncode, printed) == (128 + 15, b"")
    assert not list((home / "room").glob("npppo-*"))
