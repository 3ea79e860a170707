"""The writers: each format against the field list of its platform."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from npppo.grading.desk.report import FunctionReport, Part, Report
from npppo.grading.formats.writers import FORMATS, terminal

EVIL = "bell \x07 null \x00 escape \x1b[2J <b>bold</b> | `code` & \ud800 ]]>"

RIGHT = FunctionReport("tanh", "passed", 10.0, 10.0, message="Right.")
PARTIAL = FunctionReport(
    "gae",
    "partial",
    6.4,
    10.0,
    mistake="GAE-06",
    message="A time limit is treated as death.",
    example="gae(rewards)\n# expected [1]\n# got      [0]",
    details=("truncations: It returned 0 at [0, 0], expected 1.",),
    notes=("Right, but computed in single precision.",),
    parts=(Part("no ends", 6.4, 6.4), Part("truncations", 0.0, 3.6, "It returned 0.")),
    see="npppo/returns.py, gae",
)
CRASHED = FunctionReport("softmax", "error", 0.0, 10.0, message=f"It raised {EVIL}.")
HIDDEN = FunctionReport(
    "linear", "failed", 0.0, 5.0, message="Wrong.", behaviour="0a1b", visibility="hidden"
)
MISSING = FunctionReport("relu", "not attempted", 0.0, 10.0, message="Not attempted.")
REPORT = Report(
    file="my_ppo.py",
    title="PPO by hand",
    functions=(RIGHT, PARTIAL, CRASHED, HIDDEN, MISSING),
    messages=("The file raised SystemExit at line 9.",),
    output=EVIL,
    limits=("wall clock",),
    versions=(("npppo", "0.1.0"), ("numpy", "2.4.0")),
    seconds=1.25,
)


def strict(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_sums():
    assert (REPORT.score, REPORT.max_score) == (16.4, 45.0)
    assert REPORT.lost_marks
    assert not replace(REPORT, functions=(RIGHT, MISSING)).lost_marks


def test_thirds_add_up():
    third = replace(RIGHT, score=3.33, max_score=3.33)
    assert replace(REPORT, functions=(third, third, third)).score == 9.99


def test_json():
    content = strict(FORMATS["json"](REPORT))
    assert (content["score"], content["max_score"]) == (16.4, 45.0)
    gae = content["functions"][1]
    assert {"name", "status", "score", "max_score", "mistake", "message"} <= set(gae)
    assert (gae["name"], gae["status"], gae["mistake"]) == ("gae", "partial", "GAE-06")
    assert content["functions"][0]["mistake"] is None
    assert [f["status"] for f in content["functions"]] == [f.status for f in REPORT.functions]


GRADESCOPE = {
    "score": (int, float),
    "execution_time": (int, float),
    "output": str,
    "output_format": {"text", "html", "simple_format", "md", "ansi"},
    "test_output_format": {"text", "html", "simple_format", "md", "ansi"},
    "test_name_format": {"text", "html", "simple_format", "md", "ansi"},
    "visibility": {"hidden", "after_due_date", "after_published", "visible"},
    "stdout_visibility": {"hidden", "after_due_date", "after_published", "visible"},
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}
GRADESCOPE_TEST = {
    "score": (int, float),
    "max_score": (int, float),
    "status": {"passed", "failed"},
    "name": str,
    "name_format": {"text", "html", "simple_format", "md", "ansi"},
    "number": str,
    "output": str,
    "output_format": {"text", "html", "simple_format", "md", "ansi"},
    "tags": list,
    "visibility": {"hidden", "after_due_date", "after_published", "visible"},
    "extra_data": dict,
}
PRAIRIELEARN = {
    "gradable": bool,
    "score": (int, float),
    "message": str,
    "output": str,
    "images": list,
    "format_errors": list,
    "tests": list,
}
PRAIRIELEARN_TEST = {
    "name": str,
    "description": str,
    "points": (int, float),
    "max_points": (int, float),
    "message": str,
    "output": str,
    "images": list,
}


def expect_fields(content, fields):
    for key, value in content.items():
        kind = fields[key]
        assert value in kind if isinstance(kind, set) else isinstance(value, kind), key


def test_gradescope():
    content = strict(FORMATS["gradescope"](REPORT))
    expect_fields(content, GRADESCOPE)
    for test in content["tests"]:
        expect_fields(test, GRADESCOPE_TEST)
        assert {"score", "max_score", "status", "name", "output", "visibility"} <= set(test)
    assert "score" in content or all("score" in test for test in content["tests"])
    assert [test["visibility"] for test in content["tests"]].count("hidden") == 1
    assert sum(test["score"] for test in content["tests"]) == pytest.approx(REPORT.score)
    assert "graded but not shown yet" in content["output"]


def test_prairielearn():
    content = strict(FORMATS["prairielearn"](REPORT))
    expect_fields(content, PRAIRIELEARN)
    assert {"gradable", "score", "tests"} <= set(content)
    assert content["score"] == pytest.approx(16.4 / 45)
    for test in content["tests"]:
        expect_fields(test, PRAIRIELEARN_TEST)
        assert {"name", "points", "max_points"} <= set(test)
    assert "linear" not in [test["name"] for test in content["tests"]]  # hidden


def test_junit():
    root = ElementTree.fromstring(FORMATS["junit"](REPORT))
    assert root.tag == "testsuites"
    (suite,) = root
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "5", "2")
    assert (suite.get("errors"), suite.get("skipped")) == ("1", "1")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [f.name for f in REPORT.functions]
    assert all(case.get("classname") and case.get("time") for case in cases)
    kinds = [[child.tag for child in case if child.tag != "properties"] for case in cases]
    assert kinds == [[], ["failure"], ["error"], ["failure"], ["skipped"]]
    points = {p.get("name"): p.get("value") for p in cases[1].iter("property")}
    assert points == {"score": "6.4", "max_score": "10.0", "mistake": "GAE-06"}


def test_otter_and_markdown_and_terminal_say_the_same():
    for name in ("otter", "markdown", "text"):
        text = FORMATS[name](REPORT)
        assert "gae" in text
        assert "16.4/45" in text
        assert "A time limit is treated as death." in text
    assert "tanh results: All test cases passed!" in FORMATS["otter"](REPORT)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_student_printed_stays_text(name):
    text = FORMATS[name](REPORT)
    text.encode()  # no lone surrogates
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", text)
    if name == "markdown":
        assert "<b>" not in text


def test_colour_only_where_it_is_asked_for():
    assert "\x1b[" not in terminal(REPORT)
    assert "\x1b[32m" in terminal(REPORT, colour=True)


def test_the_terminal_tells_what_counts_but_is_not_shown():
    assert "1 of the functions count" in terminal(REPORT)


def test_no_text_of_a_submission_begins_a_line():
    """A name of a file and an error's message are the student's; what looks like marks is not."""
    fake = "x\n   ok  gae  10/10\nscore 45/45"
    report = replace(REPORT, file=f"{fake}.py", messages=(fake,))
    for name in ("text", "otter", "markdown"):
        lines = FORMATS[name](report).split("\n")
        assert not [line for line in lines if line.startswith(("   ok  gae", "score 45", "x"))], (
            name
        )


def test_what_was_not_attempted_is_counted():
    text = terminal(REPORT)
    assert "1 more not attempted" in text
    assert "relu" not in text
    assert "relu" in terminal(replace(REPORT, functions=(MISSING,)))


def test_prairielearn_splits_no_sentence():
    long = "The recursion " + "goes on and " * 20 + "on."
    (test,) = strict(
        FORMATS["prairielearn"](replace(REPORT, functions=(replace(PARTIAL, message=long),)))
    )["tests"]
    assert test["message"] == f"{long}  [GAE-06]"
    assert not any(line and line in long for line in test["output"].split("\n"))


def test_otter_fails_no_part_that_only_shares_the_loss():
    parts = (Part("no ends", 0.0, 8.0, "It returned 0."), Part("arguments left alone", 0.0, 1.0))
    text = FORMATS["otter"](replace(REPORT, functions=(replace(PARTIAL, parts=parts),)))
    assert text.count("Test case failed") == text.count("Test case passed") == 1
