"""The book of mistakes: what its text means, what is said of a text that means nothing, and a
teacher's own."""

import json
import re
import subprocess
import sys
import traceback
from dataclasses import replace
from zipfile import ZipFile

import numpy as np
import pytest

from npppo import cli
from npppo.grading.desk.additions import add_mistakes
from npppo.grading.exercises.answers import EXERCISES
from npppo.grading.exercises.mistakes import BOOK
from npppo.grading.exercises.mistakes.engine import Book

MODEL = """\
# a remark
def twice(x, factor=2):
    parts = []
    for part in x:
        y = factor * part
        parts.append(y)
    total = sum(parts)
    return total
"""
X = (1.0, 2.0, 4.0)


@pytest.fixture
def book_of(tmp_path):
    def book(*texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(tmp_path / f"{number}.txt")
            paths[-1].write_text(text)
        return Book(paths)

    return book


LINES = {
    "y = part": 7,  # in place of the model's line
    "y = y + 1": 17,  # after it
    "parts[-1] = 0": 14,  # an entry is no whole: after the line, and before the loop
    "x = x[:2]": 6,  # a parameter, first of all
    "factor = 3": 21,
    "factor=3": 21,  # another default
    "for part in x[1:]:": 12,
    "return total / 2": 7,
    "@backwards": -14,
    "y = part; total = total + 1": 8,
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_takes_its_place(line, book_of, monkeypatch):
    text = f"{MODEL}\nABC-01  This is wrong.\n    {line}\n"
    if line == "parts[-1] = 0":
        text = text.replace("parts = []", "parts = [5.0]")
    book = book_of(text)
    book.space["backwards"] = lambda function, x, factor: -function(x, factor)
    twice = book.variant("twice")
    assert twice(frozenset(), X) == 14 + (5 if "[5.0]" in text else 0)
    (mistake,) = book.mistakes("twice")
    assert mistake.switch == f"twice: {line}"
    assert twice(frozenset([mistake.switch]), X) == LINES[line]


def test_two_mistakes_can_be_made_at_once(book_of):
    book = book_of(MODEL + "ABC-01  One.\n    y = part\nABC-02  Two.\n    total = 3 * total\n")
    on = frozenset(m.switch for m in book.mistakes("twice"))
    assert book.variant("twice")(on, X) == 21


def test_a_sentence_goes_on_and_a_convention_is_marked(book_of):
    known = "ABC-01  Convention: you do this.\n        Here it\n        is that.\n    y = part\n"
    (mistake,) = book_of(MODEL + known).mistakes("twice")
    assert (mistake.sentence, mistake.convention) == ("You do this. Here it is that.", True)


def test_braces_are_one_way_for_each_choice(book_of):
    book = book_of(MODEL + "ABC-01  Wrong.\n    y = {part|0 * part} + {1|2}\n")
    lines = [m.switch.removeprefix("twice: ") for m in book.mistakes("twice")]
    assert lines == ["y = part + 1", "y = 0 * part + 2"]


def test_a_template_is_filled_in_where_it_is_used(book_of):
    template = "template signs(ID, OUT)\n{ID}  Your sign is wrong.\n    {OUT} = -{OUT}\n\n"
    book = book_of(template, MODEL + "use signs(ABC-07, total)\n")
    (mistake,) = book.mistakes("twice")
    assert mistake.id == "ABC-07"
    assert book.variant("twice")(frozenset([mistake.switch]), X) == -14


KNOWN = "ABC-01  One.\n    y = part\nABC-02  Two.\n    y = {3|5} * part\n"
CALLER = "def both(x):\n    total = twice(x)\n    return total + 1\n\n"
LIKE = "def thrice(x):\n    y = 0\n    part = sum(x)\n    y = 3 * part\n    return y\n\n"


@pytest.mark.parametrize(
    ("page", "also", "results"),
    [
        (CALLER, "also twice", [8, 22, 36]),  # through the call
        (CALLER, "also twice: ABC-02", [22, 36]),
        (CALLER, "also twice: ABC-02/2", [36]),
        (CALLER, "also twice except: ABC-02/1", [8, 36]),
        (CALLER, "also twice except: ABC-", []),
        (LIKE, "also twice", [7, 21, 35]),  # by the same line
        (LIKE, "also twice: ABC-01\n    y = twice([part])", [7]),  # made as well
    ],
)
def test_mistakes_of_another_function(page, also, results, book_of):
    name = page[4 : page.index("(")]
    book = book_of(MODEL + KNOWN, f"{page}{also}\n")
    mistakes = book.mistakes(name)
    assert [book.variant(name)(frozenset([m.switch]), X) for m in mistakes] == results
    assert book.variant(name)(frozenset(), X) == (15 if page == CALLER else 21)


def test_a_mistake_of_what_was_kept_is_no_convention_and_has_its_own_words(book_of):
    known = KNOWN.replace("One.", "Convention: one.")
    also = 'also twice, "What you kept is wrong. ": ABC-01\n    y = twice([part])\n'
    (mistake,) = book_of(MODEL + known, LIKE + also).mistakes("thrice")
    assert (mistake.sentence, mistake.convention) == ("What you kept is wrong. One.", False)


def test_a_page_can_be_added_to(book_of):
    book = book_of(MODEL + KNOWN, "in twice:\n\nABC-03  Three.\n    total = 0\n")
    assert [m.id for m in book.mistakes("twice")] == ["ABC-01", "ABC-02", "ABC-02", "ABC-03"]


FAULTS = {
    MODEL + "ABC-01  Wrong.\n    z = 3\n": "line 10: twice has no line that 'z = 3' could replace",
    MODEL + "ABC-01  Wrong.\n    y = 3 +\n": "line 10: 'y = 3 +' is no Python",
    MODEL + "ABC-01  Wrong.\n\nABC-02  W.\n    y = 3\n": "line 9: ABC-01 has no line that makes it",
    MODEL + "ABC-01  Wrong.\n    y = {1|2} + {1|2|3}\n": "line 10: the braces of 'y = {1|2} + {",
    MODEL + "ABC-01  Wrong.\n  y = 3\n": "line 10: expected a mistake as 'ABC-01  What is wrong.',",
    MODEL + "abc-01 Wrong.\n": "line 9: expected a mistake as 'ABC-01  What is wrong.', found 'abc",
    MODEL + KNOWN + "    y = part\n": "line 13: 'twice: y = part' is there twice",
    MODEL + "also thrice\n": "line 9: there is no function thrice",
    MODEL + KNOWN + CALLER + "also twice: ABC-09\n": "line 17: twice has no mistake ABC-09",
    MODEL + "use signs(y)\n": "line 9: there is no template signs with 1 parameters",
    MODEL + MODEL: "line 10: there is already a function twice",
    "in twice:\nABC-01  Wrong.\n    y = 3\n": "line 1: there is no function twice",
    "ABC-01  Wrong.\n    y = 3\n": "line 1: expected a function such as 'def f(x):', found 'ABC-01",
}


@pytest.mark.parametrize("text", FAULTS, ids=FAULTS.values())
def test_a_fault_is_told_with_file_and_line(text, book_of):
    with pytest.raises(ValueError, match=re.escape(f"0.txt, {FAULTS[text]}")):
        book = book_of(text)
        for name in book.pages:
            book.switchable(name)


def test_a_traceback_shows_the_line_and_where_it_stands(book_of):
    book = book_of(MODEL + "ABC-01  Wrong.\n    total = sum(parts) / nothing\n")
    with pytest.raises(NameError) as raised:
        book.variant("twice")(frozenset(["twice: total = sum(parts) / nothing"]), X)
    shown = "".join(traceback.format_exception(raised.value))
    assert "total = sum(parts) / nothing  # 0.txt, line 10" in shown


def test_every_page_of_the_book_can_be_made_a_function():
    for name in BOOK.pages:
        compile(BOOK.switchable(name), name, "exec")


def test_sentences_are_short_and_speak_to_the_student():
    mistakes = {m for exercise in EXERCISES.values() for m in exercise.mistakes}
    assert [m.sentence for m in mistakes if len(m.sentence) > 200] == []
    assert [m.sentence for m in mistakes if ";" in m.sentence] == []
    assert [m.sentence for m in mistakes if "right elsewhere" in m.sentence] == []


# Mistakes that no page knows


SUMMED = """\
import numpy as np

def approx_kl(log_prob, old_log_prob):
    log_r = log_prob + old_log_prob
    return np.mean(np.exp(log_r) - 1 - log_r)
"""


@pytest.mark.parametrize(("message", "shown"), [("full", True), ("example", False)])
def test_the_edit_that_explains_an_unknown_mistake_is_for_those_who_may_see_the_solution(
    message, shown, tmp_path, capsys
):
    file, ini = tmp_path / "my_ppo.py", tmp_path / "a.ini"
    file.write_text(SUMMED)
    ini.write_text(f"[assignment]\nmessage = {message}\n[approx_kl]\npoints = 1\n")
    assert cli.main(["grade", str(file), "--assignment", str(ini)]) == 1
    report = " ".join(capsys.readouterr().out.split())
    assert ("those of `log_r = log_prob + old_log_prob`, where" in report) == shown


# A teacher's own


@pytest.fixture
def own(tmp_path):
    """Writes a teacher's file; what it adds to the book is taken out again."""
    exercises, files = dict(EXERCISES), set(BOOK.files)
    entries = {name: list(page.entries) for name, page in BOOK.pages.items()}
    path = tmp_path / "own.txt"

    def write(text):
        path.write_text(text)
        return path

    yield write
    EXERCISES.update(exercises)
    BOOK.files = files
    for name, page in BOOK.pages.items():
        page.entries = entries[name]


HALVED = """\
in value_loss:

OWN-01  You halve the targets, as in week 2.
    error = values - targets / 2
"""
HAND_IN = """\
import numpy as np

def value_loss(values, targets):
    return 0.5 * np.mean((values - targets / 2) ** 2), (values, targets)
"""


def test_a_teachers_own_mistake_is_named(own, tmp_path, capsys):
    file = tmp_path / "my_ppo.py"
    file.write_text(HAND_IN)
    ini = tmp_path / "a.ini"
    ini.write_text("[value_loss]\npoints = 1\n")
    command = ["grade", str(file), "--assignment", str(ini)]
    assert cli.main(command) == 1
    assert "week 2" not in capsys.readouterr().out
    assert cli.main([*command, "--mistakes", str(own(HALVED))]) == 1
    assert "You halve the targets, as in week 2." in capsys.readouterr().out


def test_a_class_is_graded_with_a_teachers_own_mistakes(own, tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "ada.py").write_text(HAND_IN)
    table = tmp_path / "marks.csv"
    command = ["grade", "--class", str(folder), "-o", str(table), "--mistakes", str(own(HALVED))]
    ini = tmp_path / "a.ini"
    ini.write_text("[value_loss]\npoints = 1\n")
    assert cli.main([*command, "--assignment", str(ini)]) == 0
    assert "OWN-01" in table.read_text()


def test_the_gradescope_zip_carries_a_teachers_own_mistakes(own, tmp_path):
    ini, packed = tmp_path / "a.ini", tmp_path / "autograder.zip"
    ini.write_text("[value_loss]\nmessage = name\n[conventions]\nOWN-03 = 1\n")
    mistakes = own(HALVED.replace("OWN-01  You", "OWN-03  Convention: you"))
    command = ["gradescope-zip", "--assignment", str(ini), "-o", str(packed)]
    assert cli.main([*command, "--mistakes", str(mistakes)]) == 0
    ZipFile(packed).extractall(tmp_path / "source")
    (tmp_path / "results").mkdir()
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "my_ppo.py").write_text(HAND_IN)
    # in a process that has not read them yet, as on Gradescope
    module = "npppo.grading.formats.gradescope"
    subprocess.run([sys.executable, "-m", module, str(tmp_path)], check=True)
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    (test,) = [one for one in results["tests"] if one["name"] == "value_loss"]
    assert (test["extra_data"]["mistake"], test["score"]) == ("OWN-03", test["max_score"])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("error = targets - values", "'error = targets - values' makes no difference"),
        ("error = valus - targets", "fails: name 'valus' is not defined"),
        ("miss = values", "value_loss has no line that 'miss = values' could replace"),
    ],
)
def test_a_mistake_that_is_none_is_refused(line, fault, own, capsys):
    path = own(f"in value_loss:\n\nOWN-01  Wrong.\n    {line}\n")
    assert cli.main(["grade", "--selftest", "--mistakes", str(path)]) == 2
    message = capsys.readouterr().err
    assert f"{path}, line 4: " in message
    assert fault in message
    assert "Traceback" not in message


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert cli.main(["grade", "--selftest", "--mistakes", str(tmp_path / "no.txt")]) == 2
    assert "no.txt cannot be read: No such file" in capsys.readouterr().err


def test_an_added_mistake_reaches_the_functions_that_take_it_over(own):
    add_mistakes(own("in relu:\n\nOWN-02  You add 1.\n    y = np.maximum(x, 0) + 1\n"))
    added = "relu: y = np.maximum(x, 0) + 1"
    for name in ("relu", "mlp"):
        exercise = EXERCISES[name]
        assert added in {m.switch for m in exercise.mistakes}
        case = exercise.battery.draw(np.random.default_rng(0))[-1]
        case = replace(case, args=(*case.args[:2], "relu") if name == "mlp" else case.args)
        right, wrong = (exercise.variant(on, *case.args) for on in (frozenset(), {added}))
        assert not np.allclose(right, wrong)
