"""The file that students fill in."""

import ast
import inspect
import re
import unicodedata

import pytest

from npppo import contract
from npppo.grading.formats.starter import starter


def functions(source):
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_it_is_the_contract():
    stubs = functions(starter())
    assert list(stubs) == list(contract.__all__)
    namespace = {}
    exec(starter(), namespace)
    for name in contract.__all__:
        reference = inspect.signature(getattr(contract, name)).parameters.values()
        mine = inspect.signature(namespace[name]).parameters.values()
        assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in reference]
        with pytest.raises(NotImplementedError):
            namespace[name](*range(len(mine)))


def test_it_tells_the_task_and_not_the_solution():
    for name, node in functions(starter()).items():
        doc = ast.get_docstring(node)
        assert doc, name
        assert len(node.body) == 2, name  # the docstring and the raise
        if not name.endswith("_backward"):
            forward = getattr(contract, name)
            for word in ("Shapes", "Convention", "Source"):
                assert (word in doc) == (word in inspect.getdoc(forward)), (name, word)
        for word in ("Derivation", "hence"):
            assert word not in doc, name
        assert ("Returns (out, cache)." in doc) == (f"{name}_backward" in contract.__all__)


def test_some_functions_bring_their_forward():
    assert list(functions(starter(["gae", "tanh_backward"]))) == ["tanh", "tanh_backward", "gae"]
    with pytest.raises(ValueError, match="there is no function 'gea' in the contract, is it gae"):
        starter(["gea"])


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("a b.py", "'a b.py'"),
        ("\u00e9.py", "'\u00e9.py'"),
        ('a""".py', "FILE"),
        ("a\\new.py", "FILE"),
        ("a\nb.py", "FILE"),
    ],
)
def test_the_name_of_the_file_breaks_nothing(file, shown):
    header = ast.get_docstring(ast.parse(starter(["gae"], file)))
    assert header.split("\n")[-1].endswith(f"npppo grade {shown}")


# Each function is read alone: a teacher may hand out this one and no other.

STUBS = {name: ast.get_docstring(node) for name, node in functions(starter()).items()}
FORWARD = [name for name in STUBS if not name.endswith("_backward")]
every_forward = pytest.mark.parametrize("name", FORWARD)
# Sizes are in the header; the others are indices, the article, the state, and the d of d/dt.
KNOWN = {*"NADMTE", *"aijknt", *"sd", "π"}
SUBSCRIPT = r"(?:_\{[^}]*\}|_[a-z](?!\w))"
NOUN = "(?:definite|entries|errors|input)"


def arguments(name):
    return list(inspect.signature(getattr(contract, name)).parameters)


def symbols(text):
    """Without subscripts: names of one letter, and those with an underscore; std too."""
    text = unicodedata.normalize("NFD", text)  # a letter and its hat are two characters
    text = re.sub(r"Source: .*|`[^`]*`|\"\w+\"|π_old", " ", text, flags=re.DOTALL)
    text = re.sub(r"[²ᵀ½]", " ", text)
    text = re.sub(rf"\^\{{[^}}]*\}}|\^\w|{SUBSCRIPT}", " ", text)
    return re.findall(r"(?<!\w)[A-Za-z](?!\w)\u0302?|[α-ω][₁₂]?|\b\w+_\w+\b|\bstd\b", text)


def is_defined(symbol, doc):
    doc = unicodedata.normalize("NFD", doc)
    ways = [
        rf"(?<!\w){symbol}{SUBSCRIPT}?(?:\([^ ]*\))? *=",  # δ_t = …, V(s_t) = …
        rf"\w = {symbol}{SUBSCRIPT}?(?!\w)",  # grad = g_t
        rf"{NOUN} {symbol}(?!\w)|\b{symbol} is the ",  # of its input h; std is the population's
        rf"-> {symbol} \(|\[\({symbol}, |, {symbol}\), ",  # -> y (N, M), [(W, b), ...]
    ]
    return any(re.search(way, doc) for way in ways)


@every_forward
def test_every_symbol_is_an_argument_or_defined(name):
    known = KNOWN | set(arguments(name))
    if "advantages" in known:
        known -= {"A"}  # which then are the advantages
    undefined = {symbol for symbol in symbols(STUBS[name]) if symbol not in known}
    assert not {symbol for symbol in undefined if not is_defined(symbol, STUBS[name])}


def test_an_undefined_symbol_is_noticed():
    assert not is_defined("r", "Share of the samples outside the band: |r - 1| > clip.")
    assert not is_defined("V", "R_t = r_t + γ V(s_{t+1})")
    assert is_defined("V", "R_t = r_t + γ V(s_{t+1}), V(s_{t+1}) = next_values[t]")


@every_forward
def test_every_argument_is_told_of(name):
    for argument in arguments(name):
        assert re.search(rf"(?<![A-Za-z]){argument}(?![A-Za-z])", STUBS[name]), argument


@pytest.mark.parametrize("name", [n for n in FORWARD if "next_values" in arguments(n)])
def test_next_values_and_flags(name):
    doc = " ".join(STUBS[name].split())
    assert re.search(r"V\(s_\{t\+1\}\) = next_values\[t\]", doc)
    for word in ("final observation", "next episode", "bool", "0/1", "Where both are set"):
        assert word in doc


@pytest.mark.parametrize("name", [n for n in FORWARD if "logits" in arguments(n)])
def test_logits_of_any_finite_size(name):
    assert "logits of any finite size" in STUBS[name]
    assert re.search(r"softmax\(logits\)|exp\(z_b\)|sigmoid\(logits\)", STUBS[name])


@pytest.mark.parametrize("name", [n for n in FORWARD if "old_log_prob" in arguments(n)])
def test_the_ratio(name):
    assert re.search(r"exp\(log.* - old_log_prob\)", STUBS[name])


@pytest.mark.parametrize("name", [n for n in FORWARD if "activation" in arguments(n)])
def test_activations(name):
    for word in ('"tanh"', '"relu"', "0 at 0", "every one but the last"):
        assert word in " ".join(STUBS[name].split())


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "orthogonal": ["uniform", "np.random.Generator", "float64"],
        "normalize_advantages": ["over all entries", "population"],
        "ppo_loss": ["minimised", "1/(2N)", "not normalised", "1/N Σ_i H_i", "tie"],
        "conjugate_gradient": ["from x = 0", "‖b - A x‖ ≤ tolerance · ‖b‖", "b = 0 gives 0"],
        "clip_grad_norm": ["`clipped, norm`", "before clipping", "zero gradient"],
        "adam_step": ["`param, m, v`", "1 on the first call", "outside the root"],
        "explained_variance": ["nan where all targets are equal"],
        "categorical_sample": ["int64", "probability is 0", "below 1"],
        "clipped_surrogate_loss": ["tie", "not normalised"],
        "dual_clip_loss": ["tie", "inf for none"],
        "bernoulli_sample": ["int64", "probability is 0", "below 1", "large u gives a 1"],
        "gaussian_fisher": ["not summed over N", "the same in every row"],
        "rmsprop_step": ["`param, v`", "0 before the first step", "outside the root"],
    }.items(),
)
def test_what_the_grader_looks_at_is_told(name, words):
    for word in words:
        assert word in " ".join(STUBS[name].split()), word


def test_the_header_tells_what_holds_for_all():
    header = " ".join(ast.get_docstring(ast.parse(starter([]))).split())
    for word in (
        *("float32 stays float32", "never truncated", "read-only or not contiguous"),
        *("shares memory", "changes", "Python numbers", "only NumPy and the standard library"),
        *("mean over the batch", "minimised", "(N,) and (N, 1) are not the same", "order"),
    ):
        assert word in header, word
    assert set(KNOWN) >= set(re.findall(r"\b[A-Z](?=  )", ast.get_docstring(ast.parse(starter()))))


# What is not told


def derivation(name):
    """The lines between "Derivation" and what is told again, of the reference."""
    doc = inspect.getdoc(getattr(contract, name))
    found = re.search(r"^Derivation.*?(?=^(?:Source|Raises|Convention)|\Z)", doc, re.M | re.S)
    return [line.strip() for line in found[0].split("\n") if line.strip()] if found else []


@every_forward
def test_no_line_of_the_derivation_is_told(name):
    told = {line.strip() for line in STUBS[name].split("\n")}
    assert not told & set(derivation(name))


def test_derivations_are_found():
    for name in ("linear", "gae", "discounted_returns", "adam_step", "conjugate_gradient"):
        assert len(derivation(name)) > 2, name


@pytest.mark.parametrize("name", STUBS)
def test_definitions_are_no_recursions(name):
    """Nothing is told by what it is one row further down, nor by what it was: ← assigns."""
    assert "←" not in STUBS[name]
    assert set(re.findall(r"(\w)_\{t\+1\}", STUBS[name])) <= {"s"}


def test_backward_functions_name_their_results_and_no_more():
    for name in set(STUBS) - set(FORWARD):
        assert "=" not in STUBS[name], name
        assert re.match(r"Gradients? `d", STUBS[name]) or "`dx, grads`" in STUBS[name], name
