"""Hostile submissions, graded as a whole: no attack earns a mark or costs another function's.

Each file has a right `gae` and some functions that attack; what the isolation itself does about
every attack is in test_sandbox.py.
"""

import json
import os
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from xml.etree import ElementTree

import handins
import pytest
from handins import graded

import npppo
from npppo.grading.desk import grade as grading
from npppo.grading.formats.writers import FORMATS
from npppo.grading.judging import search
from npppo.grading.process import child

linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")
posix = pytest.mark.skipif(os.name != "posix", reason="as POSIX systems do it")

PACKAGE = Path(npppo.__file__).parent
GAE = "import builtins, importlib, io, json, os, signal, sys, threading, time\n" + handins.GAE
# Functions that return one result, and so can be made to return anything.
VICTIMS = (
    "discounted_returns",
    "normalize_advantages",
    "approx_kl",
    "clip_fraction",
    "explained_variance",
    "linear_schedule",
)
# Those whose right result is one number.
NUMBERS = ("explained_variance", "approx_kl", "clip_fraction", "linear_schedule")


@pytest.fixture
def marks(tmp_path, monkeypatch):
    """Grades a file in a folder where nothing may be left behind."""
    home, room = tmp_path / "home", tmp_path / "room"
    for folder in (home, room):
        folder.mkdir()
    monkeypatch.chdir(home)
    # Neither a thorough search nor a small example is wanted here, and both take time.
    for name in ("SEARCH_EXAMPLES", "SHRINK_EXAMPLES", "SHRINK_CALLS"):
        monkeypatch.setattr(search, name, 2)
    monkeypatch.setattr(tempfile, "tempdir", str(room))

    def grade(source, functions, explain=False, **options):
        start = time.monotonic()
        with monkeypatch.context() as patch:
            if not explain:  # what the marks are, in half the time
                patch.setattr(grading, "needs_explanation", lambda judged: False)
            marks = graded(source, functions, **options)
        assert time.monotonic() - start < 120
        assert sorted(tmp_path.rglob("*")) == [home, room]
        expect_whole(marks["file"])
        return marks

    return grade


def expect_whole(report):
    """Whatever was printed or raised, each platform reads what was earned and nothing else."""

    def refuse(constant):
        raise ValueError(constant)

    texts = {name: write(report) for name, write in FORMATS.items()}
    for name in ("json", "gradescope", "prairielearn"):
        texts[name] = json.loads(texts[name], parse_constant=refuse)
    assert texts["json"]["score"] == report.score
    scores = [test["score"] for test in texts["gradescope"]["tests"]]
    assert sum(scores) == pytest.approx(report.score)
    assert texts["prairielearn"]["score"] == pytest.approx(report.score / report.max_score)
    ElementTree.fromstring(texts["junit"])


def function(name, body):
    return f"def {name}(x, *rest):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


def all_attacked(marks, bodies, victims=VICTIMS, **options):
    """The reports of functions with these bodies, after a right gae in the same file."""
    bodies, victims = list(bodies), victims[: len(bodies)]
    assert len(victims) == len(bodies)
    source = GAE + "".join(map(function, victims, bodies))
    result = marks(source, " ".join(["gae", *victims]), **options)
    assert result["gae"].status == "passed", result["gae"]
    return [result[name] for name in victims]


def said(report):
    return " ".join([report.message, *(part.message for part in report.parts)])


def expect_nothing(marks, bodies, **options):
    reports = all_attacked(marks, bodies, **options)
    for body, report in zip(bodies, reports, strict=True):
        assert (report.score, report.status) in ((0, "failed"), (0, "error")), (body, report)
    return reports


# The attacks: in a call.


def test_ways_to_end(marks):
    bodies = {
        "sys.exit(0)": "SystemExit",
        "raise type('Mine', (BaseException,), {})('no')": "Mine: no",
        "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})": "cannot be shown",
        "os._exit(0)": "exit code 0",
        "signal.raise_signal(signal.SIGTERM)": "SIGTERM" if os.name == "posix" else "",
        "os.closerange(0, 256)": "closed the channel",
    }
    reports = expect_nothing(marks, bodies)
    for report, words in zip(reports, bodies.values(), strict=True):
        assert report.status == "error"
        assert words in said(report)


@posix
def test_ways_to_go_on_forever(marks):
    bodies = [
        "time.sleep(1e6)",
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass
        """,
    ]
    reports = expect_nothing(marks, bodies, seconds="1")
    assert {report.status for report in reports} == {"error"}
    for report in reports:
        assert "took too long" in said(report)


@linux
def test_too_much_of_everything(marks):
    bodies = [
        "return np.ones(1 << 29).sum()",
        "return np.zeros(1 << 22)",
        "x = []; x.append(x); return x",
        "def again(): again()\nagain()",
        "with open('big', 'wb') as file:\n    file.seek(1 << 30); file.write(b'x')",
    ]
    reports = expect_nothing(marks, bodies, memory="512")
    assert "more than 512 MB of memory" in said(reports[0])


@posix
def test_processes_and_threads_left_behind(marks):
    bodies = [
        "os.fork()",
        "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'while True: pass'])",
        "os.system('sleep 100 &')",
        "import multiprocessing\nmultiprocessing.Process(target=time.sleep, args=(100,)).start()",
        """
        if threading.active_count() < 3:
            threading.Thread(target=time.sleep, args=(100,)).start()
        """,
        "os.kill(os.getppid(), 9)",
    ]
    expect_nothing(marks, bodies)


FAKES = (
    '{"score": 100, "tests": [{"score": 100, "max_score": 100}]}',
    "Grade :=>> 100",
    "gae results: All test cases passed!",
    "]]></system-out></testsuite></testsuites>",
    "\x1b[2J\x00",
)


def test_printed_marks_are_no_marks(marks):
    fakes = "".join(f"print({fake!r})\n" for fake in FAKES)
    forged = """
        for number in range(3, 20):
            try:
                os.write(number, bytes(16) + b'\\x01\\0\\0\\0N')
            except OSError:
                pass
        """
    bodies = [
        fakes,
        fakes + "sys.stdout.flush(); os._exit(0)",
        f"raise ValueError({FAKES!r})",
        f"for name in sys.argv: sys.__stderr__.write({FAKES[0]!r})\nreturn {FAKES[0]!r}",
        forged,
        "sys.stdout = sys.stderr = sys.__stdout__ = None",
    ]
    source = GAE + fakes + "".join(map(function, VICTIMS, bodies))
    result = marks(source, " ".join(["gae", *VICTIMS]))
    assert result["gae"].status == "passed"
    assert result["file"].score == 10
    assert "Grade :=>> 100" in result["file"].output


def test_files_are_written_at_most_in_its_own_folder(marks, tmp_path):
    outside = str(tmp_path / "home" / "stolen")
    bodies = [
        "open('results.json', 'w').write('{\"score\": 100}')\nos.mkdir('results')",
        f"open({outside!r}, 'w')",
        f"os.mkdir({outside!r})",
        "open('../outside', 'w')",
        f"open('here', 'w').close(); os.rename('here', {outside!r})",
        f"np.save({outside!r}, x)",
    ]
    reports = expect_nothing(marks, bodies)
    for report in reports[1:]:
        assert "PermissionError" in said(report)


EVIL = """
class Evil(np.ndarray):
    def __eq__(self, other): return True
    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: False
    def __array_ufunc__(self, *args, **named): return np.array(True)
    def __array_function__(self, *args, **named): return True
    def tobytes(self, *args): raise SystemExit
class Number(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
class Any:
    __class__ = np.ndarray
    dtype, shape, ndim = np.dtype(float), (), 0
    def __getattr__(self, name): raise SystemExit
    def __array__(self, *args, **named): os._exit(0)
    def __eq__(self, other): return True
"""


def test_results_that_claim_to_be_equal(marks):
    bodies = [
        "return np.zeros(np.shape(x)).view(Evil)",
        "return Number(1)",
        "return Any()",
        "return [[Any()]]",
        "return np.array([Any()] * np.size(x)).reshape(np.shape(x))",
        "return (Number(1) for _ in range(3))",
    ]
    expect_nothing(marks, [EVIL + body for body in bodies], explain=True)


def test_right_results_in_a_form_that_no_array_has(marks):
    """Right numbers, as a masked array and so on: full marks for nothing but a plain result."""
    right = "d = np.asarray(x) - np.mean(x)\n    d = d / (d.std() + eps)\n"
    forms = {
        "d.astype(object)": "an array of objects",
        "np.ma.array(d)": "a masked array",
        "d.astype(complex)": "complex",
        "[*d.astype(complex)]": "a list",
        "(y for y in d)": "a generator",
        "memmap(d)": "a memory-mapped array",
        "np.matrix(d)": "a matrix",
        "d.astype(str)": "dtype <U",
    }
    for form, words in forms.items():
        source = f"""
import numpy as np
def memmap(d):
    m = np.memmap("m", float, "w+", shape=d.shape)
    m[...] = d
    return m
def normalize_advantages(x, eps=1e-8):
    {right}    return {form}
"""
        report = marks(source, "normalize_advantages", explain=True)["normalize_advantages"]
        assert report.score == 0, form
        assert words in said(report), (form, report)


def test_what_is_no_number(marks):
    bodies = [
        "return 10**30",
        "return b'1'",
        "return np.array(1j)",
        "return 'nan'",
    ]
    expect_nothing(marks, bodies, victims=NUMBERS, explain=True)


def test_an_example_is_as_long_as_can_be_read(marks):
    (report,) = expect_nothing(marks, ["return np.ones(1 << 16)"], explain=True)
    assert len(report.example) < 10_000


def test_arguments_that_are_overwritten(marks):
    bodies = [
        "x[...] = 0\nreturn x",
        "for y in (x, *rest):\n    if isinstance(y, np.ndarray): y[...] = 0\nreturn 0 * x",
    ]
    expect_nothing(marks, bodies)


PATCHES = """
yes = lambda *args, **named: True
np.allclose = np.isclose = np.array_equal = np.testing.assert_allclose = np.isfinite = yes
np.flatnonzero = lambda *args: np.zeros(0, int)
np.may_share_memory = np.asarray = np.ravel = None
json.dumps = json.loads = lambda *args, **named: '{"score": 100}'
for name in ("abs", "all", "any", "isinstance", "issubclass", "type", "callable", "max", "sum"):
    setattr(builtins, name, yes)
os.write = os.read = os._exit = time.perf_counter = time.monotonic = yes
sys.exit = yes
"""


def test_replaced_comparisons_compare_nothing(marks):
    wrong = "return 0.0 * x"
    reports = expect_nothing(marks, [PATCHES + wrong, "return None"])
    assert "returned None" in said(reports[1])
    source = GAE + PATCHES + "def tanh(x):\n    return 0 * x, x\n"
    result = marks(source, "gae tanh")
    assert result["gae"].status == "passed"
    assert result["tanh"].score == 0


FILE = f"{str(PACKAGE / 'returns.py')!r}"
ROOT = f"{str(PACKAGE.parent)!r}"
THEFTS = [
    "import npppo\nreturn npppo.NAME(x, *rest)",
    f"sys.path.insert(0, {ROOT})\nimport npppo.contract as c\nreturn c.NAME(x, *rest)",
    "return importlib.import_module('npppo.contract').NAME(x, *rest)",
    "return __import__('npppo').NAME(x, *rest)",
    f"""
    import importlib.util
    spec = importlib.util.spec_from_file_location("mine", {FILE})
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NAME(x, *rest)
    """,
    f"import runpy\nreturn runpy.run_path({FILE})['NAME'](x, *rest)",
    f"scope = {{}}\nexec(open({FILE}).read(), scope)\nreturn scope['NAME'](x, *rest)",
    f"scope = {{}}\nexec(io.open_code({FILE}).read(), scope)\nreturn scope['NAME'](x, *rest)",
    f"scope = {{}}\nexec(bytes(np.fromfile({FILE}, 'u1')), scope)\nreturn scope['NAME'](x, *rest)",
    f"""
    import linecache
    scope = {{}}
    exec("".join(linecache.getlines({FILE})), scope)
    return scope["NAME"](x, *rest)
    """,
    f"os.chdir({ROOT})\nsys.path[:] = ['']\nimport npppo as n\nreturn n.NAME(x, *rest)",
    f"""
    import importlib.machinery
    sys.meta_path[:] = [importlib.machinery.PathFinder]
    sys.path.insert(0, {ROOT})
    import npppo
    return npppo.NAME(x, *rest)
    """,
]


@pytest.mark.parametrize("first", [0, 6])
def test_the_reference_is_out_of_reach(marks, first):
    bodies = [
        body.replace("NAME", name)
        for body, name in zip(THEFTS[first : first + 6], VICTIMS, strict=True)
    ]
    reports = expect_nothing(marks, bodies)
    assert {report.status for report in reports} == {"error"}


def test_what_is_not_numpy(marks):
    bodies = [
        "import torch\nreturn torch.tanh(x)",
        "import absent_module",
        "from scipy import special",
        "try:\n    import jax\nexcept BaseException:\n    return 0.0 * x",
    ]
    reports = expect_nothing(marks, bodies)
    for report, module in zip(reports[:3], ("torch", "absent_module", "scipy"), strict=True):
        assert f"only NumPy and the standard library can be imported, not {module}" in (
            said(report)
        )


def test_one_answer_for_the_comparison_and_another_for_the_rest(marks):
    """Every call is made twice: a right answer in one of the two is none."""
    header = "global CALLS\nCALLS = globals().get('CALLS', -1) + 1\n"
    bodies = [
        header + "return np.zeros_like(x) if CALLS % 2 else np.arange(x.size).reshape(x.shape)",
        header + "return 1.0 * CALLS * x",
        "return np.random.random(np.shape(x))",
        "return time.perf_counter()",
    ]
    reports = expect_nothing(marks, bodies)
    for report in reports:
        assert "two different answers" in said(report)


def test_nothing_is_remembered_from_one_function_to_the_next(marks):
    """normalize_advantages is right as soon as it finds a note from another function."""
    places = "['note', '../note', '/tmp/note', '/dev/shm/note', os.path.expanduser('~/note')]"
    leave = f"""
        os.environ["NOTE"] = builtins.NOTE = np.NOTE = "seen"
        for place in {places}:
            try:
                open(place, "w").write("seen")
            except OSError:
                pass
        """
    find = f"""
        seen = "NOTE" in os.environ or hasattr(builtins, "NOTE") or hasattr(np, "NOTE")
        if seen or any(map(os.path.exists, {places})):
            return (x - np.mean(x)) / (np.std(x) + 1e-8)
        """
    expect_nothing(marks, [leave, find, leave])


# The attacks: while the file is loaded. What stands before them keeps its marks.

LATER = "\ndef tanh(x):\n    return np.tanh(x), None\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sys.exit(0)", "SystemExit: 0"),
        ("class E(BaseException):\n    __str__ = None\nraise E", "E: (its message cannot be"),
        ("import torch", "not torch"),
        ("import npppo", "the submission imports the reference"),
        ("open('/etc/passwd-', 'w')", "does not allow"),
    ],
)
def test_what_ends_the_loading(marks, line, words):
    result = marks(GAE + line + LATER, "gae tanh")
    assert result["gae"].status == "passed"
    assert (result["tanh"].status, result["tanh"].score) == ("error", 0)
    assert words in result["tanh"].message
    assert any(words in message for message in result["file"].messages)


@posix
def test_training_on_import(marks):
    result = marks(GAE + "time.sleep(1000)" + LATER, "gae tanh", seconds="1")
    assert result["gae"].status == "passed"
    assert result["tanh"].score == 0
    assert "loading took more than 1 s" in result["tanh"].message


@pytest.mark.parametrize(
    "line",
    [
        "os._exit(0)",
        "while True:\n    try: time.sleep(1000)\n    except BaseException: pass",
        "os.closerange(0, 256)",
    ],
)
def test_what_brings_the_process_down_on_import_costs_the_file(marks, line, monkeypatch):
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.3)
    result = marks(GAE + line + LATER, "gae tanh", seconds="0.5")
    assert result["file"].score == 0
    assert any("Loading the file failed" in message for message in result["file"].messages)


def test_what_does_no_harm(marks):
    """Threads, noise, files and handlers of its own: judged on its merits."""
    source = """
        threading.Thread(target=time.sleep, args=(1000,)).start()
        for _ in range(100):
            sys.stdout.write("spam " * 200_000)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open("results.json", "w") as file:
            json.dump({"score": 100}, file)
        sys.argv, sys.stdout = None, None
        """
    result = marks(GAE + textwrap.dedent(source) + LATER, "gae tanh")
    assert [f.status for f in result["file"].functions] == ["passed", "passed"]
    assert result["file"].output.startswith("spam spam")
    assert len(result["file"].output) <= 10_000


def test_the_reference_is_out_of_reach_even_with_the_guard_taken_apart(marks):
    """The kernel hides it, where there is Landlock."""
    source = f"""
        import inspect, sys
        for place in inspect.stack():
            guard = getattr(place.frame.f_locals.get("self"), "guard", None)
            if guard is not None:
                for name in ("__call__", "check_import", "find_spec"):
                    setattr(type(guard), name, lambda *args, **named: None)
        sys.path.insert(0, {str(PACKAGE.parent)!r})
        try:
            from npppo import clip_fraction, linear_schedule
        except ModuleNotFoundError:
            pass
        def approx_kl(*args):
            open({str(PACKAGE / "formulas" / "losses.py")!r})
        """
    result = marks(textwrap.dedent(source), "approx_kl clip_fraction linear_schedule")
    if "other files" not in result["file"].limits:
        pytest.skip("this system has no Landlock")
    assert result["file"].score == 0
    assert not result["file"].messages  # the guard said nothing, the kernel did
    assert "PermissionError: [Errno 13]" in said(result["approx_kl"])


def test_functions_that_only_call_each_other(marks):
    source = """
        def discounted_returns(r, nv, term, trunc, gamma):
            return gae(r, 0 * r, nv, term, trunc, gamma, 1.0)
        def gae(r, v, nv, term, trunc, gamma, lam):
            delta = r + gamma * (1 - lam) * nv * (1 - 1 * term) - v
            return discounted_returns(delta, nv, term, trunc, gamma * lam)
        """
    result = marks(textwrap.dedent(source), "gae discounted_returns")
    assert result["file"].score == 0


@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("relu", "return x, None", "return x"),
        ("importance_ratio", "return 1 + x - rest[0], None", "return x"),
        (
            "value_loss",
            "return np.mean(x - rest[0]), len(x)",
            "return np.full(rest[0], x / rest[0])",
        ),
    ],
)
def test_a_straight_line_is_no_forward_to_differentiate(name, forward, backward, marks):
    source = (
        "import numpy as np\n" + function(name, forward) + function(f"{name}_backward", backward)
    )
    result = marks(source, f"{name} {name}_backward")
    assert result[name].status == "failed"
    assert result[f"{name}_backward"].score < 0.5 * result[f"{name}_backward"].max_score


def test_a_backward_cannot_differentiate_the_right_answers_of_its_forward(marks):
    source = """
        import inspect
        import numpy as np
        def right(x):
            for place in inspect.stack(0):
                worker = place.frame.f_locals.get("self")
                if type(worker).__name__ == "Worker":
                    pack = place.frame.f_globals["pack"]
                    worker.send("ask", "tanh", pack((x,), strict=True))
                    _, known, result = worker.receive()
                    assert known
                    return result
        def tanh(x):
            return 0.0, x
        def tanh_backward(dy, x):
            return dy * STEP
        """
    for step in ("np.imag(right(x + 1e-30j)) * 1e30", "(right(x + 1e-5) - right(x - 1e-5)) / 2e-5"):
        result = marks(textwrap.dedent(source).replace("STEP", step), "tanh tanh_backward")
        assert result["file"].score == 0


CHAIN = """
import numpy as np
def categorical_log_prob(z, a):
    return np.arange(len(a)) + 0.1, None
def categorical_entropy(z):
    return np.arange(len(z)) + 0.2, None
def clipped_surrogate_loss(lp, old, adv, clip):
    return 3.3 + lp[0], None
def value_loss(v, t):
    return 4.4 + v[0], None
def ppo_loss(z, v, a, old, adv, t, clip, vf, ent):
    lp = categorical_log_prob(z, a)[0]
    loss = clipped_surrogate_loss(lp, old, adv, clip)[0] + vf * value_loss(v, t)[0]
    return loss - ent * np.mean(categorical_entropy(z)[0]), (z, v, a, old, adv, t, clip, vf, ent)
def ppo_loss_backward(d, cache):
    z, v, a, old, adv, t, clip, vf, ent = cache
    def slope(f, x, e, h=1e-3):
        return (8 * (f(x + h * e) - f(x - h * e)) - (f(x + 2 * h * e) - f(x - 2 * h * e))) / 12 / h
    one = np.eye(len(v))
    lp = categorical_log_prob(z, a)[0]
    dlp = [slope(lambda q: clipped_surrogate_loss(q, old, adv, clip)[0], lp, e) for e in one]
    dz = np.zeros(z.shape)
    for k in range(z.shape[1]):
        e = np.zeros(z.shape)
        e[:, k] = 1
        dz[:, k] = np.array(dlp) * slope(lambda q: categorical_log_prob(q, a)[0], z, e)
        dz[:, k] -= ent * slope(lambda q: categorical_entropy(q)[0], z, e) / len(z)
    return d * dz, d * vf * np.array([slope(lambda q: value_loss(q, t)[0], v, e) for e in one])
"""


def test_right_answers_of_parts_cannot_be_differentiated(marks):
    """The parts are worthless, so their right answers are given, but not again nearby."""
    names = "categorical_log_prob categorical_entropy clipped_surrogate_loss value_loss ppo_loss"
    result = marks(CHAIN, f"{names} ppo_loss_backward")
    assert result["ppo_loss"].status == "passed"  # which is a right one of its parts
    assert result["file"].score == result["ppo_loss"].score


@pytest.mark.parametrize(
    "difference",
    [
        "(softmax(z + h * v)[0] - softmax(z - h * v)[0]) / (2 * h)",
        "(softmax(z + h * v)[0] - softmax(z)[0]) / h",
        "-(softmax(z)[0] - softmax(z + h * v)[0]) / h",
    ],
)
def test_a_derivative_is_no_difference_of_right_answers(difference, marks):
    """Whether its own arguments are asked about first or last."""
    source = f"""
        def softmax(z):
            return 0.5 * z, z
        def categorical_fisher(z, v, h=1e-6):
            return {difference}
        """
    result = marks(textwrap.dedent(source), "softmax categorical_fisher")
    assert result["file"].score == 0


HOLLOW = {
    "softmax softmax_backward": """
        def softmax(z): return np.exp(z), np.exp(z)
        def softmax_backward(d, p): return d * p
        """,
    "mlp mlp_backward": """
        def mlp(x, layers, activation="tanh"):
            inputs = [x]
            for W, b in layers:
                inputs.append(inputs[-1] @ W + b)
            return inputs[-1], (inputs, layers)
        def mlp_backward(d, cache):
            grads = []
            for (W, b), h in zip(cache[1][::-1], cache[0][-2::-1]):
                grads.insert(0, (h.T @ d, d.sum(axis=0)))
                d = d @ W.T
            return d, grads
        """,
    "clipped_surrogate_loss clipped_surrogate_loss_backward": """
        def clipped_surrogate_loss(lp, old, adv, clip): return -np.mean(adv), adv
        def clipped_surrogate_loss_backward(d, adv): return -d * adv / len(adv)
        """,
    "ppo_loss ppo_loss_backward": """
        def ppo_loss(z, v, a, old, adv, t, clip, vf, ent):
            return vf * 0.5 * np.mean((v - t) ** 2), (z, v, t, vf)
        def ppo_loss_backward(d, cache):
            z, v, t, vf = cache
            return np.zeros(z.shape), d * vf * (v - t) / len(v)
        """,
    # not the derivative of anything where the forward is wrong
    "gaussian_log_prob gaussian_log_prob_backward": """
        def gaussian_log_prob(m, s, a):
            z, junk = (a - m) / np.exp(s), np.full(len(m), 5.5)
            right = np.sum(-0.5 * z * z - s - 0.5 * np.log(2 * np.pi), axis=1)
            return right if np.all(s < 1.2) else junk, (z, s, np.all(s < 1.2))
        def gaussian_log_prob_backward(d, cache):
            z, s, easy = cache
            if not easy:
                return np.full(z.shape, 3.3), np.full(s.shape, 4.4)
            return d[:, None] * z / np.exp(s), np.sum(d[:, None] * (z * z - 1), axis=0)
        """,
}


@pytest.mark.parametrize("functions", HOLLOW)
def test_a_gradient_is_not_made_easy_by_what_is_left_out(functions, marks):
    result = marks("import numpy as np\n" + textwrap.dedent(HOLLOW[functions]), functions)
    forward, backward = (result[name] for name in functions.split())
    assert backward.status != "passed"
    assert backward.score <= forward.score + 0.5
