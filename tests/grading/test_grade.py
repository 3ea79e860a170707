"""Grading whole files: marks, names, excuses, examples, and the same answer every time."""

import json
from dataclasses import replace

import numpy as np
import pytest
from handins import GAE, assignment, graded, reference_file, submission, with_change

from npppo import contract
from npppo.grading.desk import grade as grading
from npppo.grading.desk.assignment import read_assignment
from npppo.grading.desk.grade import grade
from npppo.grading.desk.loading import beginning
from npppo.grading.desk.marks import report_of
from npppo.grading.desk.submission import Submission
from npppo.grading.exercises.answers import EXERCISES, reference
from npppo.grading.formats.starter import starter
from npppo.grading.formats.writers import plain
from npppo.grading.judging import search
from npppo.grading.judging.attempt import attempt, attempted, strata_right
from npppo.grading.judging.diagnosis import Diagnosis, Judgement, diagnose
from npppo.grading.judging.excuse import only_untested, with_advice
from npppo.grading.judging.explain import example
from npppo.grading.process.codec import pack, unpack
from npppo.grading.process.sandbox import Error, Outcome, Sandbox

REFERENCE = reference_file()
thorough = pytest.mark.usefixtures("much")


@pytest.fixture
def much():
    """Asked for by tests of the search and of small examples."""


@pytest.fixture(autouse=True)
def few(request, monkeypatch):
    """A thorough search and a small example take time: only where a test is about them."""
    if "much" not in request.fixturenames:
        for name in ("SEARCH_EXAMPLES", "SHRINK_EXAMPLES", "SHRINK_CALLS"):
            monkeypatch.setattr(search, name, 2)


SOFTMAX = """
import numpy as np
def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p
def softmax_backward(dp, p):
    return p * (dp - (dp * p).sum(axis=1, keepdims=True))
def log_softmax(z):
    p, _ = softmax(z)
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), p
def log_softmax_backward(g, p):
    return g - p * g.sum(axis=1, keepdims=True)
def categorical_log_prob(z, a):
    log_p, cache = log_softmax(z)
    return log_p[np.arange(len(a)), a], (cache, a, z.shape)
def categorical_log_prob_backward(g, cache):
    inner, a, shape = cache
    d = np.zeros(shape)
    d[np.arange(len(a)), a] = g
    return log_softmax_backward(d, inner)
def categorical_entropy(z):
    log_p, p = log_softmax(z)
    H = -np.where(p > 0, p * log_p, 0).sum(axis=1)
    return H, (log_p, p, H)
def categorical_entropy_backward(g, cache):
    log_p, p, H = cache
    return -g[:, None] * p * (log_p + H[:, None])
"""
SOFTMAX_FUNCTIONS = (
    "softmax softmax_backward log_softmax log_softmax_backward categorical_log_prob "
    "categorical_log_prob_backward categorical_entropy categorical_entropy_backward"
)


@thorough
def test_the_reference_gets_full_marks():
    report = grade(submission(REFERENCE), read_assignment())
    assert [f.name for f in report.functions if f.status != "passed"] == []
    assert report.score == report.max_score == 10 * len(contract.__all__)
    assert not report.messages
    assert {f.message for f in report.functions} == {"Right."}


@thorough
def test_the_same_file_gives_the_same_bytes():
    """Right functions, a named mistake, an unknown one, and an excuse."""
    source = with_change(GAE, "- v[t]", "- v[t] * np.cos(3 * r[t])") + with_change(
        SOFTMAX, "return g - p * g.sum(axis=1", "return g - p * g.sum(axis=0"
    )
    functions = "gae log_softmax log_softmax_backward categorical_entropy_backward"
    reports = [
        grade(submission(source), assignment(functions, message="full"), "salt") for _ in range(2)
    ]
    first, second = (json.dumps(plain(replace(r, seconds=0))) for r in reports)
    assert first == second
    assert {f.status for f in reports[0].functions} > {"passed"}


def test_the_starter_file_is_not_attempted():
    report = grade(submission(starter()), read_assignment())
    assert {f.status for f in report.functions} == {"not attempted"}
    assert report.lost_marks  # so that a continuous integration notices an empty hand-in


def test_the_seed_depends_on_salt_file_and_function():
    from npppo.grading.desk.grade import seed

    one = submission(GAE)
    seeds = {
        seed(one, "", "gae"),
        seed(one, "salt", "gae"),
        seed(one, "", "tanh"),
        seed(submission(GAE + "\n"), "", "gae"),
    }
    assert len(seeds) == 4
    assert seed(submission(GAE, "renamed.py"), "", "gae") == seed(one, "", "gae")


def test_part_of_the_marks_for_what_is_right():
    """A GAE that knows no ends of episodes is right where there are none."""
    source = with_change(GAE, "np.where(term[t], 0, nv[t])", "nv[t]")
    source = with_change(source, "(1 - 1 * np.logical_or(term[t], trunc[t]))", "1")
    gae = graded(source, "gae")["gae"]
    assert gae.status == "partial"
    assert 0 < gae.score < gae.max_score
    assert gae.mistake == "GAE-01"
    right = {part.name for part in gae.parts if part.score == part.max_score}
    assert "no ends" in right
    assert sum(part.score for part in gae.parts) == pytest.approx(gae.score, abs=0.01)


@pytest.mark.parametrize(
    "body",
    ["return r", "return np.ones(r.shape)", "return np.nan * r"],
)
def test_nothing_for_nothing(body):
    gae = graded(f"import numpy as np\ndef gae(r, v, nv, e, u, g, l):\n    {body}\n", "gae")["gae"]
    assert (gae.status, gae.score) == ("failed", 0)


def test_a_mistake_is_charged_once():
    """softmax sums down the batch; what calls it passes that on."""
    source = with_change(
        SOFTMAX,
        "p = e / e.sum(axis=1, keepdims=True)\n    return p, p",
        "p = e / e.sum(axis=0, keepdims=True)\n    return p, p",
    )
    marks = graded(source, SOFTMAX_FUNCTIONS)
    assert marks["softmax"].status in ("partial", "failed")
    assert marks["softmax"].mistake == "SMX-04"
    others = [name for name in SOFTMAX_FUNCTIONS.split() if name != "softmax"]
    assert {name: marks[name].status for name in others} == dict.fromkeys(others, "passed")
    assert "given your softmax" in marks["categorical_entropy"].message


def test_a_wrong_backward_is_not_charged_to_those_that_call_it():
    source = with_change(SOFTMAX, "return g - p * g.sum(axis=1", "return g - p * g.sum(axis=0")
    marks = graded(source, SOFTMAX_FUNCTIONS)
    wrong = [f.name for f in marks["file"].functions if f.status != "passed"]
    assert wrong == ["log_softmax_backward"]
    assert marks["log_softmax_backward"].mistake == "SMG-06"


def test_a_backward_that_is_right_for_its_own_wrong_forward():
    source = """
def value_loss(v, t):
    return ((v - t) ** 2).mean(), (v - t, len(v))
def value_loss_backward(g, cache):
    error, n = cache
    return 2 * g * error / n
"""
    marks = graded(source, "value_loss value_loss_backward")
    assert marks["value_loss"].mistake == "VAL-01"
    assert marks["value_loss_backward"].status == "passed"
    assert "given your value_loss" in marks["value_loss_backward"].message


def test_no_gradient_is_not_right_for_a_forward_that_does_nothing():
    source = """
def tanh(x):
    return 0 * x, x
def tanh_backward(dy, x):
    return 0 * dy
"""
    marks = graded(source, "tanh tanh_backward")
    assert [f.score for f in marks["file"].functions] == [0, 0]


def test_two_that_only_call_each_other_are_both_wrong():
    source = """
import numpy as np
def softmax(z):
    return np.exp(log_softmax(z)[0]), None
def log_softmax(z):
    return np.log(softmax(z)[0]), None
"""
    marks = graded(source, "softmax log_softmax")
    assert [f.score for f in marks["file"].functions] == [0, 0]


@pytest.mark.parametrize(
    ("body", "mistake", "words"),
    [
        ("pass", "FORM-01", "returned None"),
        ("return x", "FORM-02", "expected (out, cache)"),
        ("return np.tanh(x)[None], x", "FORM-03", "returned shape"),
        ("return np.sign(x).astype(int), x", "FORM-04", "int64"),
        ("return np.ma.array(np.tanh(x)), x", "FORM-05", "masked"),
        ("np.tanh(x, out=x); return x.copy(), x", "FORM-06", "overwrites its argument x"),
        ("return np.tanh(x) + np.random.random(), x", "FORM-07", "different answers"),
        ("return np.tanh(as_strided(x, x.shape, np.empty(x.shape, x.dtype).strides)), x",
         "FORM-08", "not contiguous"),
    ],
)  # fmt: skip
def test_every_fault_of_form_has_its_name(body, mistake, words):
    imports = "import numpy as np\nfrom numpy.lib.stride_tricks import as_strided\n"
    tanh = graded(f"{imports}def tanh(x):\n    {body}\n", "tanh")["tanh"]
    assert tanh.status in ("partial", "failed")
    assert tanh.mistake == mistake
    assert words in tanh.message


def test_single_precision_is_right():
    source = "import numpy as np\ndef tanh(x):\n    return np.tanh(x.astype(np.float32)), x\n"
    tanh = graded(source, "tanh")["tanh"]
    assert tanh.status == "passed"
    assert tanh.notes == ("Right, but computed in single precision.",)


def test_what_raises_is_an_error_with_its_line():
    tanh = graded("def tanh(x):\n    y = 1\n    return nump.tanh(x), y\n", "tanh")["tanh"]
    assert (tanh.status, tanh.score) == ("error", 0)
    assert "NameError" in tanh.message
    assert "(line 3)" in tanh.message


def test_a_backward_needs_its_forward():
    marks = graded("def tanh_backward(dy, c):\n    return dy\n", "tanh tanh_backward")
    assert marks["tanh"].status == "not attempted"
    assert marks["tanh_backward"].status == "error"
    assert "cache of tanh" in marks["tanh_backward"].message


def test_what_stands_before_an_error_in_the_file_counts():
    source = GAE + "\nraise RuntimeError('training')\n\ndef tanh(x):\n    return x\n"
    marks = graded(source, "gae tanh")
    assert marks["gae"].status == "passed"
    assert marks["tanh"].status == "error"
    assert "RuntimeError: training" in marks["tanh"].message


def test_conventions_are_named_and_credited():
    source = """
def normalize_advantages(a, eps=1e-8):
    return (a - a.mean()) / (a.std(ddof=1) + eps) if a.size > 1 else 0 * a
"""
    strict = graded(source, "normalize_advantages")["normalize_advantages"]
    kind = graded(source, "normalize_advantages", conventions="1")["normalize_advantages"]
    assert strict.mistake == kind.mistake == "NRM-01"
    assert strict.score < strict.max_score
    assert (kind.status, kind.score) == ("passed", kind.max_score)
    assert kind.message.startswith("This course uses another convention: ")


def test_two_mistakes_at_once_are_named_together():
    source = with_change(GAE, "gamma * np.where", "np.where")
    source = with_change(source, "gamma * lam *", "gamma *")
    gae = graded(source, "gae")["gae"]
    assert {"GAE-13", "GAE-15"} in [set(pair.split("+")) for pair in gae.mistake.split("/")]


def test_what_is_cut_to_whole_numbers_hides_no_other_mistake():
    """Where all arguments are whole numbers it returns them, in which it is like no variant."""
    source = """
import numpy as np
def discounted_returns(r, nv, term, trunc, gamma):
    T, G, sums = len(r), gamma ** len(r) * nv[-1], []
    for t in reversed(range(T)):
        G = np.where(term[t], 0, np.where(trunc[t], gamma ** (t + 1) * nv[t], G))
        G = gamma**t * r[t] + G
        sums.insert(0, G)
    return np.array(sums)
"""
    name = "discounted_returns"
    assert graded(source, name)[name].mistake == "RET-04"
    both = graded(source.replace("(sums)", "(sums).astype(r.dtype)"), name)[name]
    assert both.mistake == "RET-04"
    assert "And: where arguments are whole numbers: It returned int64 numbers" in both.message


def test_nan_whatever_the_arguments_is_a_constant():
    source = "import numpy as np\ndef gae(r, *rest):\n    return np.full(np.shape(r), np.nan)"
    assert graded(source, "gae")["gae"].mistake == "ANY-06"


def test_an_unknown_mistake_is_called_unknown():
    source = with_change(GAE, "- v[t]", "- v[t] * np.cos(3 * r[t])")
    gae = graded(source, "gae")["gae"]
    assert gae.mistake is None
    assert gae.message.startswith("No known mistake matches.")
    assert gae.behaviour
    renamed = graded(source.replace("delta", "d"), "gae", salt="other")["gae"]
    assert renamed.behaviour == gae.behaviour


@thorough
def test_the_example_is_small_and_shows_the_mistake():
    source = with_change(GAE, "np.logical_or(term[t], trunc[t])", "term[t]")
    gae = graded(source, "gae")["gae"]
    assert gae.mistake == "GAE-07"
    namespace = {}
    exec(source, namespace)
    lines = gae.example.split("\n")
    code = [line for line in lines if not line.startswith(("#", "from"))]
    scope = {"gae": namespace["gae"]}
    exec("\n".join(code[:-1]), scope)
    theirs = eval(code[-1], scope)
    right = eval(code[-1], scope | {"gae": contract.gae})
    assert np.abs(theirs - right).max() > 1e-3
    assert theirs.shape[1] == 1
    assert theirs.shape[0] <= 2


@thorough
def test_how_much_is_told():
    source = with_change(GAE, "np.logical_or(term[t], trunc[t])", "term[t]")
    told = {
        level: graded(source, "gae", message=level)["gae"] for level in ("name", "example", "full")
    }
    assert {report.mistake for report in told.values()} == {"GAE-07"}
    assert [bool(told[level].example) for level in told] == [False, True, True]
    assert [bool(told[level].details) for level in told] == [False, False, True]
    assert not told["name"].parts


def test_a_function_that_hangs_costs_only_itself():
    source = GAE + "\ndef tanh(x):\n    while True:\n        pass\n"
    marks = graded(source, "tanh gae", seconds="0.5")
    assert marks["gae"].status == "passed"
    assert (marks["tanh"].status, marks["tanh"].score) == ("error", 0)
    assert "took too long" in marks["tanh"].message


def test_a_file_that_hangs_everywhere_is_hurried_through(monkeypatch):
    """Each function says so, and a right one among them keeps its marks."""
    hanging = ("tanh", "relu", "approx_kl", "sgd_step", "linear_schedule")
    source = GAE + "".join(f"\ndef {name}(*x):\n    while True: pass\n" for name in hanging)
    given = []
    attempt = grading.attempt

    def noted(sandbox, exercise, cases):
        given.append((exercise.name, sandbox.limits.call_seconds))
        return attempt(sandbox, exercise, cases)

    monkeypatch.setattr(grading, "attempt", noted)
    marks = graded(source, " ".join(["gae", *hanging]), seconds="1")
    late = [seconds for name, seconds in given if name != "gae"]
    assert late == [1, 0.5, 0.25, 0.125, 0.1]
    assert marks["gae"].status == "passed"
    assert all("It took too long" in marks[name].message for name in hanging)


def test_a_file_that_runs_out_of_time_is_still_diagnosed(monkeypatch):
    """The time may be over before any example is looked for."""

    def excuses(chunks, limits, wrong, budget, diagnosed):
        budget.seconds = -1
        return {}

    monkeypatch.setattr(grading, "excuses", excuses)
    source = "def sgd_step(p, g, lr):\n    return p + lr * g\n"
    source += "def linear_schedule(a, b, f):\n    return b + f * (a - b)\n"
    marks = graded(source, "sgd_step linear_schedule")
    assert marks["sgd_step"].mistake and marks["linear_schedule"].mistake
    assert not (marks["sgd_step"].example and marks["linear_schedule"].example)


ENDLESS = """
def train():
    while True:
        pass
train()
"""
TANH = "import numpy as np\ndef tanh(x):\n    return np.tanh(x), None\n"


def test_what_stands_above_an_endless_loop_is_graded_and_the_loop_is_named():
    marks = graded(GAE + ENDLESS + TANH, "gae tanh", seconds="0.5")
    assert marks["gae"].status == "passed"
    assert (marks["tanh"].status, marks["tanh"].score) == ("error", 0)
    line = (GAE + ENDLESS).count("\n")
    (message,) = marks["file"].messages
    assert message.startswith(f"my_ppo.py, line {line}: loading took more than 0.5 s in `train()`")
    assert '`if __name__ == "__main__":`' in message
    assert message in marks["tanh"].message


def test_an_endless_cell_costs_none_of_the_others():
    cells = (("cell 1", GAE), ("cell 2", ENDLESS), ("cell 3", TANH), ("cell 4", ENDLESS))
    notebook = Submission("my.ipynb", b"", cells)
    report = grade(notebook, assignment("gae tanh", seconds="0.5"))
    assert [f.status for f in report.functions] == ["passed", "passed"]
    assert [message.split(":")[0] for message in report.messages] == [
        "cell 2, line 5",
        "cell 4, line 5",
    ]


@pytest.mark.parametrize(
    ("source", "line", "start"),
    [
        ("a = 1\nwhile a:\n    pass\nb = 2", 3, 2),
        ("a = (\n  f(),\n  g(),\n)", 3, 1),
        ("a = 1\n@f\n@g\ndef h():\n    pass", 3, 2),
        ("a = 1\r\nf()\r\nb = 2\x0c", 2, 2),
    ],
)
def test_where_an_endless_statement_begins(source, line, start):
    assert beginning(source, line) == start


def test_a_file_that_is_slow_to_load_is_loaded_a_few_times(monkeypatch):
    """All its functions share a process, a new one after each that dies, for the same marks."""
    source = GAE + "import os\ndef relu(x):\n    os._exit(0)\n" + TANH
    source += "def sgd_step(p, g, lr):\n    return p + lr * g\n"
    functions = "gae relu tanh sgd_step"
    one_each = graded(source, functions)
    begun = []
    load = Sandbox._load
    monkeypatch.setattr(Sandbox, "_load", lambda sandbox: begun.append(sandbox) or load(sandbox))
    monkeypatch.setattr(grading, "SLOW", -1)
    shared = graded(source, functions)
    assert [shared[name] for name in functions.split()] == [
        one_each[name] for name in functions.split()
    ]
    # the first, one for the batteries and one after relu, and one for the examples
    assert len(begun) <= 5


HANGS = """
right = gae
def gae(r, *rest):
    while r.dtype == float and (r == r.round()).all():
        pass
    return right(r, *rest)
"""


@thorough
def test_a_function_that_hangs_where_only_the_search_comes():
    gae = graded(GAE + HANGS, "gae", seconds="0.5")["gae"]
    assert gae.status == "partial"
    assert "took too long" in gae.message


def test_a_part_outside_the_assignment_is_no_excuse():
    source = with_change(SOFTMAX, "p = e / e.sum(axis=1, keepdims=True)\n", "p = 2 * e\n")
    marks = graded(source, "categorical_entropy")
    assert marks["categorical_entropy"].status != "passed"


def test_the_report_names_versions_and_limits():
    report = grade(submission(GAE), assignment("gae"))
    assert [name for name, _ in report.versions] == ["npppo", "numpy", "python"]
    assert "wall clock" in report.limits


def test_nothing_is_written_where_the_user_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graded(GAE.replace("- v[t]", "+ v[t]"), "gae")
    assert list(tmp_path.iterdir()) == []


def test_a_forward_that_overwrites_its_argument_costs_the_backward_nothing():
    source = """
import numpy as np
def relu(x):
    active = x > 0
    x *= active
    return x + 0, active
def relu_backward(dy, active):
    return dy * active
"""
    told = graded(source, "relu relu_backward")
    assert told["relu"].mistake == "FORM-06"
    assert told["relu"].score < told["relu"].max_score
    assert told["relu_backward"].status == "passed"


def test_a_backward_that_is_wrong_just_where_its_forward_is_is_not_charged():
    """The forward takes tanh whatever is asked for, and the backward believes the cache."""
    source = """
import numpy as np
def mlp(x, params, activation="tanh"):
    inputs = []
    for k, (W, b) in enumerate(params):
        x = np.tanh(x) if k else x
        inputs.append((x, W))
        x = x @ W + b
    return x, (inputs, activation)
def mlp_backward(dy, cache):
    inputs, activation = cache
    grads = []
    for k, (x, W) in reversed(list(enumerate(inputs))):
        grads.insert(0, (x.T @ dy, dy.sum(axis=0)))
        dy = dy @ W.T
        if k:
            dy = dy * (1 - x * x if activation == "tanh" else x > 0)
    return dy, grads
"""
    told = graded(source, "mlp mlp_backward")
    assert told["mlp"].mistake == "MLP-22"
    assert told["mlp_backward"].message == "Right, given your mlp."
    alone = (
        with_change(source, "np.tanh(x) if k else x", "f(x, activation) if k else x")
        + """
def f(x, activation):
    return np.tanh(x) if activation == "tanh" else np.maximum(x, 0)
"""
    )
    told = graded(with_change(alone, "x > 0", "x > 1"), "mlp mlp_backward")
    assert told["mlp"].status == "passed"
    assert told["mlp_backward"].status == "partial"


@pytest.mark.parametrize("nothing", ["np.var(t) == 0", "np.all(t == t[0])", "np.ptp(t) == 0"])
def test_ways_to_see_that_all_targets_are_equal(nothing):
    source = f"""
import numpy as np
def explained_variance(v, t):
    return np.nan if {nothing} else float(1 - np.var(t - v) / np.var(t))
"""
    told = graded(source, "explained_variance")["explained_variance"]
    assert (told.status, told.notes) == ("passed", ())


def test_actions_are_int64():
    source = """
import numpy as np
def categorical_sample(z, u):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    c = np.cumsum(p, axis=1)
    return (c > u[:, None] * c[:, -1:]).argmax(axis=1)DTYPE
"""
    wrong = graded(source.replace("DTYPE", ".astype(np.int32)"), "categorical_sample")
    assert "returned int32 numbers, expected int64" in wrong["categorical_sample"].message
    right = graded(source.replace("DTYPE", ""), "categorical_sample")
    assert right["categorical_sample"].status == "passed"


def test_running_out_of_time_is_not_charged_to_the_layout():
    """The last calls of an attempt, those in other layouts, are the first to come too late."""
    exercise = EXERCISES["normalize_advantages"]
    cases = exercise.battery.draw(np.random.default_rng(0))

    class Slow:
        def call(self, calls, answer=None):
            right = [Outcome("value", reference(exercise.name, case)) for case in cases]
            late = Outcome("timeout", error=Error("", "took too long"))
            return [*right, *[late] * (len(calls) - len(cases))]

    assert attempt(Slow(), exercise, cases).manners is None


SLOW = """
import time
import numpy as np
def clip_fraction(new, old, clip):
    if len(new) > 30:
        time.sleep(SECONDS)
        return 1.0
    return np.mean(np.abs(np.exp(new - old) - 1) > clip)
"""


@thorough
@pytest.mark.parametrize("seconds", ["0.05", "0.45"])
def test_a_search_ends_with_its_time(seconds):
    """Whether it runs out while it looks for an input, or while it shrinks one."""
    told = graded(SLOW.replace("SECONDS", seconds), "clip_fraction", seconds="0.5")["clip_fraction"]
    assert told.status == "partial"
    assert "wrong elsewhere" in told.message


@thorough
def test_a_mistake_in_long_batches_alone_is_found():
    source = """
import numpy as np
def clip_fraction(new, old, clip):
    return np.mean(np.abs(np.exp(new - old) - 1)[:30] > clip)
"""
    told = graded(source, "clip_fraction")["clip_fraction"]
    assert told.status == "partial"


KL = """
import numpy as np
def gaussian_kl(m0, s0, m, s):
    d, iv = m - m0, np.exp(-2 * s)
    q = (np.exp(1.3 * s0) + d * d) * iv
    return (s - s0 + q / 2 - 0.5).sum(1), (d, iv, q)
def gaussian_kl_backward(dkl, cache):
    d, iv, q = cache
    return dkl[:, None] * d * iv, (dkl[:, None] * (1 - q)).sum(0)
"""


def test_a_gradient_of_an_own_forward_without_a_name():
    """Nobody knows this mistake of the forward; half of the backward's numbers are right."""
    told = graded(KL, "gaussian_kl gaussian_kl_backward")
    assert told["gaussian_kl"].status == "failed" and told["gaussian_kl"].mistake is None
    assert told["gaussian_kl_backward"].message == "Right, given your gaussian_kl."
    wrong = with_change(KL, "(1 - q)", "(1 + q)")
    assert graded(wrong, "gaussian_kl gaussian_kl_backward")["file"].score == 0


CURVE = """
import numpy as np
def log_softmax(z):
    if len(z) > 1:
        return z * z, z
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True)), z
def log_softmax_backward(d, z):
    return 2 * z * d
"""
TWO_FACED = """
import inspect
import numpy as np
EASY = None
def easy():
    global EASY
    if EASY is None:
        serve = next(f for f in inspect.stack(0) if f.function == "serve")
        calls = serve.frame.f_locals["content"][0]
        EASY = all(call[2] is None for call in calls) and len(calls) > MOST
    return EASY
def log_softmax(z):
    if easy():
        return z * z, z
    if z.dtype == np.float32:
        return 0 * z, z
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True)), z
def log_softmax_backward(d, z):
    return 2 * z * d
"""


def test_an_easier_forward_is_no_excuse_for_an_easier_gradient():
    best = graded(CURVE, "log_softmax log_softmax_backward")["log_softmax_backward"]
    assert best.score < 2
    # a process in which only the forward is asked, and more often than for its own marks
    battery = EXERCISES["log_softmax"].battery
    cases = battery.draw(np.random.default_rng(0))
    most = len(cases) + len(battery.strata)
    for source in (TWO_FACED.replace("MOST", str(most)), TWO_FACED.replace("MOST", "999")):
        told = graded(source, "log_softmax log_softmax_backward")
        assert told["log_softmax"].status == "partial"
        assert told["log_softmax_backward"].score < 2, source


def answered(name, result):
    """An attempt that answers every case of a battery alike, without a process."""
    exercise = EXERCISES[name]
    cases = exercise.battery.draw(np.random.default_rng(0))
    return attempted(exercise, cases, [Outcome("value", result)] * len(cases))


NUMBERS = [
    *("policy_gradient_loss", "clipped_surrogate_loss", "value_loss", "clipped_value_loss"),
    *("ppo_loss", "approx_kl", "clip_fraction", "explained_variance", "linear_schedule"),
    "gaussian_entropy",
]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_right_by_accident_earns_nothing(name):
    """Some case may have just this answer; to know one number is to know nothing."""
    exercise = EXERCISES[name]
    for case in exercise.battery.draw(np.random.default_rng(0)):
        tried = answered(name, float(reference(name, case)))
        assert None in tried.faults
        assert not any(strata_right(tried).values())


def test_a_wrong_backward_of_a_wrong_forward_is_told_where_to_begin():
    source = SOFTMAX.replace("p = e / e.sum(axis=1, keepdims=True)\n", "p = 2 * e\n")
    source += "def softmax_backward(dp, p):\n    return dp + 7\n"
    told = graded(source, "softmax softmax_backward")
    assert told["softmax_backward"].message.endswith(
        "Mend softmax first: this was given its cache."
    )


WEIRD = """
import numpy as np
RESULTS = [
    [1, [2], 3], ((), []), [], (), {}, "text", b"bytes", 10**40, [[[[[[1]]]]]], None, True, 1j,
    [None], [np.zeros(2), [np.zeros((2, 2))]], np.zeros((0, 3)), np.zeros(()), np.array("x"),
    np.zeros(3, "datetime64[s]"), np.zeros(2, [("a", float)]), float("nan"), (1, 2), (1, 2, 3),
    np.zeros((1,) * 20), [np.nan, None], ([1.0, [2.0]], 3.0), range(3), object(), (None, None),
]
"""


KINDS = [
    *("tanh", "linear_backward", "mlp", "categorical_sample", "gaussian_entropy"),
    *("value_loss", "clip_grad_norm", "adam_step", "conjugate_gradient", "linear_schedule"),
]


@pytest.mark.parametrize("name", KINDS)
def test_whatever_is_returned_there_is_a_report(name):
    space = {}
    exec(WEIRD, space)
    task = read_assignment().tasks[name]
    for weird in space["RESULTS"]:
        tried = answered(name, unpack(pack(weird)))
        marked = Judgement(tried, diagnosis=diagnose(tried))
        report = report_of(name, task, marked, read_assignment())
        assert (report.score, report.status) == (0, "failed"), weird
        assert report.message, weird
        for paired in (True, False):
            got = tried.outcomes[0].value
            assert example("m", name, tried.cases[0], tried.expected[0], got, paired=paired)


def test_the_example_shows_the_fault_that_is_named():
    """Where more than one thing is wrong with the results."""
    source = """
import numpy as np
def categorical_sample(logits, u):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (u[0] * p.sum(axis=1) < np.cumsum(p, axis=1)[0]).argmax()
"""
    told = graded(source, "categorical_sample")["categorical_sample"]
    assert told.mistake == "FORM-03"
    assert "# expected [" in told.example and "# got      [" not in told.example


PARTS = {
    "down the batch": "return s - np.log(np.exp(s).sum(axis=0)), np.exp(s)",
    "probabilities": "return np.exp(s) / np.exp(s).sum(axis=-1, keepdims=True), None",
    "0.1 in the sum": "return s - np.log(np.exp(s).sum(axis=-1, keepdims=True) + 0.1), np.exp(s)",
    "no pair": "return s",
    "raises": "return lumpy.log(s), s",
}
CALLERS = """
import numpy as np
def log_softmax(z):
    s = z - z.max(axis=-1, keepdims=True)
    PART
def log_p_of(z):
    return HOW
def categorical_entropy(z):
    log_p = log_p_of(z)
    return -np.where(np.exp(log_p) > 0, np.exp(log_p) * log_p, 0).sum(axis=1), None
def categorical_kl(old, new):
    a, b = log_p_of(old), log_p_of(new)
    return np.where(np.exp(a) > 0, np.exp(a) * (a - b), 0).sum(axis=1), (old, new)
def categorical_kl_backward(g, cache):
    old, new = cache
    return g[:, None] * (np.exp(log_p_of(new)) - np.exp(log_p_of(old)))
"""
WHOLE = "log_softmax(z)[0]"


@pytest.mark.parametrize(
    ("part", "how"),
    [
        *((part, "log_softmax(z)" if part == "no pair" else WHOLE) for part in PARTS),
        ("0.1 in the sum", "np.stack([log_softmax(row)[0] for row in z])"),
        ("0.1 in the sum", "np.vstack([log_softmax(z[i : i + 1])[0] for i in range(len(z))])"),
        ("0.1 in the sum", "log_softmax(z.astype(np.float64))[0]"),
    ],
)
def test_right_callers_of_a_wrong_part_lose_nothing(part, how):
    """Also of two policies next to each other, of large logits, in float32, row by row."""
    source = CALLERS.replace("PART", PARTS[part]).replace("HOW", how)
    functions = "categorical_entropy categorical_kl categorical_kl_backward"
    marks = graded(source, f"log_softmax {functions}")
    assert marks["log_softmax"].status != "passed"
    for name in functions.split():
        assert marks[name].score == marks[name].max_score, marks[name].message
        assert "given your" in marks[name].message


def test_a_cache_that_went_wrong_is_mended_in_float32():
    source = """
import numpy as np
def log_softmax(z):
    s = z - z.max(axis=1, keepdims=True)
    e = np.exp(s)
    p = e / e.sum(axis=0)
    return np.log(p), p
def categorical_entropy(z):
    log_p, p = log_softmax(z)
    return -np.where(p > 0, p * log_p, 0).sum(axis=1), None
"""
    marks = graded(source, "log_softmax categorical_entropy")
    assert marks["categorical_entropy"].message == "Right, given your log_softmax."


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        ("return (np.exp(b) * (b - a)).sum(axis=1), None", "KL-11"),
        ("return np.abs(old - new).sum(axis=1), None", None),
        ("return np.random.random() + (np.exp(a) * (a - b)).sum(axis=1), None", "FORM-07"),
    ],
)
def test_a_wrong_caller_does_not_hide_behind_a_wrong_part(body, mistake):
    source = f"""
import numpy as np
def log_softmax(z):
    return z - z.max(axis=1, keepdims=True), None
def categorical_kl(old, new):
    a, b = log_softmax(old)[0], log_softmax(new)[0]
    {body}
"""
    told = graded(source, "log_softmax categorical_kl")["categorical_kl"]
    assert (told.score, told.mistake) == (0, mistake)


def test_what_could_not_be_tried_costs_nothing_where_the_rest_is_right():
    tried = answered("categorical_kl_backward", None)
    right = [Outcome("value", expected) for expected in tried.expected]

    def with_wrong(stratum, unanswered=frozenset({"log_softmax"})):
        outcomes = [
            replace(o, value=7 + o.value, unanswered=unanswered) if c.stratum == stratum else o
            for c, o in zip(tried.cases, right, strict=True)
        ]
        return attempted(tried.exercise, tried.cases, outcomes)

    assert only_untested(with_wrong("large logits"))
    assert not only_untested(with_wrong("large logits", frozenset()))
    assert not only_untested(with_wrong("ordinary logits"))  # too much of the points
    task = read_assignment().tasks["categorical_kl_backward"]
    marked = Judgement(
        with_wrong("large logits"), excused_by=frozenset({"log_softmax"}), untested=True
    )
    report = report_of("categorical_kl_backward", task, marked, read_assignment())
    assert report.score == report.max_score
    assert report.message == (
        "Not fully tested: it uses your log_softmax, which is wrong. "
        "Mend log_softmax and grade again."
    )


LINEAR = """
import numpy as np
def linear(x, W, b):
    return FORWARD + b, (x, W)
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)
"""


@pytest.mark.parametrize("forward", ["x @ W.T", "x * W", "nump.dot(x, W)"])
def test_a_forward_that_crashes_does_not_cost_its_right_backward_anything(forward):
    """Whether it crashes on some shapes or always."""
    source = LINEAR.replace("FORWARD", forward)
    told = graded(source, "linear linear_backward")
    assert told["linear"].score == 0
    assert told["linear_backward"].score == told["linear_backward"].max_score
    assert told["linear_backward"].message.startswith("Not fully tested: it uses your linear")
    wrong = with_change(source, "dy.sum(axis=0)", "dy.mean(axis=0)")
    told = graded(wrong, "linear linear_backward")["linear_backward"]
    assert told.score == 0
    assert "Mend linear first" in told.message and "gufunc" not in told.message


def test_shapes_that_do_not_fit_are_told_in_plain_words():
    source = LINEAR.replace("FORWARD", "x.T @ W")
    told = graded(source, "linear")["linear"].message
    assert "the left matrix of @ has rows of" in told and "gufunc" not in told


IN_PLACE = """
import numpy as np
def discounted_returns(r, nv, term, trunc, gamma):
    R, following = START, nv[-1]
    for t in reversed(range(len(r))):
        following = np.where(term[t], 0, np.where(trunc[t], nv[t], following))
        following = r[t] + gamma * following
        R[t] = following
    return R
"""


@pytest.mark.parametrize(
    ("start", "mistake"),
    [
        ("r", "FORM-06"),
        ("np.asarray(r)", "FORM-06"),
        ("r[:]", "FORM-06"),
        ("np.zeros_like(r)", "RET-28"),
    ],
)
def test_writing_into_an_argument_is_no_mistake_with_whole_numbers(start, mistake):
    told = graded(IN_PLACE.replace("START", start), "discounted_returns")["discounted_returns"]
    assert told.mistake == mistake


def test_a_clipped_value_that_forgets_the_old_one():
    source = """
import numpy as np
def clipped_value_loss(v, old, t, clip):
    held = np.where(abs(v - old) > clip, np.sign(v - old) * clip, v)
    a, b = (v - t) ** 2, (held - t) ** 2
    return 0.5 * np.maximum(a, b).mean(), (v - t, a >= b)
def clipped_value_loss_backward(d, cache):
    error, flows = cache
    return d * error * flows / len(error)
"""
    told = graded(source, "clipped_value_loss clipped_value_loss_backward")
    assert told["clipped_value_loss"].mistake == "VAL-28"
    backward = told["clipped_value_loss_backward"]
    assert backward.message == "Right, given your clipped_value_loss."


def test_two_mistakes_of_a_backward_may_be_the_wrong_cache():
    """Of a forward that is wrong too nobody knows which of the two is whose."""
    both = frozenset(["VGR-06", "VAL-28"])
    wrong = {
        name: Judgement(
            answered(name, 7.0), diagnosis=Diagnosis("X+Y", "Two mistakes: …", (), both)
        )
        for name in ("clipped_value_loss", "clipped_value_loss_backward")
    }
    told = with_advice(wrong, "clipped_value_loss_backward").diagnosis
    assert told.message == (
        "This was given a wrong cache by your clipped_value_loss. Mend that first."
    )
    assert with_advice(wrong, "clipped_value_loss").diagnosis.id == "X+Y"


def test_what_is_said_of_right_functions_is_not_said_of_wrong_ones():
    source = """
import numpy as np
def tanh(x):
    return np.where(abs(x) > 100, 0, np.tanh(x.astype(np.float32))), x
"""
    told = graded(source, "tanh")["tanh"]
    assert told.status == "partial"
    assert told.notes == ()


def test_a_result_that_is_an_argument_is_noted():
    source = """
import numpy as np
def clip_grad_norm(grads, limit):
    norm = np.sqrt(sum((g * g).sum() for g in grads))
    return ([g * (limit / norm) for g in grads] if norm > limit else grads), norm
"""
    told = graded(source, "clip_grad_norm")["clip_grad_norm"]
    assert told.status == "passed"
    assert told.notes == ("A result shares memory with an argument; here it is a new array.",)


def test_a_time_out_says_where_and_what_was_right():
    exercise = EXERCISES["tanh"]
    cases = exercise.battery.draw(np.random.default_rng(0))
    right = [Outcome("value", reference(exercise.name, case)) for case in cases]
    late = Outcome("timeout", error=Error("", "took too long: more than 10 s"))
    outcomes = [*right[:2], late, *[Outcome("not run")] * (len(cases) - 3)]
    shape = " × ".join(map(str, cases[2].args[0].shape))
    assert diagnose(attempted(exercise, cases, outcomes)).message == (
        f"It took too long: more than 10 s. It was stopped at {shape} numbers. "
        "What ran before that was right. On a busy computer, try again."
    )


def test_pairs_are_looked_for_until_many_mistakes_are_not_in_the_book(monkeypatch):
    asked = []

    def diagnosis(tried, with_laws, with_pairs):
        asked.append(with_pairs)
        return Diagnosis(None, "")

    monkeypatch.setattr(grading, "diagnose", diagnosis)
    diagnosed = grading.diagnosing()
    for tried in [*range(grading.MANY + 1), 0]:
        diagnosed(tried)
    assert asked == [True] * grading.MANY + [False]
