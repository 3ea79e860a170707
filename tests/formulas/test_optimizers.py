"""Optimisation steps, against the sums that their recursions stand for."""

from math import fsum, sqrt

import numpy as np
from hypothesis import strategies as st
from properties import assert_close, assert_same, property_of
from strategies import (
    away_from_zero,
    gradient_sequences,
    gradients_and_norms,
    rngs,
    sgd_cases,
    sizes,
    spd_systems,
)

# Gradient norm


def norm_of(grads):
    return sqrt(fsum(x * x for g in grads for x in g.flat))


@property_of("clip_grad_norm", case=gradients_and_norms())
def test_clipping_scales_all_gradients_together(api, case):
    grads, max_norm = case
    clipped, norm = api.clip_grad_norm(grads, max_norm)
    assert_close(norm, norm_of(grads))
    scale = min(1, max_norm / norm_of(grads))
    for g, c in zip(grads, clipped, strict=True):
        assert_close(c, g * scale)


@property_of("clip_grad_norm", case=gradients_and_norms())
def test_the_clipped_norm_is_the_smaller_of_the_two(api, case):
    grads, max_norm = case
    clipped, norm = api.clip_grad_norm(grads, max_norm)
    assert_close(norm_of(clipped), min(norm, max_norm))
    assert_close(api.clip_grad_norm(clipped, max_norm)[0][0], clipped[0])


@property_of("clip_grad_norm", case=gradients_and_norms(), power=st.sampled_from([-600, 600]))
def test_clipping_knows_no_unit(api, case, power):
    """Also where the squares would leave the range of a float."""
    grads, max_norm = case
    clipped, norm = api.clip_grad_norm(grads, max_norm)
    unit = 2.0**power
    scaled, scaled_norm = api.clip_grad_norm([g * unit for g in grads], max_norm * unit)
    assert_close(scaled_norm / unit, norm)
    for c, s in zip(clipped, scaled, strict=True):
        assert_close(s / unit, c)


@property_of("clip_grad_norm")
def test_a_gradient_on_the_limit_passes_untouched(api):
    grads = [np.array([3.0, 0.0]), np.array([[4.0]])]
    for max_norm in (5.0, 5.000001, 1e9):
        clipped, norm = api.clip_grad_norm(grads, max_norm)
        assert float(norm) == 5
        for g, c in zip(grads, clipped, strict=True):
            assert_same(c, g)
    clipped, norm = api.clip_grad_norm(grads, 2.5)
    assert float(norm) == 5
    assert_same(clipped[0], np.array([1.5, 0.0]))
    assert_same(clipped[1], np.array([[2.0]]))


@property_of("clip_grad_norm")
def test_a_zero_gradient_stays_zero(api):
    clipped, norm = api.clip_grad_norm([np.zeros(3), np.zeros((2, 2))], 0.5)
    assert float(norm) == 0
    assert_same(clipped[0], np.zeros(3))
    assert_same(clipped[1], np.zeros((2, 2)))


# Steps


@property_of("sgd_step", case=sgd_cases())
def test_sgd_goes_against_the_gradient(api, case):
    param, grad, lr = case
    expected = [p - lr * g for p, g in zip(param.flat, grad.flat, strict=True)]
    assert_close(api.sgd_step(*case), np.array(expected).reshape(param.shape))


HYPERPARAMETERS = [(0.9, 0.999, 1e-8), (0.8, 0.95, 1e-5)]


@property_of("adam_step", case=gradient_sequences(), hyper=st.sampled_from(HYPERPARAMETERS))
def test_adam_is_the_quotient_of_weighted_means(api, case, hyper):
    """m̂ and v̂ are means of all gradients and squares so far, with weights β^(t-i) that sum to 1.

    eps is added to the root of v̂: seen where gradients are of order 1e-4 and eps is 1e-5.
    """
    start, grads = case
    beta1, beta2, eps = hyper
    param, m, v = start, np.zeros(4), np.zeros(4)
    for t, grad in enumerate(grads, start=1):
        before = param
        param, m, v = api.adam_step(before, grad, m, v, t, 0.01, beta1, beta2, eps)
        for j in range(4):
            seen = [float(g[j]) for g in grads[:t]]
            weights1 = [beta1 ** (t - i) for i in range(1, t + 1)]
            weights2 = [beta2 ** (t - i) for i in range(1, t + 1)]
            sum1 = fsum(w * g for w, g in zip(weights1, seen, strict=True))
            sum2 = fsum(w * g * g for w, g in zip(weights2, seen, strict=True))
            step = 0.01 * (sum1 / fsum(weights1)) / (sqrt(sum2 / fsum(weights2)) + eps)
            assert_close((param[j] - before[j]) / 0.01, -step / 0.01, 1e-10)
            assert_close(m[j], (1 - beta1) * sum1)
            assert_close(v[j], (1 - beta2) * sum2)


@property_of(
    "rmsprop_step",
    case=gradient_sequences(),
    hyper=st.sampled_from([(0.99, 1e-8), (0.9, 1e-5)]),
)
def test_rmsprop_divides_by_the_root_of_a_weighted_sum_of_squares(api, case, hyper):
    """eps is added to the root: seen where gradients are of order 1e-4 and eps is 1e-5."""
    start, grads = case
    alpha, eps = hyper
    param, v = start, np.zeros(4)
    for t, grad in enumerate(grads, start=1):
        before = param
        param, v = api.rmsprop_step(before, grad, v, 0.01, alpha, eps)
        for j in range(4):
            terms = [alpha ** (t - i) * float(g[j]) ** 2 for i, g in enumerate(grads[:t], 1)]
            mean_square = (1 - alpha) * fsum(terms)
            assert_close(v[j], mean_square)
            step = 0.01 * grad[j] / (sqrt(mean_square) + eps)
            assert_close((param[j] - before[j]) / 0.01, -step / 0.01, 1e-10)


@property_of("rmsprop_step", case=gradient_sequences())
def test_rmsprop_has_pytorch_s_defaults(api, case):
    param, (grad, v, *_) = case
    default = api.rmsprop_step(param, grad, v * v, 0.01)
    for one, spelled in zip(
        default, api.rmsprop_step(param, grad, v * v, 0.01, 0.99, 1e-8), strict=True
    ):
        assert_same(one, spelled)


@property_of("rmsprop_step")
def test_rmsprop_stands_still_without_a_gradient_and_forgets(api):
    param, v = api.rmsprop_step(np.ones(3), np.zeros(3), np.full(3, 2.0), 0.01, 0.75)
    assert_same(param, np.ones(3))
    assert_same(v, np.full(3, 1.5))


@property_of("adam_step", rng=rngs())
def test_adam_starts_with_a_step_of_the_learning_rate(api, rng):
    """Whatever the size of the gradient, as long as eps is nothing beside it."""
    grad = away_from_zero(rng, 5) * 10.0 ** rng.integers(-3, 4, size=5)
    param, _, _ = api.adam_step(np.zeros(5), grad, np.zeros(5), np.zeros(5), 1, 0.01)
    assert_close(param / 0.01, -np.sign(grad), 1e-4)


@property_of("adam_step", case=gradient_sequences())
def test_adam_has_the_paper_s_defaults(api, case):
    param, (grad, m, v, *_) = case
    args = param, grad, m, v * v, 3, 0.01
    for default, spelled in zip(
        api.adam_step(*args), api.adam_step(*args, 0.9, 0.999, 1e-8), strict=True
    ):
        assert_same(default, spelled)


@property_of("adam_step")
def test_adam_stands_still_without_a_gradient(api):
    zeros = np.zeros(3)
    param, m, v = api.adam_step(np.ones(3), zeros, zeros, zeros, 1, 0.01)
    assert_same(param, np.ones(3))
    assert_same(m, zeros)
    assert_same(v, zeros)


# Conjugate gradient


@property_of("conjugate_gradient", system=spd_systems())
def test_conjugate_gradient_solves_in_as_many_iterations_as_unknowns(api, system):
    matrix, b = system
    x = api.conjugate_gradient(lambda p: matrix @ p, b, len(b))
    assert_close(matrix @ x, b, 1e-9)


@property_of("conjugate_gradient", system=spd_systems(), data=st.data())
def test_each_iterate_is_the_best_of_its_krylov_space(api, system, data):
    """After k iterations: the minimum of x·Ax/2 - x·b over the span of b, Ab, ... A^(k-1) b."""
    matrix, b = system
    k = data.draw(st.integers(1, min(3, len(b))))
    basis, _ = np.linalg.qr(
        np.stack([np.linalg.matrix_power(matrix, j) @ b for j in range(k)], axis=1)
    )
    expected = basis @ np.linalg.solve(basis.T @ matrix @ basis, basis.T @ b)
    assert_close(api.conjugate_gradient(lambda p: matrix @ p, b, k), expected, 1e-8)


@property_of(
    "conjugate_gradient", system=spd_systems(), tolerance=st.sampled_from([0.5, 0.1, 1e-3])
)
def test_conjugate_gradient_stops_at_the_first_good_enough_iterate(api, system, tolerance):
    matrix, b = system

    def solve(*args):
        return api.conjugate_gradient(lambda p: matrix @ p, b, *args)

    def good_enough(x):
        return np.linalg.norm(b - matrix @ x) <= tolerance * np.linalg.norm(b)

    iterates = [solve(k, 0.0) for k in range(1, len(b) + 1)]
    expected = next(x for x in iterates if good_enough(x))
    assert_close(solve(len(b), tolerance), expected)


@property_of("conjugate_gradient", rng=rngs(), D=sizes)
def test_conjugate_gradient_never_divides_zero_by_zero(api, rng, D):
    matrix = np.diag(rng.uniform(1, 2, D))
    for tolerance in (1e-10, 0.0):
        zero = api.conjugate_gradient(lambda p: matrix @ p, np.zeros(D), 10, tolerance)
        assert_same(zero, np.zeros(D))
        # the identity is solved by the first iteration, and nothing is left for the others
        b = 2.0 ** rng.integers(-2, 3, size=D)
        assert_close(api.conjugate_gradient(lambda p: p.copy(), b, 10, tolerance), b)
        # more iterations than unknowns
        x = api.conjugate_gradient(lambda p: matrix @ p, b, 50, tolerance)
        assert_close(matrix @ x, b, 1e-9)


@property_of("conjugate_gradient", rng=rngs(), D=sizes)
def test_a_singular_system_is_solved_where_it_can_be(api, rng, D):
    """As the Fisher matrix of a softmax policy, which does not see a shift of all logits."""
    p = rng.dirichlet(np.ones(D))
    fisher = np.diag(p) - np.outer(p, p)
    b = fisher @ rng.normal(size=D)
    x = api.conjugate_gradient(lambda v: fisher @ v, b, 3 * D)
    assert_close(fisher @ x, b, 1e-8)


@property_of("conjugate_gradient", D=sizes)
def test_a_direction_that_the_matrix_does_not_see_is_not_followed(api, D):
    x = api.conjugate_gradient(lambda v: 0 * v, np.ones(D), 5)
    assert_same(x, np.zeros(D))


# Schedule


@property_of("linear_schedule", start=st.floats(-5, 5), end=st.floats(-5, 5))
def test_the_schedule_is_the_line_from_start_to_end(api, start, end):
    assert_close(api.linear_schedule(start, end, 0.0), start)
    assert_close(api.linear_schedule(start, end, 1.0), end)
    assert_close(api.linear_schedule(start, end, 0.25), 0.75 * start + 0.25 * end)
    assert float(api.linear_schedule(start, 0.0, 1.0)) == 0
