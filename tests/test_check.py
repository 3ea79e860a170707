"""The gradient checker is itself checked: it accepts what is right and rejects each known mistake.

A checker that accepts everything would leave the rest of the suite green.
"""

import importlib
import math
import pkgutil
from functools import partial

import numpy as np
import pytest
from tolerances import CENTRAL_DIFFERENCE, COMPLEX_STEP, EXACT

import npppo
from npppo.check import GradientResult, assert_gradient, check_gradient, format_table
from npppo.check_cases import check_package, package_cases
from npppo.formulas import layers, losses
from npppo.formulas.categorical import log_softmax, softmax, softmax_backward

rng = np.random.default_rng(1)
X, W, B = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
SQUARE = rng.normal(size=(3, 3))
VALUES, TARGETS = rng.normal(size=(2, 7))


def linear(x, W, b):
    return x @ W + b, (x, W)


def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)


def value_loss(values, targets):
    error = values - targets
    return 0.5 * (error * error).mean(), error


def value_loss_backward(dloss, error):
    return dloss * error / len(error)


def the_failure(results):
    """The one result that failed."""
    (failure,) = [r for r in results if not r.ok]
    assert failure.message
    return failure


def linear_failure(dx=1, dW=1, db=1):
    """Check `linear` with a gradient multiplied by something."""

    def backward(dy, cache):
        return tuple(k * g for k, g in zip((dx, dW, db), linear_backward(dy, cache), strict=True))

    return the_failure(check_gradient(linear, backward, X, W, B))


# It accepts what is right


def test_right_gradients_pass_and_are_named_after_the_signature():
    results = check_gradient(linear, linear_backward, X, W, B)
    assert [r.argument for r in results] == ["x", "W", "b"]
    for r in results:
        assert r.ok and r.function == "linear" and r.message == ""
        assert r.complex_step_error <= COMPLEX_STEP
        assert 0 < r.central_difference_error <= CENTRAL_DIFFERENCE


def test_a_scalar_output():
    assert_gradient(value_loss, value_loss_backward, VALUES, TARGETS, wrt=["values"])


def test_a_scalar_argument():
    assert_gradient(lambda t: (t * t * X, t), lambda dy, t: 2 * t * (dy * X).sum(), np.array(0.7))


def test_arrays_in_lists():
    params = [(W, B), (rng.normal(size=(2, 4)), rng.normal(size=4))]
    results = check_gradient(layers.mlp, layers.mlp_backward, X, params)
    names = ["x", "params[0][0]", "params[0][1]", "params[1][0]", "params[1][1]"]
    assert [r.argument for r in results] == names
    assert all(r.ok for r in results)


def test_a_list_as_the_only_differentiable_argument():
    def backward(dy, cache):
        return layers.mlp_backward(dy, cache)[1]

    results = check_gradient(layers.mlp, backward, X, [(W, B)], wrt=["params"])
    assert [(r.argument, r.ok) for r in results] == [("params[0][0]", True), ("params[0][1]", True)]


def test_the_order_of_wrt_is_that_of_the_returned_gradients():
    def backward(dy, cache):
        dx, _, db = linear_backward(dy, cache)
        return db, dx

    results = check_gradient(linear, backward, X, W, B, wrt=["b", "x"])
    assert [(r.argument, r.ok) for r in results] == [("b", True), ("x", True)]


def test_data_and_numbers_are_not_differentiated():
    def scaled(x, index, factor, how="times"):
        return x[index] * factor, (x, index, factor)

    def scaled_backward(dy, cache):
        x, index, factor = cache
        dx = np.zeros_like(x)
        dx[index] = dy * factor
        return dx

    (result,) = check_gradient(scaled, scaled_backward, X, np.array([0, 2]), 3.0, "times")
    assert result.argument == "x" and result.ok


def test_names_given_by_the_caller():
    def forward(*args):
        return linear(*args)

    results = check_gradient(forward, linear_backward, X, W, B)
    assert [r.argument for r in results] == ["args[0]", "args[1]", "args[2]"]
    results = check_gradient(
        forward, linear_backward, X, W, B, names=["x", "W", "b"], function="yours"
    )
    assert [(r.function, r.argument) for r in results] == [
        ("yours", "x"),
        ("yours", "W"),
        ("yours", "b"),
    ]


def test_a_function_without_a_name():
    (result, *_) = check_gradient(partial(linear, b=B), linear_backward, X, W, wrt=["x", "W"])
    assert result.function == "partial"


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_check_is_made_in_float64(dtype):
    args = [a.astype(dtype) for a in (X, W, B)]
    assert_gradient(linear, linear_backward, *args)


def test_arrays_in_any_memory_layout():
    assert_gradient(linear, linear_backward, np.asfortranarray(X), W.T.copy().T, np.tile(B, 2)[::2])


def test_large_arguments_are_moved_by_a_relative_step():
    assert_gradient(value_loss, value_loss_backward, 1e6 * VALUES, TARGETS, wrt=["values"])


# It says what is wrong, where, and how


@pytest.mark.parametrize(
    "factor, hint",
    [
        (-1, "the sign is flipped"),
        (2, "a factor 2 is too much"),
        (0.5, "a factor 2 is missing"),
        (1.001, "every entry is 1.001 times the right one"),
        (-3, "every entry is -3 times the right one"),
        (0, "it is 0 everywhere"),
        (5, "the 1/N of a mean over N = 5 is missing"),
        (1 / 5, "a 1/N is too much, N = 5"),
    ],
)
@pytest.mark.parametrize("argument, name", [("dx", "x"), ("dW", "W"), ("db", "b")])
def test_a_wrong_factor(argument, name, factor, hint):
    failure = linear_failure(**{argument: factor})
    assert failure.argument == name
    assert failure.message.endswith(hint)
    assert failure.complex_step_error == pytest.approx(abs(factor - 1), rel=1e-9)
    assert failure.central_difference_error == pytest.approx(abs(factor - 1), rel=1e-6)


def test_a_lost_mean_in_a_loss():
    results = check_gradient(
        value_loss, lambda dloss, error: dloss * error, VALUES, TARGETS, wrt=["values"]
    )
    assert "the 1/N of a mean over N = 7 is missing" in the_failure(results).message


def test_two_hints_where_the_batch_cannot_tell_them_apart():
    results = check_gradient(
        value_loss, lambda dloss, error: dloss * error, VALUES[:2], TARGETS[:2], wrt=["values"]
    )
    message = the_failure(results).message
    assert "a factor 2 is too much or the 1/N of a mean over N = 2 is missing" in message


def test_the_worst_entry_is_named_with_both_values_and_their_ratio():
    def backward(dy, cache):
        dx, dW, db = linear_backward(dy, cache)
        dW[2, 1] *= -3
        return dx, dW, db

    failure = the_failure(check_gradient(linear, backward, X, W, B))
    assert failure.argument == "W"
    assert failure.message.startswith("dW[2, 1] is ")
    assert ", ratio -3; 1 of 6 entries are wrong" in failure.message
    yours = float(failure.message.split(" is ")[1].split(",")[0])
    expected = float(failure.message.split("expected ")[1].split(",")[0])
    assert yours == pytest.approx(-3 * expected, rel=1e-5)


def test_an_error_in_one_small_entry_is_found():
    def backward(dy, cache):
        dx, dW, db = linear_backward(dy, cache)
        dW[0, 0] += 1e-9
        return dx, dW, db

    failure = the_failure(check_gradient(linear, backward, X, W, B))
    assert failure.message.startswith("dW[0, 0] is ") and "1 of 6 entries" in failure.message
    assert failure.complex_step_error > COMPLEX_STEP
    assert failure.central_difference_error < CENTRAL_DIFFERENCE


def test_a_transposed_gradient():
    def backward(dy, cache):
        dx, dW, db = linear_backward(dy, cache)
        return dx, dW.T, db

    square = the_failure(check_gradient(linear, backward, X, SQUARE, rng.normal(size=3)))
    assert square.argument == "W" and square.message.endswith(
        "it is the transpose of the right one"
    )
    oblong = the_failure(check_gradient(linear, backward, X, W, B))
    assert oblong.argument == "W"
    assert oblong.message.startswith("dW has shape (2, 3), expected (3, 2)")
    assert oblong.message.endswith("it is the transpose of the right one")
    assert math.isnan(oblong.complex_step_error)


@pytest.mark.parametrize(
    "forward, wrong",
    [
        (softmax, lambda dp, cache: cache[0] * dp),
        (log_softmax, lambda dlog_p, cache: dlog_p),
    ],
)
def test_a_missing_centring_term(forward, wrong):
    results = check_gradient(forward, wrong, rng.normal(size=(4, 3)))
    assert "a centring term is missing" in the_failure(results).message


def test_a_centring_term_that_is_missing_in_some_rows():
    def backward(dp, cache):
        dlogits = softmax_backward(dp, cache)
        dlogits[1:] = (cache[0] * dp)[1:]
        return dlogits

    results = check_gradient(softmax, backward, rng.normal(size=(4, 3)))
    assert "a centring term is missing" in the_failure(results).message


def test_a_zero_among_the_entries_is_not_0_everywhere():
    weights = np.array([0.0, 2.0, 3.0])
    results = check_gradient(lambda x: (weights * x, None), lambda dy, _: -weights * dy, np.ones(3))
    assert "the sign is flipped" in the_failure(results).message


@pytest.mark.parametrize("power", [1, 2])
def test_a_missing_centring_term_that_shifts_by_a_constant(power):
    """Only for power 1 does the right gradient sum to 0."""
    results = check_gradient(
        lambda x: (x**power - x.mean(), x), lambda dy, x: power * x ** (power - 1) * dy, VALUES
    )
    assert "a centring term is missing" in the_failure(results).message


def test_a_gradient_that_is_right_for_a_cotangent_of_ones_only():
    results = check_gradient(
        linear,
        lambda dy, cache: linear_backward(np.ones_like(dy), cache),
        X,
        W,
        B,
    )
    for r in results:
        assert not r.ok and "it is right for a dout of ones only" in r.message
    results = check_gradient(
        value_loss, lambda dloss, error: error / len(error), VALUES, TARGETS, wrt=["values"]
    )
    assert "it is right for a dout of ones only" in the_failure(results).message


def test_a_mistake_that_a_cotangent_of_ones_would_hide():
    def backward(dp, cache):
        (p,) = cache
        return -p * (dp - (dp * p).sum(axis=1, keepdims=True))

    logits = rng.normal(size=(4, 3))
    for_ones = backward(np.ones((4, 3)), softmax(logits)[1])
    np.testing.assert_allclose(for_ones, 0, atol=EXACT)  # as right as it is wrong
    assert "the sign is flipped" in the_failure(check_gradient(softmax, backward, logits)).message


def test_no_known_mistake():
    results = check_gradient(
        lambda x: (np.exp(x), x), lambda dy, x: dy * (1 + x), rng.normal(size=4)
    )
    assert the_failure(results).message.endswith("it looks like no common mistake")


def test_an_axis_too_many():
    def backward(dloss, error):
        return (dloss * error / len(error))[:, None]

    failure = the_failure(check_gradient(value_loss, backward, VALUES, TARGETS, wrt=["values"]))
    assert failure.message == (
        "dvalues has shape (7, 1), expected (7,): the numbers are right, the axes are not"
    )


def test_a_broadcast_gradient():
    def backward(dloss, error):
        return dloss * error[:, None] * np.ones(len(error))

    failure = the_failure(check_gradient(value_loss, backward, VALUES, TARGETS, wrt=["values"]))
    assert "dvalues has shape (7, 7), expected (7,)" in failure.message
    assert "broadcast" in failure.message


@pytest.mark.parametrize(
    "backward, count",
    [
        (lambda dy, cache: linear_backward(dy, cache)[:2], 2),
        (lambda dy, cache: linear_backward(dy, cache)[0], 1),
        (lambda dy, cache: (*linear_backward(dy, cache), 0.0), 4),
        (lambda dy, cache: None, 1),
    ],
)
def test_a_wrong_number_of_gradients(backward, count):
    (result,) = check_gradient(linear, backward, X, W, B)
    assert not result.ok and result.argument == "gradients"
    assert f"returned {count} arrays, expected 3, nested like x, W, b" in result.message


def test_gradients_nested_otherwise_than_the_arguments():
    def backward(dy, cache):
        dx, [(dW, db)] = layers.mlp_backward(dy, cache)
        return dx, dW, db

    (result,) = check_gradient(layers.mlp, backward, X, [(W, B)])
    assert not result.ok and "nested like x, params[0][0], params[0][1]" in result.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite(value):
    def backward(dy, cache):
        dx, dW, db = linear_backward(dy, cache)
        dW[1, 0] = value
        return dx, dW, db

    failure = the_failure(check_gradient(linear, backward, X, W, B))
    assert failure.argument == "W" and failure.message == f"dW[1, 0] is {value}"


def test_a_forward_that_is_not_finite():
    with np.errstate(over="ignore"):
        results = check_gradient(
            lambda x: (np.exp(x), x), lambda dy, x: np.zeros_like(x), np.full(3, 800.0)
        )
    assert "is not finite around this point" in the_failure(results).message


# It notices what is changed in place


def test_a_forward_that_changes_its_argument():
    def forward(x):
        x[x < 0] = 0
        return x * x, x

    point = rng.normal(size=6)
    kept = point.copy()
    failure = the_failure(check_gradient(forward, lambda dy, x: 2 * x * dy, point))
    assert failure.argument == "x" and failure.message == "changed in place by forward"
    np.testing.assert_array_equal(point, kept)


def test_a_forward_that_changes_its_data():
    def forward(x, weights):
        weights /= weights.sum()
        return x * weights, weights

    results = check_gradient(
        forward, lambda dy, w: dy * w.copy(), VALUES, np.arange(1.0, 8.0), wrt=["x"]
    )
    assert [(r.argument, r.ok) for r in results] == [("x", True), ("weights", False)]


def test_a_backward_that_changes_its_cotangent():
    def relu(x):
        return np.where(x.real > 0, x, 0), x

    def relu_backward(dy, x):
        dx = dy
        dx[x < 0] = 0
        return dx

    results = check_gradient(relu, relu_backward, X)
    assert [(r.argument, r.ok) for r in results] == [("x", True), ("dout", False)]
    assert results[1].message == "changed in place by relu_backward"


def test_a_backward_that_changes_an_argument_through_the_cache():
    def backward(dy, cache):
        x, W = cache
        x *= 2
        return dy @ W.T, x.T @ dy / 2, dy.sum(axis=0)

    results = {r.argument: r for r in check_gradient(linear, backward, X, W, B)}
    assert results["x"].message == "changed in place by backward"
    assert results["W"].ok and results["b"].ok
    assert "a second call differs" in results["cache"].message


def test_a_backward_that_changes_its_cache():
    def forward(x):
        return np.exp(x), [np.exp(x)]

    def backward(dy, cache):
        cache[0] = cache[0] * dy
        return cache[0]

    failure = the_failure(check_gradient(forward, backward, VALUES))
    assert failure.argument == "cache" and "a second call differs" in failure.message


def test_a_backward_that_uses_up_its_cache():
    def forward(x):
        return np.exp(x), [np.exp(x)]

    failure = the_failure(check_gradient(forward, lambda dy, cache: dy * cache.pop(), VALUES))
    assert failure.argument == "cache"


# It refuses to judge where nothing can be judged


@pytest.mark.parametrize(
    "forward, point",
    [
        (lambda x: (np.where(x.real > 0, x, 0), None), -1 - np.arange(3.0)),  # a dead relu
        (lambda x: (np.tanh(x), None), np.full(3, 15.0)),  # saturated
        (lambda x: (np.exp(x - 200), None), np.arange(3.0)),
        (lambda x: (np.log(x + 1e5), None), np.arange(3.0)),
        (lambda x: (softmax(x)[0].sum(), None), rng.normal(size=(4, 3))),  # 4 whatever x is
        (lambda x: ((x - x.mean()).sum(), None), rng.normal(size=7)),
        (lambda x: (x.sum(), None), np.zeros((0, 3))),
    ],
)
@pytest.mark.parametrize("yours", [0.0, 1.0])
def test_a_point_where_the_gradient_is_as_good_as_zero(forward, point, yours):
    failure = the_failure(check_gradient(forward, lambda dy, _: np.full_like(point, yours), point))
    assert "proves nothing" in failure.message


def test_one_dead_argument_does_not_excuse_the_others():
    results = check_gradient(
        lambda x, y: (x + 0 * y, None), lambda dz, _: (-dz, 0 * dz), VALUES, TARGETS
    )
    assert "the sign is flipped" in results[0].message
    assert "proves nothing" in results[1].message


def test_zeros_among_other_entries_are_no_reason_to_refuse():
    x = np.where(np.arange(6) % 2, 1.0, -1.0)
    assert_gradient(layers.relu, layers.relu_backward, x)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_small_gradient_at_a_large_argument_proves_something(sign):
    assert_gradient(
        lambda x: (np.log(2e5 - sign * x), x),
        lambda dy, x: -sign * dy / (2e5 - sign * x),
        sign * np.array([0.9e5, 1e5]),
    )


def test_a_small_gradient_of_small_outputs_proves_something():
    assert_gradient(lambda x: (1e-5 * x, None), lambda dy, _: 1e-5 * dy, VALUES)


@pytest.mark.parametrize("hidden, agree", [(2e-8, True), (5e-7, False)])
def test_the_two_numeric_derivatives_must_agree_to_seven_digits(hidden, agree):
    def forward(x):
        return x + hidden * x.real, None  # the real part is hidden from the complex step

    (result,) = check_gradient(forward, lambda dy, _: dy, VALUES)
    assert result.ok == agree


def test_the_cotangent_has_both_signs_and_no_entry_near_0():
    seen = []
    check_gradient(lambda x: (2 * x, None), lambda dy, _: seen.append(dy) or 2 * dy, np.ones(40))
    assert {*np.sign(seen[0])} == {-1, 1}
    assert (np.abs(seen[0]) >= 0.5).all()


@pytest.mark.parametrize(
    "forward, backward",
    [
        (lambda x: (np.abs(x), x), lambda dy, x: dy * np.sign(x)),
        (lambda x: (np.sqrt((x * x.conj()).real), x), lambda dy, x: dy * np.sign(x)),
        (lambda x: (x.real * 3, x), lambda dy, x: dy * 3),
        (lambda x: (np.logaddexp(x, 0), x), lambda dy, x: dy / (1 + np.exp(-x))),
        (lambda x: (np.asarray(x, dtype=float) * 3, x), lambda dy, x: dy * 3),
    ],
    ids=["abs", "conj", "real", "TypeError", "cast"],
)
def test_a_forward_that_complex_numbers_do_not_pass(forward, backward):
    """Then the forward is blamed, and the central difference speaks for the backward."""
    failure = the_failure(check_gradient(forward, backward, VALUES))
    assert "complex step and central difference disagree" in failure.message
    assert "not made for complex numbers" in failure.message
    assert failure.message.endswith("agrees with the central difference")
    assert failure.central_difference_error <= CENTRAL_DIFFERENCE


def test_a_kink():
    x = np.array([-1.0, 0.0, 1.0])
    failure = the_failure(check_gradient(layers.relu, layers.relu_backward, x))
    assert "dx[1] being 0 and " in failure.message and "kink" in failure.message
    assert failure.message.endswith("agrees with the complex step")


def test_a_kink_and_a_wrong_backward():
    x = np.array([-1.0, 0.0, 1.0])
    failure = the_failure(check_gradient(layers.relu, lambda dy, _: -dy, x))
    assert failure.message.endswith("agrees with neither")


# How it is called


def test_assert_gradient_says_everything_that_is_wrong():
    def backward(dy, cache):
        dx, dW, db = linear_backward(dy, cache)
        return -dx, dW, 2 * db

    with pytest.raises(AssertionError) as error:
        assert_gradient(linear, backward, X, W, B)
    first, second = str(error.value).splitlines()
    assert first.startswith("linear, x: dx[") and first.endswith("the sign is flipped")
    assert second.startswith("linear, b: db[") and second.endswith("a factor 2 is too much")


def test_the_seed_decides():
    def errors(seed):
        results = check_gradient(linear, linear_backward, X, W, B, seed=seed)
        return [r.central_difference_error for r in results]

    assert errors(0) == errors(0) == errors(np.random.default_rng(0))
    assert errors(0) != errors(1)
    assert check_gradient(linear, linear_backward, X, W, B) == check_gradient(
        linear, linear_backward, X, W, B, seed=0
    )


@pytest.mark.parametrize("wrt", [["z"], ["x", "index"], ["x", "factor"]])
def test_wrt_names_floating_arrays(wrt):
    def forward(x, index, factor):
        raise AssertionError("not reached")

    with pytest.raises(ValueError, match=r"expected names of floating arrays among \['x', 'index'"):
        check_gradient(forward, forward, X, np.array([1]), 0.5, wrt=wrt)


def test_nothing_to_differentiate():
    with pytest.raises(ValueError, match="expected names of floating arrays"):
        check_gradient(linear, linear_backward, 1, 2, 3)


def test_table():
    results = [
        GradientResult("linear", "x", 1.6e-16, 1.1e-11, True, ""),
        GradientResult("softmax", "logits", 2.0, 2.0, False, "the sign is flipped"),
    ]
    assert format_table(results).splitlines() == [
        "function  argument  complex step  central difference  verdict",
        "linear    x         1.6e-16       1.1e-11             ok",
        "softmax   logits    2.0e+00       2.0e+00             WRONG",
        "",
        "softmax, logits: the sign is flipped",
    ]


# npppo's own gradients


@pytest.mark.parametrize("seed", range(3))
def test_every_gradient_of_npppo(seed):
    results = check_package(seed)
    assert [r for r in results if not r.ok] == []
    assert max(r.complex_step_error for r in results) <= COMPLEX_STEP
    assert max(r.central_difference_error for r in results) <= CENTRAL_DIFFERENCE


def test_no_gradient_of_npppo_is_left_out():
    modules = [
        importlib.import_module(f"npppo.{module.name}")
        for module in pkgutil.iter_modules(npppo.__path__)
        if module.name != "__main__"
    ]
    backwards = {
        name
        for module in [npppo, *modules]
        for name in getattr(module, "__all__", [])
        if name.endswith("_backward")
    }
    cases = list(package_cases(np.random.default_rng(0)))
    assert backwards and backwards <= {case.backward.__name__ for case in cases}
    for case in cases:
        # a public forward is checked against its own backward
        if case.forward.__name__ + "_backward" in backwards:
            assert case.backward.__name__ == case.forward.__name__ + "_backward"


def test_the_cases_cover_both_activations_the_jvp_and_every_agent():
    names = [case.name for case in package_cases(np.random.default_rng(0))]
    assert len(set(names)) == len(names)
    assert {f"{f} ({a})" for f in ("mlp", "mlp_jvp") for a in layers.ACTIVATIONS} <= set(names)
    for head in ("categorical", "gaussian"):
        for trunk in ("shared trunk", "two networks"):
            assert f"agent ({head}, {trunk})" in names


def test_a_wrong_gradient_in_the_package_is_reported(monkeypatch):
    right = losses.ppo_loss_backward
    name = right.__name__

    def wrong(dloss, cache):
        dlogits, dvalues = right(dloss, cache)
        return dlogits, 0.999 * dvalues

    monkeypatch.setattr(losses, name, wrong)
    failure = the_failure(check_package())
    assert (failure.function, failure.argument) == ("ppo_loss", "values")
    assert "WRONG" in format_table([failure])
