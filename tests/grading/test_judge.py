"""One result against the right one, what can be said of it, and the example that shows it."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

import npppo
from npppo.grading.exercises.answers import EXERCISES, made, reference, varied
from npppo.grading.exercises.compare import DOUBLE, SINGLE, close
from npppo.grading.exercises.exercise import Case, Product, Rng
from npppo.grading.judging.attempt import attempted
from npppo.grading.judging.diagnosis import diagnose
from npppo.grading.judging.explain import example
from npppo.grading.judging.judge import SINGLE_PRECISION, judge, number
from npppo.grading.judging.laws import LAWS, broken_law
from npppo.grading.judging.match import Variants
from npppo.grading.judging.observe import observation
from npppo.grading.process.sandbox import Opaque, Outcome

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


# The edges of what the contract promises


def log_softmax(z):
    s = z - z.max(axis=1, keepdims=True)
    return s - np.log(np.exp(s).sum(axis=1, keepdims=True))


def added_to_sum(eps):
    def softmax(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / (e.sum(axis=1, keepdims=True) + eps)

    return softmax


def entropy(z):
    return -(np.exp(log_softmax(z)) * log_softmax(z)).sum(axis=1)


def careful_entropy(z):
    p = np.exp(log_softmax(z))
    return -np.where(p > 0, p * log_softmax(z), 0).sum(axis=1)


def kl(old, new):
    return (np.exp(log_softmax(old)) * (log_softmax(old) - log_softmax(new))).sum(axis=1)


def picked_by_product(z, actions):
    return (np.eye(z.shape[1])[actions] * log_softmax(z)).sum(axis=1)


def picked(z, actions):
    return log_softmax(z)[np.arange(len(z)), actions]


def gae(mask, late=False):
    def advantages(r, v, nv, term, trunc, gamma, lam):
        A, last = np.zeros(r.shape), 0
        for t in reversed(range(len(r))):
            gone = np.logical_or(term[t], trunc[t]) if late else term[t]
            ended = np.logical_or(term[t], trunc[t])
            last = r[t] + gamma * mask(gone, nv[t]) - v[t] + gamma * lam * (1 - 1 * ended) * last
            A[t] = last
        return A

    return advantages


def by_product(gone, x):
    return (1 - 1 * gone) * x


def by_choice(gone, x):
    return np.where(gone, 0, x)


def returns(mask):
    def discounted(r, nv, term, trunc, gamma):
        R, following = np.zeros(r.shape), nv[-1]
        for t in reversed(range(len(r))):
            following = mask(term[t], np.where(trunc[t], nv[t], following))
            R[t] = following = r[t] + gamma * following
        return R

    return discounted


def clipping(divisor):
    def clipped(grads, limit):
        norm = np.sqrt(sum((g * g).sum() for g in grads))
        return [g * (limit / divisor(norm)) if norm > limit else g * 1 for g in grads], norm

    return clipped


def conjugate(eps=0.0, damping=0.0):
    def solve(matvec, b, iterations, tolerance=1e-10):
        x, r, p = np.zeros_like(b), b, b
        for _ in range(iterations):
            if np.linalg.norm(r) <= tolerance * np.linalg.norm(b):
                break
            Ap = matvec(p) + damping * p
            alpha = r @ r / (p @ Ap + eps)
            x, new = x + alpha * p, r - alpha * Ap
            p, r = new + new @ new / (r @ r + eps) * p, new
        return x

    return solve


def attempted_by(name, function, seed=0):
    exercise = EXERCISES[name]
    cases = exercise.battery.draw(np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        got = [function(*made(deepcopy(case.args))) for case in cases]
    return attempted(exercise, cases, [Outcome("value", x) for x in got])


@pytest.mark.parametrize(
    ("name", "function", "id"),
    [
        *(("softmax", added_to_sum(eps), "SMX-52") for eps in (1e-6, 1e-8, 1e-10, 1e-12)),
        ("categorical_entropy", entropy, "ENT-26"),
        ("categorical_kl", kl, "KL-110"),
        ("categorical_log_prob", picked_by_product, "ACT-27"),
        ("gae", gae(by_product), "GAE-90"),
        ("discounted_returns", returns(by_product), "RET-57"),
        *(("clip_grad_norm", clipping(lambda n, e=e: n + e), "CLP-07") for e in (1e-12, 1e-16)),
        ("clip_grad_norm", clipping(lambda n: max(n, 1e-12)), "CLP-42"),
        ("conjugate_gradient", conjugate(eps=1e-12), "CGR-47"),
        ("conjugate_gradient", conjugate(damping=1e-6), "CGR-33"),
        ("importance_ratio", lambda a, b: np.exp(np.clip(a - b, -20, 20)), "SUR-71"),
    ],
)
def test_what_is_added_to_be_safe_and_what_is_no_number_is_noticed(name, function, id):
    tried = attempted_by(name, function)
    wrong = {c.stratum for c, fault in zip(tried.cases, tried.faults, strict=True) if fault}
    assert wrong and wrong <= tried.exercise.battery.edges
    assert diagnose(tried).id == id


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("softmax", added_to_sum(0.0)),
        ("softmax", lambda z: np.exp(log_softmax(z))),
        ("log_softmax", log_softmax),
        ("log_softmax", lambda z: z - np.logaddexp.reduce(z, axis=1, keepdims=True)),
        ("categorical_log_prob", picked),
        ("categorical_entropy", careful_entropy),
        ("gae", gae(by_choice)),
        ("discounted_returns", returns(by_choice)),
        ("clip_grad_norm", clipping(lambda norm: norm)),
        ("conjugate_gradient", conjugate()),
    ],
)
def test_the_plain_formula_is_right_at_the_edges(name, function):
    assert attempted_by(name, function).right


def test_another_mistake_is_named_whatever_happens_at_the_edges():
    """A product lets nan through, so that no variant of the mistake alone gives all its answers."""
    tried = attempted_by("gae", gae(by_product, late=True))
    assert diagnose(tried).id == "GAE-06"


def test_what_is_wrong_by_little_is_shown_with_all_digits():
    tried = attempted_by("softmax", added_to_sum(1e-8))
    k = next(k for k, fault in enumerate(tried.faults) if fault)
    assert tried.faults[k].text.startswith("is wrong by -1e-08")
    case, right, got = tried.cases[k], tried.expected[k], tried.outcomes[k].value
    text = example("m", "softmax", case, right, got, tried.faults[k].index)
    assert "0.9999999900" in text


def test_two_mistakes_that_write_into_an_argument_spoil_no_other_comparison():
    exercise = EXERCISES["gae"]
    cases = exercise.battery.draw(np.random.default_rng(0))
    flags = [case.args[3].copy() for case in cases]
    variants = Variants(exercise, cases)
    both = frozenset(["gae: alive = dead", "gae: alive[-1] = 1"])
    for k in range(len(cases)):
        variants.outcome(both, k)
    for case, before in zip(cases, flags, strict=True):
        assert np.array_equal(case.args[3], before)


@pytest.mark.parametrize("error", [AttributeError, KeyError, NameError, AssertionError])
def test_two_mistakes_that_do_not_go_together_explain_nothing(error):
    exercise = EXERCISES["value_loss"]

    def variant(on, *args):
        if len(on) > 1:
            raise error("one has left a number where the other expects an array")
        return exercise.variant(on, *args)

    torn = replace(exercise, variant=variant)
    cases = exercise.battery.draw(np.random.default_rng(0))
    got = [Outcome("value", np.cos(reference("value_loss", case))) for case in cases]
    assert diagnose(attempted(torn, cases, got)).id is None


@pytest.mark.parametrize("pair", [("gae: decay = gamma", "gae: advantages = advantages - values")])
def test_a_pair_has_a_name_unless_none_is_looked_for(pair):
    exercise = EXERCISES["gae"]
    cases = exercise.battery.draw(np.random.default_rng(0))
    got = [Outcome("value", varied(exercise, frozenset(pair), case)) for case in cases]
    tried = attempted(exercise, cases, got)
    assert diagnose(tried).switches == frozenset(pair)
    assert diagnose(tried, with_pairs=False).switches is None
