"""The isolation of graded code: whatever a submission does ends in a clean outcome.

Each hostile submission does its worst in one function or on being loaded; the grader must come to
know it, say it plainly, and be able to go on.
"""

import multiprocessing
import os
import re
import subprocess
import sys
import textwrap
import time
import types
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npppo.grading.exercises.exercise import Product, Rng
from npppo.grading.process import child, guard, messages, nursery, seccomp, substitution
from npppo.grading.process.codec import Malformed, Unfit, pack, unpack
from npppo.grading.process.sandbox import Call, Limits, Opaque, Sandbox

X = np.array([[1.0, -2.0], [3.0, 4.0]])
NAMES = ["f", "g", "g_backward", "h", "k"]
SHORT = Limits(load_seconds=0.4, call_seconds=0.5)
linux = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")
posix = pytest.mark.skipif(os.name != "posix", reason="as POSIX systems do it")


def open_sandbox(*sources, limits=None):
    chunks = [(f"my_ppo.py{i or ''}", textwrap.dedent(source)) for i, source in enumerate(sources)]
    return Sandbox(chunks, limits)


def run(source, *calls, limits=None, answer=None):
    """What loading gave, the outcomes, and what was printed."""
    with open_sandbox(source, limits=limits) as sandbox:
        loaded = sandbox.load(NAMES)
        outcomes = sandbox.call(calls or [Call("f", (X,))], answer)
    return loaded, outcomes, sandbox.output


def outcome(source, *args, limits=None, **options):
    return run(source, Call("f", args or (X,), **options), limits=limits)[1][0]


def body(text, name="f"):
    """A submission that has a function with this body."""
    lines = textwrap.indent(textwrap.dedent(text).strip(), "    ")
    return f"import os, sys, time\nimport numpy as np\ndef {name}(x):\n{lines}\n"


def each(texts):
    """The outcomes of functions with these bodies, in one process."""
    names = [f"f{i}" for i in range(len(texts))]
    source = "".join(map(body, texts, names))
    with open_sandbox(source) as sandbox:
        sandbox.load(names)
        return sandbox.call([Call(name, (X,)) for name in names])


# The codec.

plain_arrays = hnp.arrays(
    st.sampled_from(["?", "u1", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode())
    | st.binary(max_size=20)
    | st.builds(Opaque, st.just("a dict"))
    | plain_arrays
    | plain_arrays.filter(lambda x: x.size).map(lambda x: x.reshape(-1)[0]),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return repr(a) == repr(b)


@given(trees)
def test_what_is_packed_comes_back(tree):
    assert same(unpack(pack(tree)), tree)


@given(trees, st.data())
def test_damaged_bytes_are_malformed_or_some_other_tree(tree, data):
    content = bytearray(pack(tree))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[len(content) - data.draw(st.integers(0, 1)) :]
    with suppress(Malformed):
        pack(unpack(bytes(content)))


@given(st.binary(max_size=60))
def test_random_bytes_do_no_harm(content):
    with suppress(Malformed):
        unpack(content)


def test_array_layouts_are_kept():
    strided = np.zeros((4, 6))[:, ::2]
    read_only = np.ones(3)
    read_only.flags.writeable = False
    for x in (np.ones((2, 3)), np.asfortranarray(np.ones((2, 3))), strided, read_only):
        y = unpack(pack(x))
        assert np.array_equal(x, y)
        for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS", "WRITEABLE"):
            assert x.flags[flag] == y.flags[flag]


def test_what_is_too_large_or_not_plain_is_refused():
    endless = []
    endless.append(endless)
    for tree in (np.zeros(2 << 20), np.broadcast_to(0.0, 1 << 40), endless, b"x" * (9 << 20)):
        with pytest.raises(Unfit):
            pack(tree)
    assert unpack(pack({})) == Opaque("a dict")
    assert unpack(pack(10**1000)) == Opaque("an int")
    with pytest.raises(Unfit):
        pack([{}], strict=True)


@pytest.mark.parametrize(
    "forged",
    [
        b"aC\x03|O8\x01" + (1).to_bytes(8, "little") + bytes(8),  # objects: a pointer to anywhere
        b"aC\x03<f8\x01" + (2).to_bytes(8, "little") + bytes(8),  # shape and data disagree
        b"aC\x03<f8\x02" + (1 << 63).to_bytes(8, "little") * 2,
        b"aX\x03<f8\x00" + bytes(8),
        b"aC\x03<f8\xff" + bytes(8 * 255 + 8),
        b"l\xff\xff\xff\xff" + b"N" * 10,
        b"l\x01\x00\x00\x00" * 100 + b"N",
        b"s\x01\x00\x00\x00\xff",
        b"i" + (100).to_bytes(4, "little") + bytes(100),
        b"?",
        b"NN",
        b"",
    ],
)
def test_forged_bytes_are_malformed(forged):
    with pytest.raises(Malformed):
        unpack(forged)


def test_bytes_of_a_bool_become_0_and_1():
    forged = b"aC\x03|b1\x01" + (2).to_bytes(8, "little") + b"\x00\x07"
    assert unpack(forged).tobytes() == b"\x00\x01"


# Honest submissions.


def test_a_plain_submission():
    source = """
        import numpy as np
        def f(x, n, names, flag=True):
            return [x * n, (x.sum(), len(names)), flag, None, 1j, "done"]
        def g(x):
            return np.maximum(x, 0), x > 0
        def g_backward(dy, mask):
            return dy * mask
        h = 3
        """
    calls = [
        Call("f", (X, 2, ["a", "b"], False)),
        Call("g", (X,), pair=True, twice=True),
        Call("g_backward", (X,), dout=10 * X, twice=True),
        Call("g_backward", (X,), dout=2.0),
        Call("h", ()),
    ]
    loaded, outcomes, output = run(source, *calls)
    assert loaded.defined == {"f", "g", "g_backward"}
    assert loaded.errors == loaded.refused == () and output == loaded.failure == ""
    assert [o.kind for o in outcomes] == ["value"] * 4 + ["raised"]
    first = outcomes[0].value
    assert np.array_equal(first[0], 2 * X)
    assert first[1:] == [(X.sum(), 2), False, None, 1j, "done"]
    assert type(first[0]) is np.ndarray and type(first[1][0]) is np.float64
    assert np.array_equal(outcomes[1].value, np.maximum(X, 0))
    assert np.array_equal(outcomes[2].value, 10 * np.maximum(X, 0))
    assert outcomes[2].stage == "backward" and not outcomes[2].changed and not outcomes[2].shares
    assert str(outcomes[4].error) == "NameError: h is not defined"


def test_arguments_that_are_made_there():
    source = """
        def f(rng, matvec, x):
            return rng.normal(size=3), matvec(x), x.flags.c_contiguous, x.flags.writeable
        """
    x = np.zeros((3, 2, 2))[..., 0]
    x.flags.writeable = False
    call = Call("f", (Rng(5), Product(np.diag([1.0, 2, 3])), x), twice=True)
    (got,) = run(source, call)[1]
    assert np.array_equal(got.value[0], np.random.default_rng(5).normal(size=3))
    assert got.value[2:] == (False, False)
    assert got.steadiness == "" and not got.changed


OTHER_RESULTS = {
    "np.ma.array([1.0])": "a masked array",
    "np.matrix([[1.0]])": "a matrix, a kind of array",
    "np.array([None])": "an array of objects",
    "np.array(['a'])": "an array of dtype <U1",
    "np.memmap('m', shape=3, mode='w+')": "a memory-mapped array",
    "(v for v in x)": "a generator",
    "{'x': x}": "a dict",
    "type('Evil', (), {'__class__': np.ndarray, '__array__': None, '__eq__': None})()": "an Evil",
    "type('float', (float,), {'__eq__': lambda *a: True})(1)": "a float",
    "x.view(type('Mine', (np.ndarray,), {'tobytes': None}))": "a Mine, a kind of array",
}


def test_other_results_are_named_not_taken():
    outcomes = each([f"return {text}" for text in OTHER_RESULTS])
    assert [o.value for o in outcomes] == list(map(Opaque, OTHER_RESULTS.values()))


def test_lists_and_tuples_of_other_classes_are_read_as_what_they_are():
    source = """
        from typing import NamedTuple
        class Pair(NamedTuple):
            a: object
            b: object
        class Liar(list):
            def __len__(self): return 99
            def __iter__(self): return iter("lies")
            def __getitem__(self, i): return "lie"
        def f(x):
            return Pair(1, Liar([2, 3]))
        """
    assert outcome(source).value == (1, [2, 3])


def test_out_without_its_cache():
    got = outcome("def f(x):\n    return x + 1", pair=True)
    assert got.kind == "value" and not got.paired and np.array_equal(got.value, X + 1)
    got = outcome("def f(x):\n    return x + 1, 2, {}", pair=True)
    assert not got.paired and len(got.value) == 3


def test_a_backward_whose_forward_is_broken():
    source = "def g(x):\n    {}\ndef g_backward(dy, cache):\n    raise NotImplementedError"
    for line, message in (
        ("raise OSError('no')", "OSError: no"),
        ("return x", "TypeError: the forward function did not return (out, cache)"),
    ):
        (got,) = run(source.format(line), Call("g_backward", (X,), dout=X))[1]
        assert got.kind == "raised" and got.stage == "forward" and str(got.error) == message
    (got,) = run(source.format("return x, x"), Call("g_backward", (X,), dout=X))[1]
    assert got.stage == "backward" and got.not_implemented and got.error.line == 4


def test_changed_and_shared_arguments():
    source = """
        def f(x, params, n):
            params[1][0] += 1
            return x.T
        def g(x):
            return x + 1, x
        def g_backward(dy, x):
            x *= dy
            dy += 1
            return x
        def h(params):
            params.append(1)
        """
    calls = [
        Call("f", (X, [X, X], 3.0)),
        Call("g", (X,), pair=True),
        Call("g_backward", (X,), dout=X),
        Call("h", ([X],)),
    ]
    outcomes = run(source, *calls)[1]
    assert [o.changed for o in outcomes] == [(1,), (), (0, "dout"), (0,)]
    assert [o.shares for o in outcomes] == [True, False, True, False]


def test_answers_that_differ_or_are_overwritten():
    source = """
        import numpy as np
        calls, kept = [], np.zeros(2)
        def f(x):
            calls.append(1)
            return len(calls)
        def g(x):
            kept[:] = len(calls)
            return kept
        def h(x):
            kept[:] += 1
            return kept if kept[0] % 2 else kept.copy()
        def k(x):
            return [np.random.default_rng(0).normal(), x]
        """
    calls = [Call(name, (X,), twice=True) for name in "fghk"]
    assert [o.steadiness for o in run(source, *calls)[1]] == ["different", "", "different", ""]
    source = """
        import numpy as np
        kept = np.zeros(2)
        def f(x):
            out = kept.copy()
            kept[:] = 1 if f.first is None else 0
            if f.first is None:
                f.first = out
            else:
                f.first[:] = 7
            return out
        f.first = None
        """
    source = source.replace("out = kept.copy()", "out = np.zeros(2)")
    assert outcome(source, X, twice=True).steadiness == "overwritten"


def test_cells_of_a_notebook():
    with open_sandbox(
        "import numpy as np\ndef f(x):\n    return g(x)\nundefined\ndef h(x): pass",
        "def (:",
        "def g(x):\n    return 1 / 0",
    ) as sandbox:
        loaded = sandbox.load(NAMES)
        (got,) = sandbox.call([Call("f", (X,))])
    assert loaded.defined == {"f", "g"}
    assert [(e.type, e.file, e.line) for e in loaded.errors] == [
        ("NameError", "my_ppo.py", 4),
        ("SyntaxError", "my_ppo.py1", 1),
    ]
    assert (got.error.type, got.error.file, got.error.line) == (
        "ZeroDivisionError",
        "my_ppo.py2",
        2,
    )


def test_tracebacks_show_the_text_of_the_submission():
    source = "import traceback\ndef f(x):\n    try:\n        1 / 0  # here\n"
    source += "    except ZeroDivisionError:\n        traceback.print_exc()\n"
    _, _, output = run(source)
    assert 'File "my_ppo.py", line 4' in output and "# here" in output


# Hostile submissions: in a call.


RAISED = {
    "sys.exit(0)": "SystemExit: 0",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise type('Mine', (BaseException,), {})('no')": "Mine: no",
    "raise type('E', (Exception,), {'__str__': None})": "E: (its message cannot be shown)",
    "def again(): again()\nagain()": "RecursionError: maximum recursion depth exceeded",
    "import npppo": "ImportError: the submission imports the reference, npppo",
    "import importlib\nimportlib.import_module('npppo.formulas.returns')": (
        "ImportError: the submission imports the reference, npppo"
    ),
    "import torch.nn": (
        "ImportError: only NumPy and the standard library can be imported, not torch"
    ),
}
REFUSED = {
    "os.kill(os.getppid(), 9)": "os.kill",
    "os.system('true')": "os.system",
    "import subprocess\nsubprocess.run(['true'])": "subprocess.Popen",
    "import socket\nsocket.socket()": "socket.__new__",
    "import ctypes\nctypes.CDLL(None)": "ctypes.dlopen",
    "import gc\ngc.get_objects()": "gc.get_objects",
}


def test_what_is_raised_or_refused():
    messages = [*RAISED.values()]
    messages += [f"PermissionError: the grader does not allow this: {x}" for x in REFUSED.values()]
    for got, message in zip(each([*RAISED, *REFUSED]), messages, strict=True):
        assert got.kind == "raised" and str(got.error).startswith(message)
        assert got.error.file == "my_ppo.py" and got.error.line > 3


@posix
def test_forks_and_higher_limits_are_refused():
    fork, limit, fifo = each(
        [
            "os.fork()",
            "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
            "os.mkfifo('fifo')",
        ]
    )
    assert str(fork.error) == "PermissionError: the grader does not allow this: os.fork"
    assert limit.error.type == "PermissionError"
    assert fifo.error.type == "AttributeError"


PACKAGE = Path(child.__file__).parents[1]
OUT_OF_REACH = [
    f"open({str(PACKAGE / 'returns.py')!r}).read()",
    f"os.open({str(PACKAGE)!r}, os.O_RDONLY)",
    f"os.listdir({str(PACKAGE)!r})",
    f"np.fromfile({str(PACKAGE / 'returns.py')!r}, 'u1')",
    "open('/proc/self/environ').read()",
    "open('/proc/self/cmdline').read()",
    "open('../outside', 'w')",
    "os.mkdir('../outside')",
    "os.chmod('..', 0o777)",
    "os.rename('a', '../b')",
    "os.remove('../nothing')",
    "os.symlink('/etc', 'etc')",
    "import inspect\ninspect.getsource(inspect.stack()[-1].frame.f_code)",
    "import inspect, linecache\nassert linecache.getlines(inspect.stack()[-1].filename)",
]


def test_files_of_others_are_out_of_reach():
    for text, got in zip(OUT_OF_REACH, each(OUT_OF_REACH), strict=True):
        assert got.kind == "raised", text
        assert got.error.type in ("PermissionError", "OSError", "AssertionError"), text


def test_refusals_are_reported_even_if_the_submission_hides_them():
    source = "try:\n    import npppo\nexcept BaseException:\n    pass\n"
    source += "def f(x):\n    try:\n        import jax\n    except BaseException:\n        return 1"
    loaded, (got,), _ = run(source)
    assert loaded.refused == ("import npppo",)
    assert got.value == 1 and got.refused == ("import jax",)


def test_its_own_folder_is_free_to_use():
    text = """
        import tempfile, random, decimal, dataclasses, json
        with open("results.json", "w") as file:
            file.write('{"score": 100}')
        with tempfile.TemporaryDirectory() as folder:
            np.save(folder + "/x.npy", x)
            x = np.load(folder + "/x.npy")
        assert os.listdir() == ["results.json"]
        return x
        """
    with open_sandbox(body(text)) as sandbox:
        sandbox.load(NAMES)
        room = Path(sandbox._child.room)
        (got,) = sandbox.call([Call("f", (X,))])
        assert (room / "results.json").exists()
    assert np.array_equal(got.value, X)
    assert not room.exists()


def test_numpy_still_works_in_full():
    text = """
        from numpy import fft, polynomial, ma, testing
        rng = np.random.default_rng(0)
        assert np.linalg.svd(rng.normal(size=(3, 3)))[1].shape == (3,)
        testing.assert_allclose(fft.ifft(fft.fft(x)), x)
        return np.einsum("ij,jk->ik", x, x), np.random.rand(2), np.loadtxt(["1 2"])
        """
    assert outcome(body(text)).kind == "value"


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("os._exit(0)", "died", "ended the process, with exit code 0"),
        ("os.closerange(0, 100)", "died", "closed the channel to the grader"),
        ("while True: pass", "timeout", "took too long: more than 0.5 s"),
        ("time.sleep(60)", "timeout", "took too long: more than 0.5 s"),
        ("np.linalg.svd(np.ones((3000, 3000)))", "timeout", "took too long: more than 0.5 s"),
        ("return np.zeros(2 << 20)", "unreadable", "returned more than can be sent"),
        ("x = []; x.append(x); return x", "unreadable", "returned more than can be sent"),
        (
            "os.write(4, b'a' * 1000)",
            "unreadable",
            "sent something that is not a reply",
        ),
    ],
)
@linux
def test_a_call_that_brings_the_process_down(text, kind, why):
    source = body(text) + "\ndef g(x):\n    return 1"
    limits = SHORT if kind == "timeout" else None
    with open_sandbox(source, limits=limits) as sandbox:
        sandbox.load(NAMES)
        outcomes = sandbox.call([Call("g", (X,)), Call("f", (X,)), Call("g", (X,))])
        again = sandbox.call([Call("g", (X,))])
    last = "value" if why == "returned more than can be sent" else "not run"
    assert [o.kind for o in outcomes] == ["value", kind, last]
    assert str(outcomes[1].error) == why
    assert again[0].value == 1


def test_all_calls_together_have_a_limit_too():
    limits = Limits(call_seconds=20, total_seconds=1.5)
    with open_sandbox(body("time.sleep(0.9); return 1.0"), limits=limits) as sandbox:
        sandbox.load(NAMES)
        kinds = [sandbox.call([Call("f", (X,))])[0].kind for _ in range(3)]
    assert kinds == ["value", "timeout", "timeout"]


@posix
def test_death_by_signal():
    got = outcome(body("import signal; signal.raise_signal(signal.SIGSEGV)"))
    assert got.kind == "died" and "(SIGSEGV)" in str(got.error)


@linux
def test_limits_hold():
    limits = Limits(memory=1 << 30, cpu_seconds=1, file=1 << 20)
    source = body("return np.ones(1 << 29)") + textwrap.dedent("""
        def g(x):
            with open("big", "wb") as file:
                for _ in range(100):
                    file.write(bytes(1 << 20))
        def h(x):
            while True: pass
        """)
    calls = [Call("f", (X,)), Call("g", (X,)), Call("h", (X,))]
    loaded, (f, g, h), _ = run(source, *calls, limits=limits)
    assert {"memory", "processor time", "file size", "core dumps"} <= loaded.held
    assert f.kind == "raised" and "more than 1024 MB of memory" in str(f.error)
    assert g.kind == "raised" and g.error.type == "OSError"
    assert h.kind == "died" and str(h.error) == "used more than 1 s of processor time"


def test_output_is_capped_and_harmless():
    text = r"""
        print('{"score": 100}\x1b[2J')
        for _ in range(100):
            sys.stdout.write("spam " * 200_000)
        os.write(2, b"\xff")
        return 1
        """
    _, (got,), output = run(body(text), limits=Limits(output=1000))
    assert got.value == 1
    assert output.startswith('{"score": 100}\ufffd[2J\nspam') and len(output) == 1000


def test_patching_does_not_fool_the_codec():
    text = """
        import builtins, json, struct
        np.allclose = np.array_equal = lambda *a, **k: True
        np.array = np.zeros = np.may_share_memory = json.dumps = struct.pack = None
        os.write = os.read = os._exit = None
        sys.stdout = sys.modules["os"] = None
        for name in ("len", "isinstance", "type", "str", "list", "issubclass", "callable", "any"):
            setattr(builtins, name, lambda *a: "evil")
        x *= 2
        return x
        """
    source = body(text) + "\ndef g(x):\n    return x + 1"
    _, (f, g), _ = run(source, Call("f", (X,)), Call("g", (X,)))
    assert np.array_equal(f.value, 2 * X) and f.changed == (0,) and f.shares
    assert np.array_equal(g.value, X + 1) and not g.changed


@posix
def test_signal_handlers_and_threads_left_behind():
    text = """
        import signal, threading
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)
        def work():
            while True: pass
        threading.Thread(target=work).start()
        return 1
        """
    with open_sandbox(body(text)) as sandbox:
        sandbox.load(NAMES)
        sandbox.call([Call("f", (X,))])
        child = sandbox._child.process
    assert child.returncode == -9


@linux
def test_processes_that_left_the_group_are_found():
    """No submission can start one where there is seccomp, so one is started for it."""
    with open_sandbox(body("return 1.0")) as sandbox:
        sandbox.load(NAMES)
        environment = {nursery.MARK: sandbox._child.mark}
        sleep = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
        stray = subprocess.Popen(sleep, env=environment, start_new_session=True)
        deadline = time.monotonic() + 10
        while stray.pid not in child.marked(sandbox._child.mark) and time.monotonic() < deadline:
            time.sleep(0.01)  # the child may not have become another program yet
        assert stray.pid in child.marked(sandbox._child.mark)
    assert stray.wait(timeout=10) == -9


# Past the guard, which is Python: the call itself, as ctypes makes it.
DISARMED = """
import inspect, os
import numpy as np
for place in inspect.stack(0):
    guard = getattr(place.frame.f_locals.get("self"), "guard", None)
    if guard is not None:
        for name in ("__call__", "check_import", "find_spec"):
            setattr(type(guard), name, lambda *args, **named: None)
import ctypes, resource, socket, subprocess, threading
system = ctypes.CDLL(None, use_errno=True)
"""


@linux
def test_past_the_guard_the_kernel_refuses_what_concerns_others():
    texts = [
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "subprocess.Popen(['true'])",
        "if system.vfork() < 0: raise OSError(ctypes.get_errno(), '')\nos._exit(0)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.kill(os.getppid(), 0)",
        "os.chown('.', -1, -1)",
        "import fcntl\nfcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
        "import fcntl\nfcntl.fcntl(1, 10, 9)",
        "import fcntl\nfcntl.fcntl(os.open(os.__file__, 0), fcntl.F_SETLEASE, fcntl.F_RDLCK)",
        "import fcntl\nfcntl.ioctl(os.open('.', 0), 0x40086602, bytes(8))",
        "os.memfd_create('x')",
        "os.posix_fallocate(os.open('big', os.O_RDWR | os.O_CREAT), 0, 10)",
        "if system.inotify_init1(0) < 0: raise OSError(ctypes.get_errno(), '')",
        "if system.prctl(1, 0) < 0: raise OSError(ctypes.get_errno(), '')",
        "if system.unshare(0x20000) < 0: raise OSError(ctypes.get_errno(), '')",
        "os.sched_setaffinity(os.getppid(), os.sched_getaffinity(0))",
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (64, 64))",
        "if system.setpriority(0, os.getppid(), 5): raise OSError(ctypes.get_errno(), '')",
        "if system.shmget(0, 8, 0o1600) < 0: raise OSError(ctypes.get_errno(), '')",
        "if system.ptrace(16, os.getppid(), 0, 0) < 0: raise OSError(ctypes.get_errno(), '')",
    ]
    names = [f"f{i}" for i in range(len(texts))]
    source = DISARMED + "".join(map(body, texts, names))
    with open_sandbox(source) as sandbox:
        loaded = sandbox.load(names)
        if "system calls" not in loaded.held:
            pytest.skip("this processor's system calls are not known")
        assert not loaded.errors
        for text, got in zip(texts, sandbox.call([Call(n, (X,)) for n in names]), strict=True):
            assert got.kind == "raised", text
            assert "Errno 1]" in got.error.message, (text, got.error)


@linux
def test_newer_calls_are_unknown_and_some_are_made_in_vain():
    text = """
        for number in (468, 469, 500, 900):
            assert system.syscall(number, 0, 0, 0, 0) < 0
            assert ctypes.get_errno() == 38, number
        before = os.stat(".")
        os.chmod(".", 0o777)
        os.utime(".", (0, 0))
        after = os.stat(".")
        assert (before.st_mode, before.st_mtime) == (after.st_mode, after.st_mtime)
        header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert system.capget(header, data) == 0
        assert not (data[0] | data[1]) & ~6 and not any(data[2:])
        return 1.0
        """
    loaded, (got,), _ = run(DISARMED + body(text))
    if "system calls" in loaded.held:
        assert got.kind == "value", got


@linux
def test_past_the_guard_threads_signals_and_limits_of_its_own_are_left():
    text = """
        answers = []
        threads = [threading.Thread(target=answers.append, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.kill(os.getpid(), 0)
        resource.getrlimit(resource.RLIMIT_CPU)
        return np.array(sorted(answers), float)
        """
    assert np.array_equal(outcome(DISARMED + body(text)).value, [0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("column", "header"),
    [(1, "x86_64-linux-gnu/asm/unistd_64.h"), (2, "asm-generic/unistd.h")],
)
def test_the_numbers_of_system_calls_are_those_of_the_headers(column, header):
    place = Path("/usr/include", header)
    if not place.exists():
        pytest.skip("the headers of Linux are not installed")
    line = re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)")
    known = {name: int(number) for name, number in line.findall(place.read_text())}
    tables = f"{seccomp.REFUSED}, {seccomp.IN_VAIN}, {seccomp.IN_PART}"
    ours = seccomp.numbers(tables, column)
    newer = {name for name, number in ours.items() if number > max(known.values())}
    assert {name: known.get(name) for name in ours.keys() - newer} == {
        name: ours[name] for name in ours.keys() - newer
    }
    every = seccomp.numbers(tables, 3 - column)
    assert not (every.keys() - ours.keys()) & known.keys()  # none is said to be missing


@posix
def test_a_folder_made_unreadable_is_removed():
    text = "os.mkdir('a'); os.mkdir('a/b', 0); os.makedirs('c', 0)"
    with open_sandbox(body(text)) as sandbox:
        sandbox.load(NAMES)
        room = sandbox._child.room
        assert sandbox.call([Call("f", (X,))])[0].kind == "value"
    assert not os.path.exists(room)


@posix
def test_a_folder_deeper_than_recursion_goes_is_removed(tmp_path, monkeypatch):
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.chdir(room)
    for depth in range(1500):
        Path("file").touch()
        os.mkdir("a", 0 if depth == 1499 else 0o700)
        if depth < 1499:
            os.chdir("a")
    child.remove(str(room))
    assert not room.exists()


# Hostile submissions: on being loaded.


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import absent", "ImportError: only NumPy and the standard library can be imported"),
        ("import npppo", "ImportError: the submission imports the reference"),
        ("class E(Exception):\n    __str__ = None\nraise E", "E: (its message cannot be shown)"),
    ],
)
def test_what_stands_before_an_error_is_kept(line, error):
    loaded, (f, g), _ = run(
        f"def f(x):\n    return 1\n{line}\ndef g(x):\n    return 2",
        Call("f", (X,)),
        Call("g", (X,)),
    )
    assert loaded.defined == {"f"} and str(loaded.errors[0]).startswith(error)
    assert f.value == 1 and str(g.error) == "NameError: g is not defined"


@pytest.mark.parametrize(
    "source",
    [b"def f(x): return '\xff'", b"def f(x):\nreturn", b"\x00", b"(" * 10_000, b"\xff\xfe"],
)
def test_sources_that_do_not_compile(source):
    with Sandbox([("my_ppo.py", source)]) as sandbox:
        loaded = sandbox.load(NAMES)
        (got,) = sandbox.call([Call("f", (X,))])
    assert not loaded.defined and loaded.errors and got.kind == "raised"


@posix
def test_training_on_import_is_interrupted_and_functions_are_kept():
    source = "def f(x):\n    return 1\nwhile True:\n    try:\n        sum(range(1000))\n"
    source += "    except Exception:\n        pass\n"
    loaded, (got,), _ = run(source, limits=SHORT)
    assert loaded.defined == {"f"} and got.value == 1
    assert str(loaded.errors[0]) == "TimeUp: loading took more than 0.4 s"
    assert loaded.endless and loaded.endless[0][0] == "my_ppo.py"
    assert 3 <= loaded.endless[0][1] <= 7


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("while True:\n    try: time.sleep(1)\n    except BaseException: pass", "took too long"),
        ("os._exit(3)", "ended the process, with exit code 3"),
    ],
)
def test_loading_that_brings_the_process_down(line, why, monkeypatch):
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.3)
    loaded, outcomes, _ = run(
        f"import os, time\ndef f(x):\n    return 1\n{line}",
        Call("f", (X,)),
        Call("f", (X,)),
        limits=SHORT,
    )
    assert loaded.failure == why and not loaded.defined
    assert [o.kind for o in outcomes] == [
        "timeout" if why == "took too long" else "died",
        "not run",
    ]
    assert outcomes[0].stage == "load" and str(outcomes[0].error) == why


# Parts: functions that another one is built from.

WRONG_PARTS = """
    import numpy as np
    def g(x):
        x[:] = 0
        return x, ("mine", x)
    def g_backward(dy, cache):
        assert cache[0] == "mine"
        return -dy
    def h(x, scale):
        raise OSError
    def k(x):
        return -1.0
    """


def right_part(name, args):
    if name == "g":
        return 2 * args[0]
    if name == "g_backward":
        dout, x = args
        return 2 * dout + x
    if name == "h":
        x, scale = args
        return x * scale
    return {"k": 5.0}[name]


def with_parts(source, *calls):
    parts = ("g", "g_backward", "h", "k")
    calls = [Call(name, args, dout, parts=parts) for name, args, dout in calls]
    return run(textwrap.dedent(WRONG_PARTS) + textwrap.dedent(source), *calls, answer=right_part)[1]


def test_parts_give_right_results_during_the_call():
    source = """
        def f(x):
            out, cache = g(x)
            return out, g_backward(np.ones_like(x), cache), h(scale=3, x=x), k(x), cache[0]
        """
    (got,) = with_parts(source, ("f", (X,), None))
    assert got.kind == "value" and not got.changed
    expected = (2 * X, 2 + X, 3 * X, 5.0, "mine")
    assert all(np.array_equal(a, b) for a, b in zip(got.value, expected, strict=True))


def test_parts_without_permission_or_answer_are_the_students_own():
    source = textwrap.dedent(WRONG_PARTS) + "def f(x):\n    return k(x), h"
    for call, answer in (
        (Call("f", (X,)), right_part),
        (Call("f", (X,), parts=("k",)), None),
        (Call("f", ({},) and ("text",), parts=("k",)), lambda name, args: 1 / 0),
    ):
        (got,) = run(source, call, answer=answer)[1]
        assert got.value == (-1.0, Opaque("a function"))


def test_parts_end_with_the_call():
    source = textwrap.dedent(WRONG_PARTS) + "def f(x):\n    return k(x)"
    calls = [Call("f", (X,), parts=("k",)), Call("f", (X,)), Call("k", (X,))]
    assert [o.value for o in run(source, *calls, answer=right_part)[1]] == [5.0, -1.0, -1.0]


def test_parts_in_classes_and_under_other_names():
    source = """
        other_name = k
        class Plain:
            k = staticmethod(k)
            def go(self, x):
                return self.k(x)
        class Agent:
            def g(self, x):
                return -x, None
            @classmethod
            def h(cls, x, scale):
                return -x
            def go(self, x):
                return self.g(x)[0], self.h(x, 2), type(self).h(x, 2)
        agent = Agent()
        g, h = agent.g, Agent.h
        def f(x):
            return other_name(x), Plain().go(x), *agent.go(x), g(x)[0], h(x, 2)
        """
    (got,) = with_parts(source, ("f", (X,), None))
    assert got.kind == "value", got
    assert got.value[:2] == (5.0, 5.0)
    assert all(np.array_equal(value, 2 * X) for value in got.value[2:])


def test_unknown_caches_and_odd_arguments_go_to_the_students_own():
    source = """
        def f(x):
            return g_backward(1.0, ("mine", x)), k({}), k(float)
        def g(x):
            return 0.0, None
        def h(x):
            _, one = g(x)
            _, two = g(x + 1)
            try:
                return g_backward(1.0, two)
            except TypeError:
                return "own"
        """
    calls = (("f", (X,), None), ("h", (X,), None))
    f, h = with_parts(source, *calls)
    assert f.value == (-1.0, -1.0, -1.0)
    assert h.value == "own"  # None for two calls does not tell which


def test_parts_of_a_backward_function():
    source = """
        def f(x):
            out, cache = g(x)
            return out + 1, cache
        def f_backward(dy, cache):
            return g_backward(dy, cache)
        """
    text = textwrap.dedent(WRONG_PARTS) + textwrap.dedent(source)
    call = Call("f_backward", (X,), dout=X, parts=("g", "g_backward"))
    with Sandbox([("my_ppo.py", text)]) as sandbox:
        sandbox.load([*NAMES, "f_backward"])
        (got,) = sandbox.call([call], right_part)
    assert np.array_equal(got.value, 2 * X + X)


def test_questions_are_bounded():
    source = "def f(x):\n    return sum(k(x) for _ in range(1500))"
    (got,) = with_parts(source, ("f", (X,), None))
    assert got.value == substitution.ASKS * 5.0 - (1500 - substitution.ASKS)


# Forgeries, and the time it takes.


FINE = ("", "", "", None, False)


@pytest.mark.parametrize(
    "message",
    [
        ("reply", "value"),
        ("loaded", [], [], []),
        ("reply", "great", None, FINE, "", [], False, True, "", []),
        ("reply", "value", None, FINE, "full marks", [], False, True, "", []),
        (X, "value", None, FINE, "", [], False, True, "", []),
        ("reply", "value", None, FINE, "", [X], False, True, "", []),
        ("reply", "value", None, FINE, "", [], False, True, "", [X]),
        ("reply", X, None, FINE, "", [], False, True, "", []),
        ("reply", "value", None, FINE, "", [99], False, True, "", []),
        ("reply", "value", None, FINE, "", [[]], False, True, "", []),
        ("reply", "value", None, FINE, "", [], 1, True, "", []),
        ("reply", "value", None, FINE, "", [], False, True, "better", []),
        ("reply", "value", None, FINE, "", [], False, True, "", [1]),
        ("reply", "raised", None, ("", 0), "", [], False, True, "", []),
        ("reply", "raised", None, None, "", [], False, True, "", []),
    ],
)
def test_forged_replies_are_unreadable(message):
    with pytest.raises(Malformed):
        messages.outcome_of(messages.read(pack(message), messages.REPLY), 1)


@pytest.mark.parametrize(
    "message", ["None", "[]", "()", "('ask', 'g', b'junk')", "('ask', 5, b'')"]
)
def test_forged_messages_are_unreadable(message):
    text = f"""
                frame = sys._getframe()
        while not isinstance(frame.f_locals.get("self"), frame.f_globals.get("Worker", ())):
            frame = frame.f_back
        frame.f_locals["self"].send_packed(frame.f_globals["pack"]({message}))
        time.sleep(5)
        """
    assert outcome(body(text)).kind == "unreadable"


def test_a_flood_of_forged_messages():
    text = """
        frame = sys._getframe()
        while "self" not in frame.f_locals:
            frame = frame.f_back
        while True:
            frame.f_locals["self"].send("reply", "value", 1, ("", "", "", None, False), "", [],
                                        False, True, "", [])
        """
    with open_sandbox(body(text)) as sandbox:
        sandbox.load(NAMES)
        assert sandbox.call([Call("f", (X,))])[0].value == 1
        time.sleep(0.05)
    assert sandbox._child is None


def test_waiting_for_a_processor_takes_no_time(monkeypatch):
    """As on a machine so busy that nothing else but waiting is done."""
    source = body("time.sleep(0.8); return 1.0") + "time.sleep(0.8)\n"
    loaded, (got,), _ = run(source, limits=SHORT)
    assert loaded.endless == (("my_ppo.py", 5),) and got.kind == "timeout"
    monkeypatch.setattr(child.Child, "waited", lambda process: time.monotonic())
    loaded, (got,), _ = run(source, limits=SHORT)
    assert not loaded.errors and got.value == 1


@linux
def test_the_system_counts_the_time_in_which_a_process_waits_for_a_processor():
    with open_sandbox(body("sum(range(10**7)); return 1.0")) as sandbox:
        sandbox.load(NAMES)
        before = sandbox._child.waited()
        sandbox.call([Call("f", (X,))])
        assert 0 < before <= sandbox._child.waited() < 60


def test_the_longest_wait_for_a_processor_has_an_end(monkeypatch):
    monkeypatch.setattr(child.Child, "waited", lambda process: time.monotonic())
    monkeypatch.setattr(child, "PATIENCE", 1)
    assert outcome(body("time.sleep(60)"), limits=SHORT).kind == "timeout"


def test_waiting_is_not_counted_where_a_call_brings_the_process_down(monkeypatch):
    """Nobody tells how long a process waited when it is gone."""

    def waited(worker):
        return time.monotonic() if worker.process.returncode is None else 0.0

    monkeypatch.setattr(child.Child, "waited", waited)
    monkeypatch.setattr(child, "PATIENCE", 1)
    with open_sandbox(body("time.sleep(60)"), limits=SHORT) as sandbox:
        sandbox.load(NAMES)
        assert sandbox.call([Call("f", (X,))])[0].kind == "timeout"
    assert sandbox.seconds < SHORT.call_seconds / 2


OPEN = """
    found = []
    for k in range(200):
        try:
            os.fstat(k)
            found.append(k)
        except OSError:
            pass
    return found
    """


def test_a_worker_has_no_descriptors_but_its_own():
    """None of the nursery's, and none of another worker's that is alive."""
    with open_sandbox(body(OPEN)) as first, open_sandbox(body(OPEN)) as second:
        for sandbox in (first, second):
            sandbox.load(NAMES)
            assert sandbox.call([Call("f", (X,))])[0].value == [0, 1, 2, 3, 4]


def test_no_worker_sees_what_another_one_did():
    mark = "import builtins\nbuiltins.left = np.left = os.environ['LEFT'] = 'here'\nreturn 1"
    look = "import builtins\n"
    look += "return hasattr(np, 'left'), hasattr(builtins, 'left'), 'LEFT' in os.environ"
    with open_sandbox(body(mark)) as first:
        first.load(NAMES)
        assert first.call([Call("f", (X,))])[0].value == 1
        assert outcome(body(look)).value == (False, False, False)


@linux
def test_a_nursery_that_was_killed_is_replaced():
    with open_sandbox(body("return 1")) as sandbox:
        sandbox.load(NAMES)
        mother = sandbox._child.process.nursery.process
    mother.kill()
    mother.wait()
    assert outcome(body("return 1")).value == 1


@linux
def test_a_grader_that_was_forked_leaves_the_others_alone():
    """It has a nursery of its own, and ends no process but its own."""
    with open_sandbox(body("return 1")) as sandbox:
        sandbox.load(NAMES)
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            assert pool.submit(marks_of_one).result() == 1
        assert sandbox.call([Call("f", (X,))])[0].value == 1


def marks_of_one():
    return outcome(body("return 1")).value


@linux
def test_a_nursery_ends_with_its_grader():
    """Though nobody was left to end it."""
    program = """
import os, signal
from npppo.grading.process.sandbox import Sandbox
sandbox = Sandbox([("my_ppo.py", "")])
sandbox.load([])
print(sandbox._child.process.nursery.process.pid, sandbox._child.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    deadline = time.monotonic() + 60
    for pid in shown.stdout.split():
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not Path(f"/proc/{pid}").exists()
    assert len(shown.stdout.split()) == 2


def test_without_a_nursery_each_worker_is_started(monkeypatch):
    """As on Windows and macOS."""
    elsewhere = types.SimpleNamespace(platform="other", executable=sys.executable)
    monkeypatch.setattr(nursery, "sys", elsewhere)
    with open_sandbox(body("return x")) as sandbox:
        sandbox.load(NAMES)
        assert isinstance(sandbox._child.process, subprocess.Popen)
        assert np.array_equal(sandbox.call([Call("f", (X,))])[0].value, X)


def test_starting_takes_a_moment():
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        with open_sandbox("import numpy as np\ndef f(x):\n    return x") as sandbox:
            sandbox.load(NAMES)
            best = min(best, time.perf_counter() - start)
    assert best < 3  # some 0.12 s on an idle machine


def test_a_worker_that_cannot_start_is_not_the_students_fault(monkeypatch):
    monkeypatch.setattr(nursery, "__file__", "no such file")
    with (
        pytest.raises(OSError, match="the worker does not start"),
        open_sandbox("") as sandbox,
    ):
        sandbox.load(NAMES)


def test_a_submission_knows_its_file():
    text = "return os.path.dirname(os.path.abspath(__file__)) == os.getcwd()"
    assert outcome(body(text)).value is True


def test_few_files_may_be_opened_for_writing():
    text = """
        for k in range(1000):
            try:
                open(f"{k}", "w").close()
            except PermissionError:
                return k
        """
    assert outcome(body(text)).value == guard.FILES


def test_no_text_of_a_submission_moves_the_cursor():
    error = outcome(body(r"raise type('\x1b[2J', (Exception,), {})('a\n\r\u202eb\u2028c')")).error
    assert (error.type, error.message) == ("\ufffd[2J", "a  \ufffdb c")
    got = outcome(body(r"return type('ok\r', (), {})()"))
    assert got.value == Opaque("an ok ")


def test_packages_are_hidden_wherever_the_standard_library_lies(tmp_path):
    """Brackets in a path are no pattern."""
    library = tmp_path.resolve() / "[course]" / "lib"
    (library / "site-packages").mkdir(parents=True)
    (library / "json.py").touch()
    readable = guard.look_around([str(library)]).readable
    assert [path for path in readable if "course" in path] == [str(library / "json.py")]
