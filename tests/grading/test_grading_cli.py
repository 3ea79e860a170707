"""The teachers' commands as they are typed: marks, exit codes, one clear line for what is wrong."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import npppo
from npppo import cli
from npppo.grading import commands
from npppo.grading.desk import classroom
from npppo.grading.exercises.answers import EXERCISES
from npppo.grading.formats import writers
from npppo.grading.formats.starter import starter

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
    if line.startswith("vectors") and output == "report":
        output = "answers"  # a folder
    assert call(*line.split(), "-o", output, "--force") == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("npppo: ")
    assert printed.err.count("\n") == 1
    assert WRONG_INPUTS[line] in printed.err
    assert printed.out == ""
    assert contents(home) == before


READ = "is what is to be read"
THERE = "is there already"


@pytest.mark.parametrize(
    ("line", "words", "forced"),
    [
        ("grade right.py -o right.py", READ, READ),
        ("grade right.py -o ./folder/../right.py", READ, READ),
        ("grade right.py -o {home}/right.py", READ, READ),
        ("grade right.py -o link.py", READ, READ),
        ("grade right.py -o hard.py", READ, READ),
        ("grade link.py -o right.py", READ, READ),
        ("grade right.py -o wrong.py", THERE, ""),
        ("grade right.py -o report", THERE, ""),
        ("grade right.py --assignment tanh.ini -o tanh.ini", READ, READ),
        ("grade --class folder -o folder/two.py", READ, READ),
        ("grade --class folder -o folder/notes.txt", READ, READ),
        ("grade --class folder -o folder/.hidden", READ, READ),
        ("grade --class folder -o outside.py", READ, READ),  # the folder has a link to it
        ("grade --class linked -o folder/two.py", READ, READ),
        ("grade --class folder -o linked/two.py", READ, READ),
        ("grade --class folder -o tanh.ini --assignment tanh.ini", READ, READ),
        ("grade --class folder -o marks.csv", THERE, ""),
        ("grade --class folder", THERE, ""),
        ("grade --class folder -o half.csv", "half-clusters.csv is there already", ""),
        ("grade --class folder -o all.csv --assignment all-clusters.csv", READ, READ),
        ("grade --answers answers -o answers/tanh.json", READ, READ),
        ("grade --answers answers -o report", THERE, ""),
        ("gradescope-zip -o report", THERE, ""),
        ("gradescope-zip -o tanh.ini --assignment tanh.ini", READ, READ),
        ("vectors -o answers", THERE, ""),
        ("starter -o right.py", THERE, ""),
        ("assignment -o tanh.ini", THERE, ""),
        ("grade right.py -o folder", "folder is a folder", "folder is a folder"),
        ("grade --class folder -o folder", "folder is a folder", "folder is a folder"),
        ("grade right.py -o nowhere/report", "there is no folder", "there is no folder"),
        ("grade --class folder -o nowhere/x.csv", "there is no folder", "there is no folder"),
        ("gradescope-zip -o nowhere/x.zip", "there is no folder", "there is no folder"),
        ("gradescope-zip -o folder", "is a folder", "is a folder"),
        ("starter -o folder", "is a folder", "is a folder"),
        ("starter -o nowhere/my_ppo.py", "there is no folder", "there is no folder"),
        ("assignment -o folder", "is a folder", "is a folder"),
        ("vectors -o report", "report is a file, expected a folder", "expected a folder"),
        ("grade --class folder -o /dev/null", "is no file", "is no file"),
        ("grade --selftest -o new", "no -o", "no -o"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="as POSIX systems have links and devices")
def test_where_no_report_can_be(line, words, forced, home, capsys, monkeypatch):
    """What is there is overwritten by --force alone, and what is read never."""
    for path in ("marks.csv", "half-clusters.csv", "outside.py", "folder/notes.txt"):
        (home / path).write_text(RIGHT)
    (home / "folder/.hidden").write_text("")
    (home / "folder/three.py").symlink_to(home / "outside.py")
    (home / "all-clusters.csv").write_text("[assignment]\nfunctions = tanh\n")
    (home / "link.py").symlink_to("right.py")
    (home / "linked").symlink_to("folder")
    os.link("right.py", "hard.py")
    before = contents(home)
    line = line.format(home=home).split()
    assert call(*line) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    if forced:
        assert call(*line, "--force") == 2
        assert forced in capsys.readouterr().err
    assert contents(home) == before


def test_force_overwrites(home, capsys):
    small = ["--assignment", "tanh.ini"]
    for name in ("marks.csv", "marks-clusters.csv", "x.zip"):
        (home / name).write_text("old")
    assert call("grade", "right.py", *small, "-o", "wrong.py", "--force") == 0
    assert "score 10/20" in (home / "wrong.py").read_text()
    assert call("grade", "--class", "folder", *small, "--force") == 0
    assert "old" not in (home / "marks.csv").read_text() + (home / "marks-clusters.csv").read_text()
    assert call("gradescope-zip", "-o", "x.zip", "--force") == 0
    assert zipfile.is_zipfile(home / "x.zip")
    assert call("starter", "-o", "report", "--functions", "gae", "--force") == 0
    assert "def gae" in (home / "report").read_text()
    assert call("assignment", "-o", "report", "--functions", "gae", "--force") == 0
    assert "def gae" not in (home / "report").read_text()
    assert call("vectors", "-o", "answers", "--functions", "tanh", "--force") == 0
    assert call("grade", "--answers", "answers", "-o", "report", "--force") == 0


@pytest.mark.parametrize(("file", "code"), [("right.py", 0), ("wrong.py", 1), ("starter.py", 1)])
def test_the_exit_code_tells_whether_marks_were_lost(file, code, home, capsys):
    assert call("grade", file, "--assignment", "tanh.ini") == code
    printed = capsys.readouterr()
    assert f"score {10 if file == 'right.py' else 0}/20" in printed.out
    assert printed.err == ""
    assert "\x1b" not in printed.out  # no terminal


def test_every_format_is_written_as_the_writers_have_it(home, capsys, monkeypatch):
    """Graded once; each format both ways, to the screen and over an old file."""
    from npppo.grading.desk import grade as grading
    from npppo.grading.desk.assignment import read_assignment
    from npppo.grading.desk.submission import read_submission

    report = grading.grade(read_submission("wrong.py"), read_assignment("tanh.ini"))
    monkeypatch.setattr(grading, "grade", lambda *args: report)
    assert set(FORMATS) == set(writers.FORMATS)
    for name in FORMATS:
        line = ["grade", "wrong.py", "--assignment", "tanh.ini", "--format", name]
        assert call(*line) == 1
        assert capsys.readouterr().out == writers.FORMATS[name](report)
        assert call(*line, "-o", "report", "--force") == 1
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
    assert call("grade", "right.py", "--assignment", "tanh.ini", "-o", "report", "--force") == 2
    assert (home / "report").read_text() == "an old report"
    assert "No space left on device" in capsys.readouterr().err


def test_the_salt_changes_the_inputs(home, monkeypatch, capsys):
    from npppo.grading.desk import grade as grading

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
    assert call(*line, "--inputs-only") == 2
    assert call(*line, "--inputs-only", "--force") == 0
    content = json.loads((home / "new/vectors/tanh.json").read_text())
    assert all("result" not in case for case in content["cases"])
    assert call("grade", "--answers", "new/vectors") == 2


def test_gradescope_zip(home, capsys):
    line = ["gradescope-zip", "--assignment", "tanh.ini", "--salt", "pepper", "-o"]
    assert call(*line, "one.zip") == call(*line, "report", "--force") == 0
    assert (home / "one.zip").read_bytes() == (home / "report").read_bytes()
    with zipfile.ZipFile(home / "one.zip") as archive:
        assert archive.read("assignment.ini") == (home / "tanh.ini").read_bytes()
    assert "wrote one.zip" in capsys.readouterr().out


NO_HYPOTHESIS = """
import sys
sys.modules["hypothesis"] = None
from npppo import cli
sys.exit(cli.main(sys.argv[1:]))
"""


def test_grading_says_what_it_needs(home):
    """And what can be done without is done without."""
    environment = {**os.environ, "PYTHONPATH": str(Path(npppo.__file__).parents[1])}
    for line, needed in {
        "grade right.py": True,
        "grade --class folder": True,
        "gradescope-zip -o new.zip": True,
        "starter -o new.py": False,
        "vectors -o new --functions tanh": False,
    }.items():
        command = [sys.executable, "-c", NO_HYPOTHESIS, *line.split()]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home)
        sentence = 'npppo: grading needs hypothesis: pip install "npppo[grade]"\n'
        assert ended.stderr == (sentence if needed else "")
        assert ended.returncode == (2 if needed else 0)


def test_at_home_the_functions_of_the_file_count(home, capsys):
    """Without an assignment; with one, all that it asks for."""
    (home / "mine.py").write_text(RIGHT + starter(["relu"]))
    assert call("grade", "mine.py") == 0
    text = capsys.readouterr().out
    assert [
        line.split()[1] for line in text.splitlines() if "/10" in line and "sc" not in line
    ] == ["tanh"]
    assert "1 more not attempted" in text
    others = len(EXERCISES) - 2
    assert f"Not handed in, and not counted: {others} functions of the contract." in text
    assert "score 10/20" in text
    assert call("grade", "mine.py", "--format", "json") == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["score"], content["max_score"]) == (10, 20)
    assert {f["name"]: f["status"] for f in content["functions"]} == {
        "tanh": "passed",
        "relu": "not attempted",
    }
    assert len(content["absent"]) == others
    assert call("grade", "mine.py", "--assignment", "tanh.ini") == 0
    text = capsys.readouterr().out
    assert "score 10/20" in text  # tanh and approx_kl
    assert "not counted" not in text


def test_a_starter_of_three_functions_is_three_lines(home, capsys):
    call("starter", "--functions", "gae", "relu_backward", "-o", "three.py")
    capsys.readouterr()
    assert call("grade", "three.py") == 1
    text = capsys.readouterr().out
    assert "score 0/30" in text
    assert len(text.splitlines()) == 10


def test_a_function_that_is_not_written_with_def_counts(home, capsys):
    (home / "odd.py").write_text(
        "import numpy as np\nglobals()['tanh'] = lambda x: (np.tanh(x), None)\n"
    )
    assert call("grade", "odd.py") == 0
    assert "score 10/10" in capsys.readouterr().out


def test_a_file_without_any_of_the_functions(home, capsys):
    (home / "odd.py").write_text("x = 1\n")
    for name in FORMATS:
        assert call("grade", "odd.py", "--format", name) == 1
        text = capsys.readouterr().out
        assert name in ("json", "junit") or f"{len(EXERCISES)} functions of the contract" in text


def test_answers_without_an_assignment(home, capsys):
    call("vectors", "-o", "some", "--functions", "tanh", "gae")
    capsys.readouterr()
    assert call("grade", "--answers", "some") == 0
    assert "score 20/20" in capsys.readouterr().out


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
    assert call(*line, "link", "--force") == 0
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


HANGS = """
import time
import numpy as np
def tanh(x):
    time.sleep(0.05)
    return 2 * np.tanh(x), None
"""


def waited(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def folders(room):
    """Not files: `tempfile` tries every place out with one, for a moment."""
    return [path for path in room.iterdir() if path.is_dir()]


def processes(room):
    """All that have this folder for temporary files."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"TMPDIR={room}".encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


@pytest.mark.skipif(os.name != "posix", reason="as POSIX systems end a process")
@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0])
def test_a_grader_that_is_terminated_leaves_nothing_behind(home, delay):
    """At whatever moment: in a search, an exception from the handler could be swallowed."""
    room = home / "room"
    room.mkdir()
    (home / "hangs.py").write_text(HANGS)
    process = started(home, "grade", "hangs.py", environment={"TMPDIR": str(room)})
    waited(lambda: list(room.glob("npppo-*")))
    time.sleep(delay)
    process.terminate()
    printed, _ = process.communicate(timeout=60)
    assert (process.returncode, printed) == (128 + 15, b"")
    assert not folders(room)


def test_a_grader_may_be_terminated_while_it_is_imported():
    code = """
import os, sys, types
from npppo.grading import commands
name = "npppo.grading.process.sandbox"
sys.modules[name] = types.ModuleType(name)  # as it begins
commands._terminate(15, None)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(npppo.__file__).parents[1])}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, timeout=60)
    assert ended.returncode == 128 + 15


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize(("jobs", "whole_group"), [(1, True), (2, False)])
def test_ctrl_c_ends_a_class_with_the_marks_that_are_there(home, jobs, whole_group):
    """A terminal sends the signal to all processes of the group."""
    room = home / "room"
    room.mkdir()
    for name in "bcdefg":
        (home / "folder" / f"{name}.py").write_text(HANGS.replace("0.05", "900"))
    (home / "folder/a.py").write_text(RIGHT)
    (home / "slow.ini").write_text("[assignment]\nfunctions = tanh approx_kl\nseconds = 1000\n")
    line = ["grade", "--class", "folder", "--assignment", "slow.ini", "--jobs", str(jobs)]
    errors = subprocess.PIPE
    process = started(
        home, *line, environment={"TMPDIR": str(room)}, start_new_session=True, stderr=errors
    )
    assert process.stdout.readline() == b"1/9  a.py: 10/20\n"
    waited(lambda: len(list(room.glob("npppo-*"))) >= jobs)  # the next ones are at work
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"")
    assert b"of 9 are graded\nwrote marks.csv" in printed
    waited(lambda: not processes(room))
    assert not folders(room)
    with open(home / "marks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["submission"] for row in rows] == [
        *(f"{name}.py" for name in "abcdefg"),
        *("one.py", "two.py"),
    ]
    assert (rows[0]["score"], rows[0]["error"]) == ("10", "")
    assert (rows[-1]["score"], rows[-1]["error"]) == ("", "not graded: interrupted")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
@pytest.mark.parametrize("line", ["grade hangs.py", "grade --class folder --jobs 2"])
def test_a_second_ctrl_c_ends_at_once(home, line):
    room = home / "room"
    room.mkdir()
    for name in ("hangs.py", "folder/one.py", "folder/two.py"):
        (home / name).write_text(HANGS)
    options = {"start_new_session": True, "stderr": subprocess.PIPE}
    process = started(home, *line.split(), environment={"TMPDIR": str(room)}, **options)
    waited(lambda: list(room.glob("npppo-*")))
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter where Python was at its end
    assert b"Traceback" not in said
    waited(lambda: not processes(room))
    assert not folders(room)


def test_a_worker_ends_when_its_grader_has_ended_before_it_began():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    code = f"from npppo.grading.commands import _serve, time; _serve({gone.pid}); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": str(Path(npppo.__file__).parents[1])}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, timeout=50)
    assert ended.returncode == 128 + 15


def test_grading_leaves_the_signals_as_they_were(tmp_path, monkeypatch):
    """Ctrl-C in what the same process does next is no longer the grader's affair."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    assert cli.main(["grade", str(tmp_path / "missing.py")]) == 2
    assert [signal.getsignal(number) for number in numbers] == before
    monkeypatch.setattr(commands, "_expect_hypothesis", lambda: signal.raise_signal(signal.SIGINT))
    assert cli.main(["grade", str(tmp_path / "missing.py")]) == 130
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.skipif(os.name != "posix", reason="as POSIX systems have Ctrl-C")
def test_a_second_ctrl_c_on_the_way_out_ends_at_once(home):
    """Also after the command has ended, while the first one is being told."""
    code = """
import signal, sys
from npppo.grading import commands
from npppo.__main__ import start
ctrl_c = lambda *_: signal.raise_signal(signal.SIGINT)
commands._expect_hypothesis = ctrl_c
sys.stderr.write = ctrl_c
sys.argv[1:] = ["grade", "right.py"]
start()
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(npppo.__file__).parents[1])}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, env=environment, cwd=home, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
