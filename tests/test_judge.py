"""One result against the right one, what can be said of it, and the example that shows it."""

import numpy as np
import pytest

import npppo
from npppo.grading.compare import DOUBLE, SINGLE, close
from npppo.grading.exercise import Case, Product, Rng
from npppo.grading.exercises import EXERCISES, reference
from npppo.grading.explain import example
from npppo.grading.judge import SINGLE_PRECISION, judge, number
from npppo.grading.laws import LAWS, broken_law
from npppo.grading.observe import observation
from npppo.grading.sandbox import Opaque

X = np.array([[0.5, -1.0], [2.0, 0.25], [1.5, -0.75]])  # (3, 2)
CASE = Case("values", (X,))
ROW = np.array([1.0, -2.0, 0.5])


@pytest.mark.parametrize(
    ("expected", "got", "kind", "text"),
    [
        (ROW, None, "FORM-01", "returned None"),
        (ROW, (ROW, ROW), "FORM-02", "returned a tuple of 2, expected one array"),
        ((ROW, ROW), ROW, "FORM-02", "returned one array of shape (3,), expected 2 results"),
        ((ROW, ROW), (ROW,), "FORM-02", "returned a tuple of 1, expected 2"),
        (ROW, ROW[:, None], "FORM-03", "returned shape (3, 1), expected (3,)"),
        (np.array(2.0), np.array([2.0]), "FORM-03", "returned shape (1,), expected ()"),
        (ROW, np.array([1, -2, 0]), "FORM-04", "returned int64 numbers, expected floating"),
        (np.array([1, 2]), np.array([1.0, 2.0]), "FORM-04", "returned float64 numbers"),
        (ROW, ROW + 0j, "FORM-05", "returned complex numbers"),
        (ROW, Opaque("a masked array"), "FORM-05", "returned a masked array"),
        (ROW, "ROW", "FORM-05", "returned a string"),
        (ROW, np.array([1.0, np.nan, 0.5]), "not finite", "returned nan at [1]"),
        (ROW, ROW + np.array([0, 0, 1e-3]), "value", "returned 0.501 at [2], expected 0.5"),
        (ROW, ROW * (1 + 1e-3), "value", "returned 1.001 at [0], expected 1"),
    ],
)
def test_every_fault_has_its_own_words(expected, got, kind, text):
    fault = judge("tanh", CASE, expected, got).fault
    assert fault.kind == kind
    assert text in fault.text


def test_the_faulty_result_is_named():
    right = (X, X.T, ROW)
    fault = judge("linear_backward", CASE, right, (X, X.T, 2 * ROW)).fault
    assert fault.sentence == "For db, it returned 2 at [0], expected 1."
    right = (X, [(X, ROW), (X, ROW)])
    fault = judge("mlp_backward", CASE, right, (X, [(X, ROW), (X, -ROW)])).fault
    assert fault.sentence == "For grads[1][1], it returned -1 at [0], expected 1."


@pytest.mark.parametrize(
    "got",
    [ROW.copy(), ROW.tolist(), np.asfortranarray(ROW), ROW * (1 + 1e-9)],
    ids=["array", "list", "fortran", "rounding"],
)
def test_right_answers_are_right(got):
    assert judge("tanh", CASE, ROW, got).fault is None


def test_scalars_come_in_every_form():
    for got in (2.0, np.float64(2.0), np.array(2.0), np.float32(2.0), 2):
        assert judge("value_loss", CASE, np.array(2.0), got).fault is None


def test_nan_is_right_where_nan_is_asked_for():
    assert judge("explained_variance", CASE, np.nan, float("nan")).fault is None
    assert judge("explained_variance", CASE, np.nan, 0.0).fault is not None
    assert judge("explained_variance", CASE, 0.5, np.nan).fault.kind == "not finite"


def test_single_precision_is_right_and_noted():
    third = np.array([1 / 3, 2 / 3])
    verdict = judge("tanh", CASE, third, third.astype(np.float32))
    assert verdict.fault is None
    assert verdict.notes == {SINGLE_PRECISION}
    assert not judge("tanh", CASE, third, third).notes
    single = Case("float32", (X.astype(np.float32),))
    assert not judge("tanh", single, third.astype(np.float32), third.astype(np.float32)).notes


def test_close_does_not_broadcast():
    assert not close(ROW[:, None], ROW, SINGLE)
    assert not close(np.array(1.0), np.ones(3), SINGLE)
    assert not close((ROW,), ROW, SINGLE)
    assert not close([ROW], [ROW, ROW], SINGLE)
    assert close(np.array([np.nan, np.inf, -np.inf]), np.array([np.nan, np.inf, -np.inf]), DOUBLE)
    assert not close(np.array([np.inf]), np.array([-np.inf]), SINGLE)


# Observations


def pairs(change, name="tanh_backward"):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in [(4, 2), (3, 3), (2, 2)]]
    cases = [Case("values", (x,)) for x in arrays]
    return observation(name, cases, arrays, [change(x) for x in arrays])


@pytest.mark.parametrize(
    ("change", "id", "words"),
    [
        (lambda x: -x, "ANY-01", "wrong sign"),
        (lambda x: 2 * x, "ANY-02", "always 2 times"),
        (lambda x: x / 2, "ANY-02", "always 0.5 times"),
        (lambda x: x * len(x), "ANY-03", "N times too large"),
        (lambda x: x / len(x), "ANY-04", "N times too small"),
        (lambda x: 0 * x, "ANY-06", "always 0"),
        (lambda x: x + 0.25, None, "always 0.25 too large"),
        (abs, None, "but for the sign"),
        (lambda x: np.vstack([x[:-1], 0 * x[-1:]]), None, "right but for the last row"),
        (lambda x: np.vstack([7 * x[:1], x[1:]]), None, "right but for the first row"),
    ],
)
def test_observations(change, id, words):
    seen = pairs(change)
    assert seen.id == id
    assert words in seen.sentence


def test_a_transposed_matrix():
    x = np.random.default_rng(0).normal(size=(3, 3))
    seen = observation("tanh", [Case("values", (x,))] * 2, [x, x], [x.T, x.T])
    assert seen.id == "ANY-05"


def test_only_the_wrong_result_is_spoken_of():
    rng = np.random.default_rng(0)
    right = [(rng.normal(size=(n, 2)), rng.normal(size=(2, 3)), rng.normal(size=3)) for n in (4, 5)]
    got = [(dx, dW, -db) for dx, dW, db in right]
    seen = observation("linear_backward", [Case("values", (r[0],)) for r in right], right, got)
    assert seen.sentence.startswith("db has the wrong sign")


def test_nothing_is_said_that_is_not_so():
    rng = np.random.default_rng(1)
    assert pairs(lambda x: x + rng.normal(size=x.shape)) is None
    assert pairs(lambda x: x) is None


# Laws


@pytest.mark.parametrize("name", LAWS)
def test_the_right_answers_keep_the_laws(name):
    for seed in range(3):
        cases = EXERCISES[name].battery.draw(np.random.default_rng(seed))
        assert broken_law(name, cases, [reference(name, case) for case in cases]) is None


@pytest.mark.parametrize("name", LAWS)
def test_a_broken_law_is_noticed(name):
    cases = EXERCISES[name].battery.draw(np.random.default_rng(0))
    right = [reference(name, case) for case in cases]
    change = (lambda x: np.abs(x) + 2) if "log_prob" in name else (lambda x: -np.abs(x) - 2)
    assert broken_law(name, cases, [change(np.asarray(x)) for x in right]) is not None


# Examples


def run(text, module):
    """Execute an example against `module`; the value of its last line of code."""
    *lines, last = [line for line in text.split("\n") if line and not line.startswith("#")]
    code = "\n".join(line for line in lines if not line.startswith("from "))
    namespace = dict(vars(module)) | {name: getattr(npppo, name) for name in npppo.__all__}
    exec(code, namespace)
    return eval(last, namespace)


CASES = [
    ("gae", Case("", (*np.ones((3, 2, 1)), *np.zeros((2, 2, 1), bool), 0.5, 0.9))),
    ("linear_backward", Case("", (X, X.T, ROW), np.arange(9.0).reshape(3, 3) / 3)),
    ("mlp", Case("", (X, [(X.T, ROW)], "relu"))),
    ("conjugate_gradient", Case("", (Product(np.diag([1.0, 2.0])), np.array([0.1, 0.2]), 2))),
    ("orthogonal", Case("", (Rng(3), (2, 2), 1.5))),
    ("tanh", Case("", (X.astype(np.float32),))),
    ("categorical_log_prob", Case("", (X, np.array([0, 1, 1])))),
]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[name for name, _ in CASES])
def test_an_example_is_python_that_gives_the_right_answer(name, case):
    right = reference(name, case)
    text = example("my_ppo", name, case, right, right)
    assert text.startswith("import numpy as np\nfrom my_ppo import ")
    got = run(text, np)
    assert close(got, right, DOUBLE)
    if isinstance(got, np.ndarray):
        assert got.dtype == right.dtype


def test_the_first_wrong_entry_is_marked():
    text = example("my_ppo", "tanh", CASE, X, X + np.array([[0, 0], [0, 1], [0, 0]]), (1, 1))
    *_, got, mark = text.split("\n")
    column = mark.index("^")
    assert got[column:].startswith("1.25]")
    assert mark.endswith("^ [1, 1]")


def test_an_example_says_what_was_replaced_and_what_is_no_pair():
    case = Case("", (X,))
    right = reference("softmax", case)
    text = example("my_ppo", "softmax", case, right, 2 * right, given=("log_softmax",))
    assert "# (with right results of log_softmax in place of yours)" in text
    alone = example("my_ppo", "softmax", case, right, right, paired=False)
    assert "softmax(logits)\n# expected (out, cache)\n# got      [[" in alone
    assert "import softmax" not in example("", "softmax", case, right, right)  # a notebook
    assert "from submission import" in example("class", "softmax", case, right, right)


def test_the_parts_of_nested_results_have_names():
    case = EXERCISES["mlp_backward"].battery.draw(np.random.default_rng(0))[0]
    right = reference("mlp_backward", case)
    text = example("my_ppo", "mlp_backward", case, right, right)
    assert "# grads[0][0]: expected" in text and "# dx: expected" in text


def test_numbers_are_shown_as_they_are():
    assert [number(x) for x in (-0.0, True, 3, 1e-20)] == ["0", "True", "3", "1e-20"]
