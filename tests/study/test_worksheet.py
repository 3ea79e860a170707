"""Worksheets: what is printed leads to the key, and the key to full marks."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from instrumented import instrumented, rounding
from test_study import arguments, values

from npppo import check, contract
from npppo.contract import SPECIFICATIONS
from npppo.grading.exercises.answers import EXERCISES, forward_of, has_backward, made, reference
from npppo.grading.exercises.compare import vector
from npppo.grading.exercises.mistakes import BOOK
from npppo.study import worksheet as sheets
from npppo.study.numbers import example
from npppo.study.worked import bare, with_mistake

SEEDS = (1, 2)
every_function = pytest.mark.parametrize("name", contract.__all__)
PLENTY = ["softmax", "gae", "clipped_surrogate_loss_backward", "mlp_backward"]


def sheet(seed=1, names=PLENTY, key=False):
    return sheets.worksheet(seed, names, key)


def printed(text):
    """The numbers of the tables, as they are written."""
    rows = [line.split("|")[2:-1] for line in text.splitlines() if re.match(r"\| \w", line)]
    return [cell.strip() for row in rows for cell in row]


def given(name, text):
    """The arguments that a sheet gives, and the gradient of the result, if any."""
    lines = text.split("```text\n")[-1].split("```")[0].split("\n")
    assert lines[0] == "Given:"
    formula = forward_of(name)
    doc = next(iter(values(lines[-2:])), "") if name != formula else ""
    return arguments(formula, lines), values(lines)[doc] if doc else None


def filled(text, answers):
    """The sheet with these answers in place of the blanks."""
    answers = iter(answers)
    head, body = text.split("## 1.", 1)
    return head + "## 1." + re.sub("____", lambda _: next(answers), body)


# The key


@pytest.mark.parametrize("seed", SEEDS)
@every_function
def test_the_printed_numbers_lead_to_the_printed_answers(name, seed):
    """By the book's model solution, which is not the library's code."""
    args, dout = given(name, sheet(seed, [name]))
    if dout is not None:
        args = [dout if dout.shape else dout.item(), *args]
    result = vector(BOOK.variant(name)(frozenset(), *args))
    answers = printed(sheet(seed, [name], key=True))
    assert [
        f"{x + 0.0:.{len(y.partition('.')[2])}f}" for x, y in zip(result, answers, strict=True)
    ] == answers


@every_function
def test_who_calculates_with_the_printed_steps_gets_the_printed_answers(name, seed=3):
    """Every line's result is rounded to the decimals that the key shows, in all formulas called."""
    case, formula = example(name, seed), forward_of(name)
    hook = rounding(sheets.STEP_DECIMALS)
    out = instrumented(bare(formula), hook, through=True)(*made(case.args))
    out, cache = out if has_backward(formula) else (out, None)
    if name != formula:
        out = instrumented(bare(name), hook, through=True)(case.dout, cache)
    answers = printed(sheet(seed, [name], key=True))
    rounded = [
        f"{x:.{len(y.partition('.')[2])}f}" for x, y in zip(vector(out), answers, strict=True)
    ]
    assert [float(x) for x in rounded] == [float(y) for y in answers]


@every_function
def test_the_key_shows_every_step(name):
    text = sheet(1, [name], key=True)
    steps = text.split("```text\n")[2 if name == forward_of(name) else 3]
    assert "\n".join(line.strip() for line in steps.splitlines()).count("return ") == 1


def test_every_function_of_the_contract_has_an_exercise():
    titles = re.findall(r"^## \d+\. (\w+)$", sheet(1, contract.__all__), re.MULTILINE)
    assert titles == contract.__all__
    assert set(sheets.SHORT) <= set(contract.__all__)


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_thirty_students_get_thirty_sheets(name):
    class_of = 30 if name in sheets.SHORT else 10
    drawn = {repr(sheets.given(name, example(name, seed))) for seed in range(class_of)}
    assert len(drawn) == class_of


@pytest.mark.parametrize("name", [name for name in SPECIFICATIONS if has_backward(name)])
def test_the_numbers_keep_clear_of_kinks(name):
    """A step to either side shows the slope that there is."""
    for seed in range(1, 6):
        case = example(name, seed)
        for k, gradient in zip(SPECIFICATIONS[name].positions, gradients(name, case), strict=True):
            if not isinstance(gradient, np.ndarray):
                continue  # of a network: the layers' inputs tell
            args = list(case.args)

            def f(x, args=args, k=k):
                args[k] = x
                return np.asarray(bare(name)(*args)[0])

            slope = check.central_difference(f, args[k].copy(), np.asarray(case.dout), 3e-4)
            assert np.allclose(slope, gradient, 1e-3, 1e-3 * abs(gradient).max()), (seed, k)


def gradients(name, case):
    found = reference(f"{name}_backward", case)
    return found if isinstance(found, tuple) else (found,)


def test_a_sheet_asks_with_the_definition_and_does_not_tell_the_derivation():
    for name in contract.__all__:
        text = "\n".join(sheets.question(name))
        assert text
        assert "Derivation" not in text
        assert ">>>" not in text
        assert "Source" not in text


# Marks


def test_the_key_gets_full_marks(seed=1):
    names = contract.__all__
    answers = printed(sheet(seed, names, key=True))
    report, right = sheets.marked(filled(sheet(seed, names), answers))
    assert right
    assert report.endswith(f"\n{len(answers)} of {len(answers)} numbers are right.\n")
    assert report.count("right  ") == len(names)


def marks(name, answers, seed=1):
    report, right = sheets.marked(filled(sheet(seed, [name]), answers))
    return report, right


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("0.5", ""),
        (" +0.5 ", ""),
        ("__0.5__", ""),
        ("**.5**", ""),
        ("0,5", "I read 0,5 as 0.5."),
        ("1/2", ""),
        ("≈ 0.5", ""),
        ("5e-1", ""),
        ("`0.500`", ""),
        ("-0.5", None),
        ("\u22120.5", None),
    ],
)
def test_numbers_may_be_written_as_people_do(written, said):
    number, remark = sheets.read(written)
    assert number == (0.5 if said is not None else -0.5)
    assert remark == (said or "")


@pytest.mark.parametrize(
    "written", ["abc", "1.2.3", "1/0", "nan", "1,2,3", "0.5.", "inf", "--1", "½"]
)
def test_what_is_no_number_is_said(written):
    number, remark = sheets.read(written)
    assert number is None
    assert written in remark
    assert "1/3" in remark


@pytest.mark.parametrize("blank", ["____", "", "  ", "__"])
def test_what_is_left_empty_is_no_mistake(blank):
    answers = printed(sheet(1, ["softmax"], key=True))
    report, right = marks("softmax", [answers[0], *[blank] * 5])
    assert right
    assert report.startswith("right  softmax: 1 of 6, 5 still to do\n")
    report, right = marks("softmax", [blank] * 6)
    assert not right
    assert report.startswith("empty  softmax: 0 of 6\n")


@pytest.mark.parametrize("name", ["softmax", "gae", "value_loss_backward"])
def test_a_mistake_is_named_by_the_numbers_that_it_gives(name):
    case = example(name, 1)
    right = vector(reference(name, case))
    named = 0
    results = [(one, vector(with_mistake(name, one, case))) for one in EXERCISES[name].mistakes]
    for _, got in results[:40]:
        if got.shape != right.shape or (abs(got - right) < 0.011).all():
            continue
        report, good = marks(name, [f"{x:.3f}" for x in got])
        assert not good
        id = re.search(r"\[([A-Z]+-\d+)\]", report)[1]
        alike = [x for one, x in results if one.id == id and x.shape == got.shape]
        assert any(np.allclose(x, got, 0, 0.0026) for x in alike)
        named += 1
    assert named > 15


def test_a_mistake_in_half_of_a_table_is_named_too():
    case = example("softmax", 1)
    mistake = next(m for m in EXERCISES["softmax"].mistakes if m.id == "SMX-04")
    got = vector(with_mistake("softmax", mistake, case))
    report, _ = marks("softmax", [*(f"{x:.3f}" for x in got[:4]), "____", "____"])
    assert "[SMX-04]" in report
    assert "2 still to do" in report


def test_what_no_mistake_explains_is_shown_to_be_wrong_without_the_answer():
    answers = printed(sheet(1, ["softmax"], key=True))
    report, right = marks("softmax", [answers[0], "0.123", *answers[2:]])
    assert not right
    assert "Look again at p[0][1].\n" in report
    assert answers[1] not in report


def test_what_was_rounded_too_early_counts():
    answers = printed(sheet(1, ["softmax"], key=True))
    report, right = marks("softmax", [f"{float(answers[0]) + 0.006:.3f}", *answers[1:]])
    assert right
    assert "rounded too early" in report
    assert "6 of 6 numbers" in report


def test_a_convention_is_called_one():
    case = example("normalize_advantages", 1)
    mistake = next(m for m in EXERCISES["normalize_advantages"].mistakes if m.convention)
    got = vector(with_mistake("normalize_advantages", mistake, case))
    report, _ = marks("normalize_advantages", [f"{x:.3f}" for x in got])
    assert "Right by another convention: " in report


def test_a_sheet_survives_editors():
    answers = printed(sheet(2, PLENTY, key=True))
    text = filled(sheet(2), answers)
    edited = (
        text.replace("\n", "\r\n").replace("| p[0] |", "|   `p[0]`|").replace("## 2. ", "##  2 ")
    )
    edited = re.sub(r"\|\r\n", "|   \r\n", edited).replace("# Worksheet 2", "# WORKSHEET  2 ")
    assert sheets.marked(edited) == sheets.marked(text)
    assert sheets.marked(text)[1]


def test_a_row_that_is_gone_or_too_long_is_no_error():
    answers = printed(sheet(1, ["softmax"], key=True))
    text = filled(sheet(1, ["softmax"]), answers)
    without = "\n".join(line for line in text.split("\n") if not line.startswith("| p[0]"))
    assert sheets.marked(without)[0].startswith("right  softmax: 3 of 6, 3 still to do")
    longer = text.replace("| p[0] |", "| p[0] |").replace(
        answers[2] + " |", answers[2] + " | 7 |", 1
    )
    assert sheets.marked(longer)[0].startswith("right  softmax: 6 of 6")


def test_numbers_that_are_not_those_of_the_sheet_are_noticed():
    text = sheet(1, ["gae", "softmax"])
    with pytest.raises(ValueError, match="given for gae are not those of worksheet 1"):
        sheets.marked(text.replace("gamma = 0.", "gamma = 0.1"))
    with pytest.raises(ValueError, match="of worksheet 2"):
        sheets.marked(text.replace("# Worksheet 1", "# Worksheet 2"))
    assert sheets.marked(text.replace("[", " [ "))[0] == sheets.marked(text)[0]


def test_what_is_no_sheet_is_refused():
    with pytest.raises(ValueError, match='no line says "# Worksheet"'):
        sheets.marked("# Homework\n")
    with pytest.raises(ValueError, match="no function 'softmx', is it softmax"):
        sheets.marked(sheet(1, ["softmax"]).replace(". softmax", ". softmx"))


# For the printer


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.links = [], [], "", []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for key, value in attributes if key in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_html_holds_what_the_markdown_does_and_nothing_from_elsewhere():
    for key in (False, True):
        text = sheets.worksheet(3, contract.__all__, key)
        page = Page()
        page.feed(sheets.html(text))
        assert page.open == []
        assert page.links == []
        assert page.tags.count("table") == text.count("\n| ---")
        assert page.tags.count("td") == sum(
            line.count("|") - 1 for line in text.split("\n") if line[:2] == "| " and line[2] != "-"
        )
        for block in text.split("```text\n")[1:]:
            assert block.partition("```")[0] in page.text
        assert all(answer in page.text for answer in printed(text) if key)
