"""What all functions of the contract have in common, whatever they compute."""

import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import tolerances
from hypothesis import strategies as st
from properties import (
    assert_close,
    assert_gradient,
    assert_same,
    backward,
    by_central_difference,
    by_complex_step,
    cotangent,
    forward,
    leaves,
    map_floats,
    map_leaves,
    property_of,
)
from strategies import CALLS, DIFFERENTIABLE, rngs

import npppo
from npppo import check
from npppo.formulas import (
    bernoulli,
    categorical,
    gaussian,
    layers,
    losses,
    optimizers,
    returns,
    surrogates,
)
from npppo.training import plot, statistics

FORMULAS = [layers, categorical, bernoulli, gaussian, returns, surrogates, losses, optimizers]
# "Kingma & Ba 2015", "Schulman et al. 2017", "Rumelhart, Hinton & Williams 1986"
CITATION = r"[A-Z]\w+(?:, [A-Z]\w+)*(?:\s(?:et\sal\.|&\s[A-Z]\w+))?\s(?:19|20)\d\d"

SIGNATURES = [
    "linear(x, W, b)",
    "linear_backward(dy, cache)",
    "tanh(x)",
    "tanh_backward(dy, cache)",
    "relu(x)",
    "relu_backward(dy, cache)",
    "mlp(x, params, activation='tanh')",
    "mlp_backward(dy, cache)",
    "mlp_jvp(x, params, dparams, activation='tanh')",
    "orthogonal(rng, shape, gain)",
    "softmax(logits)",
    "softmax_backward(dp, cache)",
    "log_softmax(logits)",
    "log_softmax_backward(dlog_p, cache)",
    "categorical_log_prob(logits, actions)",
    "categorical_log_prob_backward(dlog_prob, cache)",
    "categorical_entropy(logits)",
    "categorical_entropy_backward(dentropy, cache)",
    "categorical_kl(old_logits, logits)",
    "categorical_kl_backward(dkl, cache)",
    "categorical_sample(logits, u)",
    "categorical_fisher(logits, v)",
    "bernoulli_log_prob(logits, actions)",
    "bernoulli_log_prob_backward(dlog_prob, cache)",
    "bernoulli_entropy(logits)",
    "bernoulli_entropy_backward(dentropy, cache)",
    "bernoulli_kl(old_logits, logits)",
    "bernoulli_kl_backward(dkl, cache)",
    "bernoulli_sample(logits, u)",
    "bernoulli_fisher(logits, v)",
    "gaussian_log_prob(mean, log_std, actions)",
    "gaussian_log_prob_backward(dlog_prob, cache)",
    "gaussian_entropy(log_std)",
    "gaussian_entropy_backward(dentropy, cache)",
    "gaussian_kl(old_mean, old_log_std, mean, log_std)",
    "gaussian_kl_backward(dkl, cache)",
    "gaussian_fisher(log_std, vmean, vlog_std)",
    "discounted_returns(rewards, next_values, terminated, truncated, gamma)",
    "gae(rewards, values, next_values, terminated, truncated, gamma, lam)",
    "normalize_advantages(advantages, eps=1e-08)",
    "importance_ratio(log_prob, old_log_prob)",
    "importance_ratio_backward(dratio, cache)",
    "policy_gradient_loss(log_prob, advantages)",
    "policy_gradient_loss_backward(dloss, cache)",
    "surrogate_loss(log_prob, old_log_prob, advantages)",
    "surrogate_loss_backward(dloss, cache)",
    "clipped_surrogate_loss(log_prob, old_log_prob, advantages, clip)",
    "clipped_surrogate_loss_backward(dloss, cache)",
    "dual_clip_loss(log_prob, old_log_prob, advantages, clip_low, clip_high, bound)",
    "dual_clip_loss_backward(dloss, cache)",
    "spo_loss(log_prob, old_log_prob, advantages, clip)",
    "spo_loss_backward(dloss, cache)",
    "value_loss(values, targets)",
    "value_loss_backward(dloss, cache)",
    "clipped_value_loss(values, old_values, targets, clip)",
    "clipped_value_loss_backward(dloss, cache)",
    "ppo_loss(logits, values, actions, old_log_prob, advantages, targets, clip, vf_coef, ent_coef)",
    "ppo_loss_backward(dloss, cache)",
    "clip_grad_norm(grads, max_norm)",
    "sgd_step(param, grad, lr)",
    "rmsprop_step(param, grad, v, lr, alpha=0.99, eps=1e-08)",
    "adam_step(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-08)",
    "conjugate_gradient(matvec, b, iterations, tolerance=1e-10)",
    "linear_schedule(start, end, fraction)",
    "approx_kl(log_prob, old_log_prob)",
    "clip_fraction(log_prob, old_log_prob, clip)",
    "explained_variance(values, targets)",
]
CONTRACT = [signature.split("(")[0] for signature in SIGNATURES]

every_function = pytest.mark.parametrize("name", CALLS)
every_gradient = pytest.mark.parametrize("name", DIFFERENTIABLE)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_package_exports(api, signature):
    """By these names and no others: teachers hand them out, calls by keyword must work."""
    name = signature.split("(")[0]
    arguments = [
        argument.replace(annotation=argument.empty)
        for argument in inspect.signature(getattr(api, name)).parameters.values()
    ]
    assert f"{name}({', '.join(map(str, arguments))})" == signature
    assert name in dir(api)


def test_the_table_of_calls_is_complete():
    """orthogonal and linear_schedule take no array."""
    called = {*CALLS, *(f"{name}_backward" for name in DIFFERENTIABLE)}
    assert called | {"orthogonal", "linear_schedule"} == set(CONTRACT)


# Gradients


@every_gradient
@property_of("gradient", data=st.data())
def test_gradient_is_the_central_difference(api, name, data):
    args, rng = data.draw(CALLS[name].cases), data.draw(rngs())
    tolerance = tolerances.CENTRAL_DIFFERENCE
    assert_gradient(api, name, args, rng, by_central_difference, tolerance)


@every_gradient
@property_of("gradient", data=st.data())
def test_gradient_is_the_complex_step(api, name, data):
    args, rng = data.draw(CALLS[name].cases), data.draw(rngs())
    assert_gradient(api, name, args, rng, by_complex_step, tolerances.COMPLEX_STEP)


@every_gradient
@property_of("gradient", data=st.data())
def test_a_cache_outlives_other_calls(api, name, data):
    """Twice backward gives the same twice, whatever was called in between."""
    args, others = data.draw(CALLS[name].cases), data.draw(CALLS[name].cases)
    rng = data.draw(rngs())
    out, cache = forward(api, name, args)
    dout = cotangent(rng, out)
    first = map_leaves(np.copy, backward(api, name, dout, cache))
    other_out, other_cache = forward(api, name, others)
    backward(api, name, cotangent(rng, other_out), other_cache)
    for a, b in zip(leaves(first), leaves(backward(api, name, dout, cache)), strict=True):
        assert_same(a, b)


# Shapes


@every_function
@property_of("manners", data=st.data())
def test_results_have_the_documented_shapes(api, name, data):
    args, call = data.draw(CALLS[name].cases), CALLS[name]
    out, cache = forward(api, name, args)
    lengths = lengths_of(call, args)
    if call.out is not None and set(call.out) <= set(lengths):
        assert np.shape(out) == tuple(lengths[letter] for letter in call.out)
    if name in DIFFERENTIABLE:
        grads = backward(api, name, cotangent(data.draw(rngs()), out), cache)
        for k, grad in zip(call.specification.positions, grads, strict=True):
            assert [g.shape for g in leaves([grad])] == [a.shape for a in leaves([args[k]])]


@every_function
@property_of("manners", data=st.data())
def test_wrong_shapes_are_named(api, name, data):
    """Above all (N, 1) for (N,), which NumPy would broadcast to (N, N) without a word."""
    args, call = list(data.draw(CALLS[name].cases)), CALLS[name]
    for k, (argument, given) in enumerate(zip(call.names, args, strict=False)):  # less defaults
        for wrong in wrong_arrays(given, call.letters.get(argument), call):
            broken = [*args[:k], wrong, *args[k + 1 :]]
            assert_rejected(call.names, wrong, getattr(api, name), *broken)


@every_gradient
@property_of("manners", data=st.data())
def test_wrong_shapes_of_cotangents_are_named(api, name, data):
    out, cache = forward(api, name, data.draw(CALLS[name].cases))
    dout = np.asarray(cotangent(data.draw(rngs()), out))
    wrongs = [dout[..., np.newaxis], np.concatenate([dout, dout]) if dout.ndim else np.ones(3)]
    if dout.ndim:
        wrongs.append(dout[0])
    parameter = next(iter(inspect.signature(getattr(api, f"{name}_backward")).parameters))
    for wrong in wrongs:
        assert_rejected([parameter], wrong, backward, api, name, wrong, cache)


def lengths_of(call, args):
    """{letter: length}, as in {"N": 3, "A": 2}"""
    lengths = {}
    for argument, letters in call.letters.items():
        array = args[call.names.index(argument)]
        lengths |= dict(zip(letters, array.shape, strict=True))
    return lengths


def wrong_arrays(array, letters, call):
    """`array` with an axis too many, one too few, and of other lengths than its companions."""
    if letters is None:
        return
    yield array[..., np.newaxis]
    yield array[0]
    for axis, letter in enumerate(letters):
        companions = sum(letter in other for other in call.letters.values()) - 1
        if companions:
            yield np.concatenate([array, array.take([0], axis)], axis)
            if array.shape[axis] > 1:
                yield array.take([0], axis)


def assert_rejected(names, wrong, function, *args):
    """With a message that names an argument, its shape and the one it should have had."""
    try:
        function(*args)
    except ValueError as error:
        message = str(error)
    else:
        raise AssertionError(f"shape {wrong.shape} was taken for one of {names}")
    assert any(re.search(rf"\b{name}\b", message) for name in names), message
    assert str(wrong.shape) in message, message
    assert len(set(re.findall(r"\([\w, ]*\)", message))) >= 2, message


# dtypes


@every_function
@property_of("manners", data=st.data())
def test_float32_stays_float32_and_right(api, name, data):
    """Also where the hyperparameters are NumPy's float64 scalars, which promote where they can."""
    args, seed = data.draw(CALLS[name].cases), data.draw(st.integers(0, 99))
    single = [as_numpy_scalar(a) for a in map_floats(to_float32, args)]
    expected = forward_and_backward(api, name, args, seed)
    actual = forward_and_backward(api, name, single, seed, scalar=np.float64)
    for a, e in zip(actual, expected, strict=True):
        if hasattr(a, "dtype") and a.dtype.kind == "f":
            assert a.dtype == np.float32
        if hasattr(a, "dtype"):
            scale = max(1.0, np.abs(e).max())
            assert_close(a / scale, e / scale, tolerances.FLOAT32)


@every_function
@property_of("manners", data=st.data())
def test_mixed_precisions_give_the_wider_one(api, name, data):
    args = list(data.draw(CALLS[name].cases))
    floating = [k for k, a in enumerate(args) if any(x.dtype.kind == "f" for x in leaves([a]))]
    if len(floating) < 2:
        return
    wide = data.draw(st.sampled_from(floating))
    for k in floating:
        if k != wide:
            args[k] = map_floats(to_float32, args[k])
    for out in result_arrays(forward(api, name, args)[0]):
        assert out.dtype.kind != "f" or out.dtype == np.float64


def to_float32(array):
    return array.astype(np.float32)


def as_numpy_scalar(x):
    if isinstance(x, int):
        return np.int64(x)
    return np.float64(x) if isinstance(x, float) else x


def result_arrays(tree):
    """As `leaves`, with the NumPy scalars among the results."""
    if isinstance(tree, list | tuple):
        return [a for branch in tree for a in result_arrays(branch)]
    return [tree] if isinstance(tree, np.ndarray | np.generic) else []


def forward_and_backward(api, name, args, seed, scalar=float):
    """The forward's results and the gradients, in one flat list of arrays and NumPy scalars.

    The cotangent has the dtype of the output; that of a scalar loss is a `scalar`.
    """
    out, cache = forward(api, name, args)
    results = result_arrays(out)
    if name in DIFFERENTIABLE:
        dout = cotangent(np.random.default_rng(seed), out)
        dout = dout.astype(out.dtype) if np.ndim(out) else scalar(dout)
        results = [*results, *leaves(backward(api, name, dout, cache))]
    return results


# Memory


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
}


@every_function
@property_of("manners", data=st.data(), layout=st.sampled_from([*LAYOUTS]))
def test_memory_layout_does_not_matter(api, name, data, layout):
    args, seed = data.draw(CALLS[name].cases), data.draw(st.integers(0, 99))
    expected = forward_and_backward(api, name, args, seed)
    actual = forward_and_backward(api, name, map_leaves(LAYOUTS[layout], args), seed)
    for a, e in zip(actual, expected, strict=True):
        scale = max(1.0, np.abs(e).max())
        assert_close(a / scale, e / scale, tolerances.REORDERED)


@every_function
@property_of("manners", data=st.data(), rng=rngs())
def test_arguments_are_neither_changed_nor_returned(api, name, data, rng):
    args = data.draw(CALLS[name].cases)
    before = map_leaves(np.copy, args)
    out, cache = forward(api, name, args)
    given, results = leaves(args), leaves([out])
    if name in DIFFERENTIABLE:
        dout = np.asarray(cotangent(rng, out))
        dout_before = dout.copy()
        results = [*results, *leaves(backward(api, name, dout, cache))]
        given = [*given, dout]
        assert_same(dout, dout_before)
    for a, b in zip(leaves(args), leaves(before), strict=True):
        assert_same(a, b)
    assert not any(np.shares_memory(a, b) for a in given for b in results)


@every_function
@property_of("manners", data=st.data(), rng=rngs())
def test_arguments_may_be_read_only(api, name, data, rng):
    args = data.draw(CALLS[name].cases)
    for leaf in leaves(args):
        leaf.setflags(write=False)
    out, cache = forward(api, name, args)
    if name in DIFFERENTIABLE:
        dout = np.asarray(cotangent(rng, out))
        dout.setflags(write=False)
        backward(api, name, dout, cache)


OF_ANY_SHAPE = [
    ("tanh", 1, ()),
    ("relu", 1, ()),
    ("normalize_advantages", 1, ()),
    ("sgd_step", 2, (0.1,)),
    ("rmsprop_step", 3, (0.1,)),
    ("adam_step", 4, (2, 0.1)),
]


@pytest.mark.parametrize(("name", "arrays", "numbers"), OF_ANY_SHAPE)
def test_any_shape_includes_that_of_a_single_number(name, arrays, numbers):
    def results(shape):
        out, cache = forward(npppo, name, [np.full(shape, 0.5)] * arrays + [*numbers])
        grads = backward(npppo, name, np.full(shape, 0.3), cache) if name in DIFFERENTIABLE else []
        return [*(out if isinstance(out, tuple) else [out]), *grads]

    for single, of_one in zip(results(()), results((1,)), strict=True):
        assert np.shape(single) == ()
        assert single == of_one[0]


@pytest.mark.parametrize("module", FORMULAS, ids=lambda module: module.__name__)
def test_worked_numbers_in_the_docstrings_are_what_comes_out(module):
    assert doctest.testmod(module).failed == 0


def test_there_are_worked_numbers():
    examples = [test for module in FORMULAS for test in doctest.DocTestFinder().find(module)]
    assert sum(bool(test.examples) for test in examples) >= 6


def test_what_the_docstrings_cite_stands_in_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    references = set(re.findall(rf"^\* ({CITATION})\. \*", readme, re.MULTILINE))
    sources = [inspect.getsource(module) for module in (*FORMULAS, check, statistics, plot)]
    cited = {" ".join(name.split()) for text in sources for name in re.findall(CITATION, text)}
    assert len(cited) > 20
    assert cited == references
