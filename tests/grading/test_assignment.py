"""The teacher's file, and every mistake in it in one sentence."""

import re

import pytest

from npppo import contract
from npppo.grading.desk.assignment import read_assignment, template
from npppo.grading.exercises.answers import EXERCISES

GOOD = """
[assignment]
title = Homework 3
functions = gae, softmax
points = 4
message = full
conventions = 0.5
seconds = 3
[gae]
points = 12     ; the hard one
visibility = after_due_date
[gae strata]
{stratum} = 7
[conventions]
{convention} = 1
"""


def some_stratum():
    return next(iter(EXERCISES["gae"].battery.strata))


def some_convention():
    return next(m.id for e in EXERCISES.values() for m in e.mistakes if m.convention)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "assignment.ini"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_the_default_is_the_whole_contract():
    assignment = read_assignment()
    assert list(assignment.tasks) == list(contract.__all__)
    assert {task.points for task in assignment.tasks.values()} == {10.0}
    assert assignment.conventions == 0


def test_the_template_is_the_default(write):
    assert read_assignment(write(template())) == read_assignment()
    some = read_assignment(write(template(["softmax", "gae"])))
    assert list(some.tasks) == ["softmax", "gae"]
    with pytest.raises(ValueError, match="there is no function 'gea'"):
        template(["gea"])


def test_the_template_tells_every_convention(write):
    known = {m.id for e in EXERCISES.values() for m in e.mistakes if m.convention}
    lines = re.findall(r"^; (\S+ = 1)  ; ", template(), re.M)
    credit = read_assignment(write("\n".join(["[conventions]", *dict.fromkeys(lines)]))).credit
    assert credit == dict.fromkeys(known, 1)


def test_what_is_written_is_read(write):
    text = GOOD.format(stratum=some_stratum(), convention=some_convention())
    assignment = read_assignment(write(text))
    assert assignment.title == "Homework 3"
    assert list(assignment.tasks) == ["softmax", "gae"]  # the contract's order
    gae, softmax = assignment.tasks["gae"], assignment.tasks["softmax"]
    assert (gae.points, softmax.points) == (12, 4)
    assert (gae.visibility, softmax.visibility) == ("after_due_date", "visible")
    assert (gae.message, assignment.conventions, assignment.seconds) == ("full", 0.5, 3)
    assert gae.strata[some_stratum()] == 7
    assert gae.strata.keys() == EXERCISES["gae"].battery.strata.keys()
    assert assignment.credit == {some_convention(): 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[assignment]\nfunctions = gea", "there is no function 'gea' in the contract, is it gae?"),
        ("[gea]\npoints = 3", r"section \[gea\]: there is no function 'gea'"),
        ("[assignment]\npoints = many", "points = 'many' is no number"),
        ("[gae]\npoints = many", r"\[gae\] points = 'many' is no number"),
        ("[assignment]\npoints = -1", "points = -1: expected a finite number"),
        ("[assignment]\npoints = nan", "points = nan: expected a finite number"),
        ("[assignment]\npoints = 0", "no points to earn"),
        ("[assignment]\nvisibility = secret", "visibility = 'secret': expected one of visible"),
        ("[assignment]\nmessage = loud", "message = 'loud': expected one of name, example, full"),
        ("[assignment]\nconventions = 2", "conventions = 2: expected a share from 0 to 1"),
        ("[assignment]\nseconds = 0", "seconds = 0: expected more than 0"),
        ("[assignment]\nmemory = 10", "memory = 10: expected at least 256"),
        ("[assignment]\ncolour = red", r"\[assignment\] colour: no such option"),
        ("[gae]\ncolour = red", r"\[gae\] colour: no such option"),
        ("[gae strata]\nmoon = 1", r"\[gae strata\] 'moon': expected one of"),
        ("[conventions]\nXYZ-99 = 1", r"\[conventions\] XYZ-99: no such convention"),
        ("[assignment]\nfunctions = softmax\n[gae]\npoints = 1", "gae is not among the functions"),
        ("points = 3", "no section headers"),
        ("[gae]\npoints = 3\n[gae]\npoints = 4", "already exists"),
        (b"[assignment]\ntitle = \xff", "is not UTF-8 text"),
    ],
)
def test_mistakes_are_named(write, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_assignment(write(text))
    assert "assignment.ini" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match="there is no assignment file"):
        read_assignment(tmp_path / "nothing.ini")
    with pytest.raises(ValueError, match="cannot be read"):
        read_assignment(tmp_path)
