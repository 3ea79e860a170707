"""Corners in which a formula once went wrong, each with the answer it must give."""

import warnings

import numpy as np
import pytest

import npppo
from npppo.formulas import losses

f32 = np.float32


def test_single_numbers_are_arrays_too():
    param, m, v = npppo.adam_step(1.0, 1.0, 0.0, 0.0, 1, 0.1, eps=0.0)
    assert (param, m, v) == pytest.approx((0.9, 0.1, 0.001))
    assert npppo.tanh_backward(2.0, npppo.tanh(0.5)[1]) == pytest.approx(2 / np.cosh(0.5) ** 2)


def test_nan_is_not_normalised_away():
    assert np.isnan(npppo.normalize_advantages(np.array([np.nan, 1.0, 2.0]))).all()


@pytest.mark.parametrize("constant", [0.1, 12.34567, 1e30])
def test_a_constant_batch_normalises_to_exactly_zero(constant):
    for eps in (1e-8, 0.0):
        assert not npppo.normalize_advantages(np.full(1000, constant, f32), eps).any()


@pytest.mark.parametrize(("size", "dtype"), [(1e20, f32), (1e200, np.float64), (1e-6, f32)])
def test_any_scale_normalises(size, dtype):
    expected = [size / (size + 1e-8), -size / (size + 1e-8)]
    normalised = npppo.normalize_advantages(np.array([size, -size], dtype))
    np.testing.assert_allclose(normalised, expected, rtol=1e-6)


def test_no_advantages_normalise_to_none():
    assert npppo.normalize_advantages(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float64, f32])
@pytest.mark.parametrize("end", ["max", "smallest_subnormal"])
def test_the_ends_of_a_dtype_s_range_normalise(dtype, end):
    size = getattr(np.finfo(dtype), end)
    advantages = size * np.array([1, 1, 1, -1], dtype)
    expected = np.array([1, 1, 1, -3]) / np.sqrt(3)
    np.testing.assert_allclose(npppo.normalize_advantages(advantages, 0.0), expected, 1e-6)


@pytest.mark.parametrize("dtype", [np.float64, f32])
def test_targets_at_the_end_of_a_dtype_s_range_are_explained(dtype):
    size = np.finfo(dtype).max
    targets, values = size * np.array([1, -1, 0], dtype), size * np.array([0.5, -0.5, 0], dtype)
    assert npppo.explained_variance(values, targets) == 0.75


@pytest.mark.parametrize("dtype", [np.float64, f32])
@pytest.mark.parametrize("max_norm", [1e-44, 1e-6, 1.0])
def test_a_gradient_at_the_end_of_a_dtype_s_range_is_clipped(dtype, max_norm):
    """max_norm / norm may have no digits left, or be 0, where the product has them all."""
    grads = [np.full(3, np.finfo(dtype).max), np.full((1, 1), -np.finfo(dtype).max)]
    for clipped, sign in zip(npppo.clip_grad_norm(grads, max_norm)[0], (1, -1), strict=True):
        half = np.full(clipped.shape, sign * max_norm / 2, dtype)
        np.testing.assert_allclose(clipped, half, 1e-6)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_values_are_clipped_in_any_unit(size):
    """Where the squares of both errors are 0 or inf the errors still tell which is the larger."""
    values, targets = size * np.array([2.0, -2.0]), size * np.array([3.0, 3.0])
    with np.errstate(over="ignore"):
        _, cache = npppo.clipped_value_loss(values, np.zeros(2), targets, size)
    dvalues = npppo.clipped_value_loss_backward(2.0, cache)
    assert list(dvalues / size) == [0.0, -5.0]  # clipped to 1 and -1: errors -1 and -2, -5 and -4


@pytest.mark.parametrize(("size", "dtype"), [(1e-160, np.float64), (1e-22, f32), (1e22, f32)])
def test_squares_that_lose_their_digits_are_not_summed(size, dtype):
    """They are subnormal there, or too large."""
    numbers = size * np.array([1, 2, -3], dtype)
    norm = npppo.clip_grad_norm([numbers], 1.0)[1]
    np.testing.assert_allclose(norm / size, np.sqrt(14), 1e-6)
    normalized = npppo.normalize_advantages(numbers, 0.0)
    np.testing.assert_allclose(normalized, np.array([1, 2, -3]) / np.sqrt(14 / 3), 1e-6)


OF_ROWS = [
    ("value_loss", 1, []),
    ("policy_gradient_loss", 1, []),
    ("surrogate_loss", 2, []),
    ("clipped_surrogate_loss", 2, [0.2]),
    ("dual_clip_loss", 2, [0.2, 0.2, 3.0]),
    ("spo_loss", 2, [0.2]),
    ("clipped_value_loss", 2, [0.2]),
]


@pytest.mark.parametrize(("name", "data", "hyperparameters"), OF_ROWS)
def test_one_row_counts_twice_what_each_of_two_equal_ones_does(name, data, hyperparameters):
    gradients = []
    for N in (1, 2):
        rows = [np.full(N, x) for x in (0.5, 0.4, 0.3)[: 1 + data]]
        _, cache = getattr(npppo, name)(*rows, *hyperparameters)
        gradients.append(getattr(npppo, name + "_backward")(1.0, cache))
    (one,), (two, _) = gradients
    assert one == 2 * two != 0


@pytest.mark.parametrize(("name", "data", "hyperparameters"), OF_ROWS)
def test_an_empty_batch_has_an_empty_gradient(name, data, hyperparameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the loss itself is 0 / 0
        _, cache = getattr(npppo, name)(*np.zeros((1 + data, 0)), *hyperparameters)
    assert getattr(npppo, name + "_backward")(1.0, cache).shape == (0,)


def test_value_clipping_needs_old_values():
    ones = np.ones(2)
    with pytest.raises(ValueError, match="old_values is None"):
        losses.ppo_objective(ones, ones, ones, ones, ones, ones, (0.2,), 0.5, 0.0, clip_vf=0.2)


def test_a_wrong_number_of_axes_is_named_by_their_letters():
    with pytest.raises(ValueError, match=r"values has shape \(2, 1\), expected shape \(N,\)"):
        npppo.value_loss(np.ones((2, 1)), np.ones(2))
    with pytest.raises(ValueError, match=r"logits has shape \(2,\), expected shape \(N, A\)"):
        npppo.softmax(np.ones(2))


def test_an_unknown_activation_is_named():
    params = [(np.ones((1, 1)), np.ones(1))]
    for call in (
        lambda: npppo.mlp(np.ones((1, 1)), params, "gelu"),
        lambda: npppo.mlp_jvp(np.ones((1, 1)), params, params, "gelu"),
    ):
        with pytest.raises(ValueError, match="activation is 'gelu', expected one of tanh, relu"):
            call()


@pytest.mark.parametrize(("lowest", "dtype"), [(-745.0, np.float64), (-103.5, f32)])
def test_a_probability_that_rounds_to_zero_is_never_drawn(lowest, dtype):
    logits = np.array([[lowest, 0.0, 0.0, 0.0]], dtype)
    assert npppo.softmax(logits)[0][0, 0] == 0
    assert npppo.categorical_sample(logits, np.zeros(1)) == [1]


def test_a_nan_gradient_has_a_nan_norm():
    for grads in ([np.zeros(2), np.array([np.nan])], [np.array([np.inf]), np.array([np.nan])]):
        assert np.isnan(npppo.clip_grad_norm(grads, 1.0)[1])


@pytest.mark.parametrize("max_norm", [-1.0, np.nan])
def test_a_norm_that_is_none_is_refused(max_norm):
    """A negative one would turn the gradient round, nan would clip nothing."""
    with pytest.raises(ValueError, match=f"max_norm is {max_norm}"):
        npppo.clip_grad_norm([np.ones(2)], max_norm)


@pytest.mark.parametrize("step", [2.7, np.nan, np.inf])
def test_a_part_of_a_step_is_refused(step):
    ones = np.ones(2)
    with pytest.raises(ValueError, match=f"step is {step}, expected a whole number"):
        npppo.adam_step(ones, ones, ones, ones, step, 0.1)
    whole = npppo.adam_step(ones, ones, ones, ones, 2, 0.1)
    np.testing.assert_array_equal(
        npppo.adam_step(ones, ones, ones, ones, np.float32(2), 0.1), whole
    )


def test_targets_that_hardly_differ_are_explained_as_badly_as_it_gets():
    assert npppo.explained_variance([0.0, 1.0], [0.0, 5e-324]) == -np.inf


def test_relu_keeps_nan():
    assert np.isnan(npppo.relu(np.array([np.nan]))[0]).all()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_one_double_makes_all_gradients_double(activation):
    rng = np.random.default_rng(0)
    params = [(rng.normal(size=s).astype(f32), np.zeros(s[1], f32)) for s in ((3, 4), (4, 2))]
    _, cache = npppo.mlp(rng.normal(size=(5, 3)).astype(f32), params, activation)
    dx, grads = npppo.mlp_backward(rng.normal(size=(5, 2)), cache)
    assert {dx.dtype, *(array.dtype for layer in grads for array in layer)} == {np.dtype(float)}


def test_ppo_loss_has_one_dtype():
    rng = np.random.default_rng(0)
    values, old, advantages, targets = rng.normal(size=(4, 5)).astype(f32)
    logits = rng.normal(size=(5, 3))  # the only doubles
    _, cache = npppo.ppo_loss(
        logits, values, np.zeros(5, int), old, advantages, targets, 0.2, 0.5, 0.01
    )
    dlogits, dvalues = npppo.ppo_loss_backward(1.0, cache)
    assert (dlogits.dtype, dvalues.dtype) == (np.float64, np.float64)
