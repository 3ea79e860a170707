"""What a property is, and what the tests need to state one.

A property is a test that takes the implementation as its argument `api`: pytest passes npppo
itself, test_mutants.py passes npppo with one function replaced by a wrong one, and there some
property of that function must fail. A suite that cannot fail proves nothing.
"""

import functools
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import tolerances
from hypothesis import Phase, given, settings
from strategies import CALLS, DIFFERENTIABLE, away_from_zero

from npppo import check

# Name of a contract function -> its properties. Two kinds hold for all functions alike, and take
# the name as another argument: "gradient" for those with a backward function, "manners" for all.
PROPERTIES = defaultdict(list)


def property_of(*names, **strategies):
    """Make `test(api, **drawn)` a property of the contract functions called `names`."""

    def register(test):
        prop = as_property(test, strategies)
        for name in names:
            PROPERTIES[name].append(prop)
        return prop

    return register


def property_of_each(policies, *names, **strategies):
    """Make `test(api, policy, **drawn)` a property of NAME of each policy: POLICY_NAME."""

    def register(test):
        prop = as_property(test, strategies)
        for policy in policies:
            quick = functools.partial(prop.quick, policy=policy)
            for name in names:
                PROPERTIES[f"{policy}_{name}"].append(SimpleNamespace(quick=quick))
        return pytest.mark.parametrize("policy", policies)(prop)

    return register


def as_property(test, strategies):
    @functools.wraps(test)
    def strict(*args, **kwargs):
        # An overflow, a division by zero or a nan on the way is a failure even where it leaves
        # no trace in the result. Underflow to 0 is what exp(-1000) should do.
        with np.errstate(all="raise", under="ignore"):
            test(*args, **kwargs)

    if not strategies:
        strict.quick = strict
        return strict
    prop = given(**strategies)(strict)
    # Whether a mutant fails matters, not on how small an example; ten examples catch every one.
    quick = settings(max_examples=10, phases=[Phase.generate], report_multiple_bugs=False)
    prop.quick = quick(given(**strategies)(strict))
    return prop


def assert_close(actual, expected, tolerance=tolerances.EXACT, hint=""):
    """Shapes first: np.testing would broadcast a number against an array and be content."""
    assert np.shape(actual) == np.shape(expected), hint
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=hint)


def assert_same(actual, expected, hint=""):
    """Bit for bit."""
    np.testing.assert_array_equal(actual, expected, err_msg=hint, strict=True)


# Arguments and results are arrays, or lists and tuples of them


def leaves(tree):
    """All arrays of an argument or result, in order; numbers and functions are left out."""
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree] if isinstance(tree, np.ndarray) else []


def map_leaves(f, tree):
    if isinstance(tree, list | tuple):
        return type(tree)(map_leaves(f, branch) for branch in tree)
    return f(tree) if isinstance(tree, np.ndarray) else tree


def map_floats(f, tree):
    return map_leaves(lambda a: f(a) if a.dtype.kind == "f" else a, tree)


def forward(api, name, args):
    """(out, cache); the cache is None where there is no backward function."""
    result = getattr(api, name)(*args)
    return result if name in DIFFERENTIABLE else (result, None)


def backward(api, name, dout, cache):
    """The gradients as a list, one for each differentiable argument."""
    grads = getattr(api, f"{name}_backward")(dout, cache)
    return [grads] if len(CALLS[name].specification.positions) == 1 else list(grads)


def gradients(api, name, args, dout):
    return backward(api, name, dout, forward(api, name, args)[1])


def cotangent(rng, out):
    """A random one: all ones prove nothing where outputs sum to a constant, as softmax's do."""
    return away_from_zero(rng, np.shape(out), 0.5) if np.ndim(out) else float(rng.uniform(0.5, 2))


# Gradients


def by_complex_step(f, x, differentiate=check.complex_step):
    """df/dx for each entry of the arrays in x, for a real function f."""

    def with_leaf(k, leaf):
        others = iter([*leaves(x)[:k], leaf, *leaves(x)[k + 1 :]])
        return f(map_leaves(lambda _: next(others), x))

    return [
        differentiate(functools.partial(with_leaf, k), leaf.astype(float), 1.0)
        for k, leaf in enumerate(leaves(x))
    ]


by_central_difference = functools.partial(by_complex_step, differentiate=check.central_difference)


def assert_gradient(api, name, args, rng, differentiate, tolerance):
    """The backward function, against <dout, out> differentiated by each argument numerically."""
    out, cache = forward(api, name, args)
    dout = cotangent(rng, out)
    grads = backward(api, name, dout, cache)
    largest = 0.0
    for k, grad in zip(CALLS[name].specification.positions, grads, strict=True):

        def loss(x, k=k):
            return np.sum(dout * forward(api, name, (*args[:k], x, *args[k + 1 :]))[0])

        expected = differentiate(loss, args[k])
        for actual, slopes in zip(leaves([grad]), expected, strict=True):
            scale = max(1.0, np.abs(slopes).max())
            hint = f"gradient of {name} by {CALLS[name].names[k]}"
            assert_close(actual / scale, slopes / scale, tolerance, hint)
            largest = max(largest, np.abs(slopes).max())
    assert largest > tolerances.SMALLEST_GRADIENT
