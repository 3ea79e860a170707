"""Layers: loops instead of matrix products, and the derivatives' identities."""

from math import fsum, sqrt, tanh

import numpy as np
import pytest
import tolerances
from hypothesis import strategies as st
from properties import assert_close, assert_same, leaves, property_of
from strategies import (
    arrays,
    arrays_away_from_zero,
    away_from_zero,
    linear_cases,
    networks,
    networks_and_directions,
    rngs,
)


@property_of("linear", case=linear_cases())
def test_linear_is_a_sum_of_products(api, case):
    x, W, b = case
    expected = [
        [fsum([*(x[n, d] * W[d, m] for d in range(len(W))), b[m]]) for m in range(len(b))]
        for n in range(len(x))
    ]
    assert_close(api.linear(x, W, b)[0], np.array(expected))


@property_of("tanh", case=arrays())
def test_tanh_is_tanh(api, case):
    (x,) = case
    assert_close(api.tanh(x)[0], np.vectorize(tanh)(x))


@property_of("tanh", "tanh_backward")
def test_tanh_saturates_without_a_murmur(api):
    x = np.array([-1e308, -1e3, 1e3, 1e308])
    y, cache = api.tanh(x)
    assert_same(y, np.array([-1.0, -1.0, 1.0, 1.0]))
    assert_same(api.tanh_backward(np.full(4, 3.0), cache), np.zeros(4))


@property_of("relu", case=arrays_away_from_zero())
def test_relu_cuts_the_negative_side(api, case):
    (x,) = case
    assert_same(api.relu(x)[0], np.array([max(v, 0.0) for v in x.flat]).reshape(x.shape))


@property_of("relu", "relu_backward")
def test_relu_is_flat_at_exactly_zero(api):
    y, cache = api.relu(np.array([-1.0, -0.0, 0.0, 1.0]))
    assert_close(y, np.array([0.0, 0.0, 0.0, 1.0]))
    assert_close(api.relu_backward(np.array([2.0, 3.0, 5.0, 7.0]), cache), np.array([0.0, 0, 0, 7]))


@property_of("mlp", case=networks())
def test_mlp_is_layer_after_layer(api, case):
    x, params, activation = case
    act = {"tanh": tanh, "relu": lambda z: max(z, 0.0)}[activation]
    expected = []
    for h in x.tolist():
        for i, (W, b) in enumerate(params):
            z = [fsum([*np.multiply(h, W[:, m]), b[m]]) for m in range(len(b))]
            h = z if i == len(params) - 1 else [act(v) for v in z]
        expected.append(h)
    assert_close(api.mlp(x, params, activation)[0], np.array(expected))


@property_of("mlp", case=networks(activation="tanh"))
def test_mlp_activates_with_tanh_unless_told_otherwise(api, case):
    x, params, activation = case
    assert_same(api.mlp(x, params)[0], api.mlp(x, params, activation)[0])


@property_of("mlp", case=linear_cases())
def test_mlp_of_one_layer_is_linear(api, case):
    x, W, b = case
    for activation in ("tanh", "relu"):
        assert_close(api.mlp(x, [(W, b)], activation)[0], x @ W + b)


@property_of("mlp_backward", case=networks())
def test_mlp_gradients_are_pairs_in_the_order_of_the_layers(api, case):
    x, params, activation = case
    y, cache = api.mlp(x, params, activation)
    dx, grads = api.mlp_backward(np.ones_like(y), cache)
    assert dx.shape == x.shape
    assert [(dW.shape, db.shape) for dW, db in grads] == [(W.shape, b.shape) for W, b in params]


@property_of("mlp_jvp", case=networks_and_directions())
def test_mlp_jvp_is_the_complex_step_along_the_direction(api, case):
    x, params, dparams, activation = case

    def output(t):
        moved = [(W + t * dW, b + t * db) for (W, b), (dW, db) in zip(params, dparams, strict=True)]
        return api.mlp(x, moved, activation)[0]

    step = tolerances.COMPLEX_STEP_SIZE
    expected = output(1j * step).imag / step
    scale = max(1.0, np.abs(expected).max())
    actual = api.mlp_jvp(x, params, dparams, activation)
    assert_close(actual / scale, expected / scale, tolerances.COMPLEX_STEP)


@property_of("mlp_jvp", "mlp_backward", case=networks_and_directions(), rng=rngs())
def test_forward_and_reverse_mode_are_adjoint(api, case, rng):
    """<dy, J v> = <Jᵀ dy, v>"""
    x, params, dparams, activation = case
    y, cache = api.mlp(x, params, activation)
    dy = away_from_zero(rng, y.shape)
    _, grads = api.mlp_backward(dy, cache)
    reverse = [(g * v).ravel() for g, v in zip(leaves(grads), leaves(dparams), strict=True)]
    forward = (dy * api.mlp_jvp(x, params, dparams, activation)).ravel()
    terms = np.concatenate(reverse)
    scale = max(1.0, np.abs(terms).sum())
    assert_close(fsum(forward) / scale, fsum(terms) / scale)


@property_of("mlp_jvp", "mlp_backward", case=networks_and_directions())
def test_fisher_vector_product_as_in_the_docstring_is_the_curvature_of_the_mean_kl(api, case):
    x, params, v, activation = case
    logits, cache = api.mlp(x, params, activation)
    Jv = api.mlp_jvp(x, params, v, activation)
    _, Fv = api.mlp_backward(api.categorical_fisher(logits, Jv) / len(x), cache)

    step = tolerances.COMPLEX_STEP_SIZE
    moved = [
        (W + 1j * step * dW, b + 1j * step * db) for (W, b), (dW, db) in zip(params, v, strict=True)
    ]
    new_logits, cache = api.mlp(x, moved, activation)
    _, kl_cache = api.categorical_kl(logits, new_logits)
    dlogits = api.categorical_kl_backward(np.ones(len(x)) / len(x), kl_cache)
    _, gradient = api.mlp_backward(dlogits, cache)
    for product, by_step in zip(leaves(Fv), leaves(gradient), strict=True):
        expected = by_step.imag / step
        scale = max(1.0, *(abs(array).max() for array in leaves(Fv)))
        assert_close(product / scale, expected / scale, tolerances.COMPLEX_STEP)


@property_of("mlp_jvp", case=networks_and_directions())
def test_mlp_jvp_activates_with_tanh_unless_told_otherwise(api, case):
    x, params, dparams, _ = case
    expected = api.mlp_jvp(x, params, dparams, "tanh")
    assert_same(api.mlp_jvp(x, params, dparams), expected)


def test_mlp_rejects_layers_that_do_not_fit(api):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 2))
    fitting = [(rng.normal(size=(2, 4)), rng.normal(size=4)), (rng.normal(size=(4, 5)), np.ones(5))]
    W, b = fitting[1]
    for layer in [(W[:-1], b), (W, b[:-1]), (W, b[:, np.newaxis]), (W[0], b), (W.T, b)]:
        params = [fitting[0], layer]
        with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
            api.mlp(x, params)
        with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
            api.mlp_jvp(x, params, params)
        with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
            api.mlp_jvp(x, fitting, params)
    with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
        api.mlp(x[:, :1], fitting)


# Orthogonal initialisation

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))


@property_of("orthogonal", rng=rngs(), shape=shapes, gain=st.sampled_from([0.01, 1.0, sqrt(2)]))
def test_orthogonal_has_orthonormal_rows_or_columns(api, rng, shape, gain):
    W = api.orthogonal(rng, shape, gain)
    assert W.shape == shape
    gram = W.T @ W if shape[0] >= shape[1] else W @ W.T
    assert_close(gram / gain**2, np.eye(min(shape)))


@property_of("orthogonal", seed=st.integers(0, 99), shape=shapes)
def test_orthogonal_draws_from_the_generator_it_is_given(api, seed, shape):
    rng, twin = np.random.default_rng(seed), np.random.default_rng(seed)
    first = api.orthogonal(rng, shape, 1.0)
    assert_same(api.orthogonal(twin, shape, 1.0), first)
    if shape != (1, 1):
        assert (api.orthogonal(rng, shape, 1.0) != first).any()


@property_of("orthogonal")
def test_orthogonal_is_uniform_over_the_rotations(api):
    """Every entry is as often negative as positive; a bare QR has one sign on its diagonal.

    Of 1000 fair coins 400 to 600 show heads but for one time in 10⁹.
    """
    for shape in [(1, 1), (2, 2), (3, 2), (2, 3)]:
        rng = np.random.default_rng(1)
        draws = np.array([api.orthogonal(rng, shape, 1.0) for _ in range(1000)])
        positive = (draws > 0).sum(axis=0)
        assert ((positive > 400) & (positive < 600)).all()
