"""The second diagnosis: a small edit of the model solution that gives a student's answers."""

from dataclasses import replace

import numpy as np
import pytest
from handins import GAE, graded, with_change

from npppo.grading.exercises.answers import EXERCISES, no_result, variant_outcome
from npppo.grading.exercises.compare import DOUBLE
from npppo.grading.exercises.exercise import RIGHT
from npppo.grading.formats.writers import FORMATS
from npppo.grading.judging import search
from npppo.grading.judging.alike import alike, compiled
from npppo.grading.judging.attempt import attempted
from npppo.grading.judging.diagnosis import diagnose
from npppo.grading.judging.edits import edits
from npppo.grading.judging.match import agree
from npppo.grading.process.sandbox import Error, Outcome

KL = """
import numpy as np
def approx_kl(new, old):
    x = new + old
    return np.mean(np.exp(x) - 1 - x)
"""
of_edits = pytest.mark.filterwarnings("ignore")  # some edits make no sense
BROKEN = Outcome("raised", None, error=Error("ValueError", "no"))
SQUARED_DECAY = with_change(GAE, "gamma * lam *", "gamma * gamma *")


@pytest.fixture(autouse=True)
def short_searches(monkeypatch):
    for bound in ("SEARCH_EXAMPLES", "SHRINK_EXAMPLES", "SHRINK_CALLS"):
        monkeypatch.setattr(search, bound, 2)


def second(line, own):
    return (
        f"Nothing in the book matches. Your answers are those of `{line}`, where the model "
        f"solution has `{own}`."
    )


@pytest.mark.parametrize(
    ("source", "name", "line", "own"),
    [
        (KL, "approx_kl", "log_r = log_prob + old_log_prob", "log_r = log_prob - old_log_prob"),
        (SQUARED_DECAY, "gae", "decay = gamma * gamma", "decay = gamma * lam"),
    ],
)
def test_all_formats_have_it_in_full_and_none_below(source, name, line, own):
    """It quotes the solution."""
    report = graded(source, name, message="full")
    assert report[name].mistake is None
    assert report[name].edit == second(line, own)
    for write in FORMATS.values():
        assert line in " ".join(write(report["file"]).split())
    for message in ("name", "example"):
        file = graded(source, name, message=message)["file"]
        for write in FORMATS.values():
            text = " ".join(write(file).split())
            assert line not in text and own not in text and "model solution" not in text


def test_a_named_mistake_never_has_it():
    late = with_change(GAE, "np.where(term[t], 0, nv[t])", "nv[t]")
    report = graded(late, "gae", message="full")["gae"]
    assert (report.mistake, report.edit) == ("GAE-03", "")


def answered(name, change=lambda x: x, seed=0):
    """An attempt whose answers are changes of the right ones."""
    exercise = EXERCISES[name]
    cases = exercise.battery.draw(np.random.default_rng(seed))
    right = [variant_outcome(exercise, RIGHT, case) for case in cases]
    return attempted(exercise, cases, [Outcome("value", change(x)) for x in right])


@pytest.mark.parametrize("name", ["approx_kl", "tanh_backward", "value_loss", "linear"])
def test_right_answers_are_those_of_no_edit(name):
    assert alike(answered(name)) == ""


def test_answers_of_no_edit_have_none():
    strange = answered("softmax_backward", lambda x: np.cos(x) * x)
    assert diagnose(strange).id is None
    assert alike(strange) == ""


def test_what_raised_everywhere_has_none():
    exercise = EXERCISES["approx_kl"]
    cases = exercise.battery.draw(np.random.default_rng(0))
    assert alike(attempted(exercise, cases, [BROKEN] * len(cases))) == ""


def test_no_list_is_put_into_itself():
    """NumPy would make an array of it until the memory is full."""
    lines = {edit.line for edit in edits("mlp_backward")}
    assert "h = outputs[i]" in lines
    assert lines.isdisjoint(["outputs.append(outputs)", "grads.append((grads, db))"])


@of_edits
@pytest.mark.parametrize("name", EXERCISES)
def test_with_no_edit_the_compiled_function_is_the_model(name):
    exercise = EXERCISES[name]
    (case, *_) = exercise.battery.draw(np.random.default_rng(0))
    right = variant_outcome(exercise, RIGHT, case)
    exercise = replace(exercise, variant=compiled(name, sorted(set(edits(name)))))
    assert agree(variant_outcome(exercise, RIGHT, case), right, DOUBLE)


@of_edits
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("softmax_backward", "dlogits = p * dp - weighted"),  # parentheses
        ("categorical_entropy_backward", "H = -(p * log_p).sum(axis=0, keepdims=True)"),
        ("value_loss", "average = terms.mean() / terms.size"),
        ("clip_fraction", "outside = distance < clip"),
        ("gae", "current = delta[t - 1] + decay * goes_on[t] * below"),
        ("discounted_returns", "for t in range(T - 2, -1, -1):"),
        ("mlp", "above = activated(z, activation)"),
        ("tanh_backward", "dx = len(dy) * (dy * slope)"),
        ("value_loss", "square = 2 * (error * error)"),  # of what it calls
    ],
)
def test_each_kind_of_edit_is_found_again(name, line):
    """Or a simpler one with the same answers."""
    found = {edit.line: edit for edit in edits(name)}
    exercise = replace(EXERCISES[name], variant=compiled(name, [found[line]]))
    cases = exercise.battery.draw(np.random.default_rng(0))
    got = [variant_outcome(exercise, frozenset([found[line].switch]), case) for case in cases]
    outcomes = [Outcome("value", x) if not no_result(x) else BROKEN for x in got]
    said = alike(attempted(EXERCISES[name], cases, outcomes))
    assert said
    assert min(edit for edit in found.values() if f"`{edit.line}`, where" in said) <= found[line]
