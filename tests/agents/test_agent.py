"""One flat vector, views of it, and the whole gradient by complex step."""

import numpy as np
import pytest
from properties import (
    assert_close,
    assert_same,
    by_central_difference,
    by_complex_step,
    cotangent,
)
from scripted import COPIES
from tolerances import CENTRAL_DIFFERENCE, COMPLEX_STEP, EXACT, SMALLEST_GRADIENT

from npppo.agents.agent import Agent, Architecture, initial_parameters

N, D, A = 6, 3, 4

ACTIONS = {"categorical": A, "multi_categorical": (3, 2, 4), "bernoulli": A, "gaussian": A}
ARCHITECTURES = [
    Architecture(D, actions, head, net_arch, activation, shared)
    for head, actions in ACTIONS.items()
    for shared in (False, True)
    for net_arch, activation in [((8, 4), "tanh"), ((8, 4), "relu"), ((6,), "tanh"), ((), "tanh")]
]
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
rng = np.random.default_rng(3)
OBSERVATIONS = rng.normal(size=(N, D))


def agent_for(architecture, dtype=np.float64):
    """Parameters of order one: the initial policy is nearly uniform, which hides mistakes."""
    parameters = np.random.default_rng(4).normal(size=architecture.size())
    return Agent(architecture, parameters.astype(dtype))


def actions_for(architecture):
    rng = np.random.default_rng(6)
    if architecture.head == "categorical":
        return rng.integers(A, size=N)
    if architecture.head == "multi_categorical":
        return rng.integers(architecture.actions, size=(N, 3))
    if architecture.head == "bernoulli":
        return rng.integers(2, size=(N, A))
    return rng.normal(size=(N, A))


def cotangents_for(architecture):
    outputs, _ = agent_for(architecture).evaluate(OBSERVATIONS, actions_for(architecture))
    rng = np.random.default_rng(7)
    return [cotangent(rng, out) for out in outputs]


def gradient(architecture, cotangents, agent=None):
    agent = agent or agent_for(architecture)
    _, cache = agent.evaluate(OBSERVATIONS, actions_for(architecture))
    return agent.backward(*cotangents, cache)


def numeric_gradient(architecture, cotangents, by=by_complex_step):
    def weighted_outputs(parameters):
        agent = Agent(architecture, parameters)
        outputs, _ = agent.evaluate(OBSERVATIONS, actions_for(architecture))
        return sum(np.sum(d * out) for d, out in zip(cotangents, outputs, strict=True))

    return by(weighted_outputs, agent_for(architecture).parameters)[0]


# Gradients


@every_architecture
def test_the_whole_gradient(architecture):
    cotangents = cotangents_for(architecture)
    actual = gradient(architecture, cotangents)
    by_complex = numeric_gradient(architecture, cotangents)
    by_difference = numeric_gradient(architecture, cotangents, by_central_difference)
    scale = abs(by_complex).max()
    assert_close(actual / scale, by_complex / scale, COMPLEX_STEP)
    assert_close(actual / scale, by_difference / scale, CENTRAL_DIFFERENCE)
    # every part of the vector takes part, or the comparison would prove little about it
    agent = agent_for(architecture)
    agent.parameters[:] = actual
    for layers in (agent.trunk, agent.policy_layers, agent.value_layers):
        for W, b in layers:
            assert abs(W).max() > SMALLEST_GRADIENT
            assert abs(b).max() > SMALLEST_GRADIENT


@every_architecture
@pytest.mark.parametrize("forgotten", [0, 1, 2])
def test_a_gradient_that_forgets_one_output_is_caught(architecture, forgotten):
    cotangents = cotangents_for(architecture)
    expected = numeric_gradient(architecture, cotangents)
    cotangents[forgotten] = np.zeros_like(cotangents[forgotten])
    with pytest.raises(AssertionError):
        assert_close(gradient(architecture, cotangents), expected, COMPLEX_STEP)


@every_architecture
def test_the_gradients_of_both_heads_add_up(architecture):
    dlog_prob, dentropy, dvalues = cotangents_for(architecture)
    of_policy = gradient(architecture, [dlog_prob, dentropy, 0 * dvalues])
    of_value = gradient(architecture, [0 * dlog_prob, 0 * dentropy, dvalues])
    assert_close(of_policy + of_value, gradient(architecture, [dlog_prob, dentropy, dvalues]))

    both = (of_policy != 0) & (of_value != 0)  # what the two heads share: the trunk
    trunk = sum(W.size + b.size for W, b in agent_for(architecture).trunk)
    assert both[:trunk].mean() > 0.5 if trunk else True
    assert not both[trunk:].any()


@every_architecture
def test_the_parts_of_the_gradient_one_by_one(architecture):
    """What comes down from the distribution alone, or from the values alone, is in its place."""
    agent = agent_for(architecture)
    dlog_prob, dentropy, dvalues = cotangents_for(architecture)
    _, cache = agent.evaluate(OBSERVATIONS, actions_for(architecture))
    ddistribution = agent.head.evaluate_backward(dlog_prob, dentropy, cache.head_cache)
    of_policy = gradient(architecture, [dlog_prob, dentropy, 0 * dvalues])
    assert_close(agent.policy_backward(ddistribution, cache), of_policy)

    values, value_cache = agent.value_forward(OBSERVATIONS)
    assert_same(values, agent.values(OBSERVATIONS))
    of_value = gradient(architecture, [0 * dlog_prob, 0 * dentropy, dvalues])
    assert_close(agent.value_backward(dvalues, value_cache), of_value)

    more = tuple(cotangent(np.random.default_rng(9), out) for out in cache.distribution)
    with_more = agent.backward(dlog_prob, dentropy, dvalues, cache, more)
    assert_close(with_more, of_policy + of_value + agent.policy_backward(more, cache))


@every_architecture
def test_the_derivative_along_a_direction(architecture):
    agent = agent_for(architecture)
    direction = np.random.default_rng(9).normal(size=architecture.size())
    moved = Agent(architecture, agent.parameters + 1e-30j * direction).policy(OBSERVATIONS)
    actions = np.zeros_like(agent.head.mode(*agent.policy(OBSERVATIONS)))
    _, cache = agent.evaluate(OBSERVATIONS, actions)
    along = agent.policy_jvp(direction, cache)
    for actual, out in zip(along, moved, strict=True):
        assert_close(actual / abs(actual).max(), out.imag / 1e-30 / abs(actual).max(), COMPLEX_STEP)


@every_architecture
def test_the_heads_fisher_information_is_the_hessian_of_the_mean_kl(architecture):
    """And the KL's gradient is the derivative of the KL, which is 0 at the old distribution."""
    agent = agent_for(architecture)
    old = agent.policy(OBSERVATIONS)
    rng = np.random.default_rng(10)
    new = tuple(out + rng.normal(size=out.shape) for out in old)
    v = tuple(rng.normal(size=out.shape) for out in old)

    def slope(at):
        _, cache = agent.head.kl(*old, *at)
        return agent.head.kl_backward(np.full(N, 1 / N), cache)

    def along(at):
        return tuple(out + 1e-30j * direction for out, direction in zip(at, v, strict=True))

    for actual, hessian in zip(agent.head.fisher(old, v), slope(along(old)), strict=True):
        assert_close(actual, hessian.imag / 1e-30, COMPLEX_STEP)
    kl, _ = agent.head.kl(*old, *along(new))
    pairs = zip(slope(new), v, strict=True)
    assert_close(sum(np.sum(d * direction) for d, direction in pairs), kl.mean().imag / 1e-30)
    assert abs(np.concatenate(slope(old), axis=None)).max() < SMALLEST_GRADIENT


@pytest.mark.parametrize("head", ["categorical", "multi_categorical"])
def test_a_masked_action_has_no_part_in_anything(head):
    """The other probabilities, the entropy and all gradients are those of fewer actions."""
    architecture = next(a for a in ARCHITECTURES if a.head == head and a.net_arch == (8, 4))
    agent = agent_for(architecture)
    mask = np.ones((N, agent.head.outputs), bool)
    mask[:, 1] = False
    mask[0, :3] = [True, False, True]
    actions = np.zeros_like(actions_for(architecture))
    (log_prob, entropy, _), cache = agent.evaluate(OBSERVATIONS, actions, mask)
    (logits,) = agent.policy(OBSERVATIONS)
    (masked,) = agent.policy(OBSERVATIONS, mask)
    assert (masked[:, 1] == -np.inf).all()
    cuts = [3, 5] if head == "multi_categorical" else []
    parts = np.split(np.delete(logits, 1, axis=1), [cut - 1 for cut in cuts], axis=1)
    expected = [by_enumeration(part, np.zeros(N, int)) for part in parts]
    assert_close(log_prob, sum(log_prob for log_prob, _ in expected))
    assert_close(entropy, sum(entropy for _, entropy in expected))

    rng = np.random.default_rng(11)
    cotangents = cotangent(rng, log_prob), cotangent(rng, entropy)
    (dlogits,) = agent.head.evaluate_backward(*cotangents, cache.head_cache)
    assert (dlogits[:, 1] == 0).all()
    assert abs(np.delete(dlogits, 1, axis=1)).min() > 0
    flat = agent.backward(*cotangents, np.zeros(N), cache)
    assert np.isfinite(flat).all()
    W, b = Agent(architecture, flat).policy_layers[-1]
    assert (W[:, 1] == 0).all() and b[1] == 0

    noise = agent.head.noise(rng, (100_000,))
    drawn = agent.head.sample(np.repeat(masked[:1], 100_000, axis=0), noise)
    first = drawn if drawn.ndim == 1 else drawn[:, 0]
    assert (first != 1).all() and (first == 0).any() and (first == 2).any()
    kl, kl_cache = agent.head.kl(masked, masked)
    assert_same(kl, np.zeros(N))
    (dmasked,) = agent.head.kl_backward(np.ones(N), kl_cache)
    assert (dmasked[:, 1] == 0).all()


def test_only_a_shared_trunk_is_shared():
    for architecture in ARCHITECTURES:
        has_trunk = bool(agent_for(architecture).trunk)
        assert has_trunk == (architecture.shared_trunk and architecture.net_arch != ())


# The flat vector


@every_architecture
def test_the_layers_are_views_of_the_parameters(architecture):
    agent = agent_for(architecture)
    layers = [*agent.trunk, *agent.policy_layers, *agent.value_layers]
    pieces = [piece for layer in layers for piece in layer]
    if architecture.head == "gaussian":
        pieces.append(agent.policy(OBSERVATIONS)[1])  # log_std
    assert sum(piece.size for piece in pieces) == agent.parameters.size == architecture.size()
    for piece in pieces:
        assert np.shares_memory(piece, agent.parameters)

    # writing distinct numbers shows that each place belongs to exactly one of them
    agent.parameters[:] = np.arange(agent.parameters.size)
    assert sorted(x for piece in pieces for x in piece.flat) == list(range(agent.parameters.size))


@every_architecture
def test_writing_to_the_parameters_changes_the_agent(architecture):
    agent, other = agent_for(architecture), agent_for(architecture)
    actions = actions_for(architecture)
    before = agent.evaluate(OBSERVATIONS, actions)[0]
    agent.parameters[:] = np.random.default_rng(8).normal(size=agent.parameters.size)
    other.parameters[:] = agent.parameters
    for old, new, same in zip(
        before,
        agent.evaluate(OBSERVATIONS, actions)[0],
        other.evaluate(OBSERVATIONS, actions)[0],
        strict=True,
    ):
        assert abs(old - new).min() > SMALLEST_GRADIENT
        assert_same(new, same)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", COPIES)
@every_architecture
def test_a_copy_is_an_agent_of_its_own(architecture, way, dtype):
    """Writing into its parameters changes it, and it alone, as it would the original."""
    agent, control = agent_for(architecture, dtype), agent_for(architecture, dtype)
    actions = actions_for(architecture)
    twin = COPIES[way](agent)
    assert twin.architecture == architecture
    assert_same(twin.parameters, agent.parameters)
    rng = np.random.default_rng(8)
    for changed, other in ((twin, agent), (agent, COPIES[way](twin))):
        new = rng.normal(size=architecture.size())
        before = other.evaluate(OBSERVATIONS, actions)[0]
        changed.parameters[:] = new
        control.parameters[:] = new
        outputs, cache = changed.evaluate(OBSERVATIONS, actions)
        expected, control_cache = control.evaluate(OBSERVATIONS, actions)
        cotangents = [np.ones_like(out) for out in outputs]
        assert_same(
            changed.backward(*cotangents, cache), control.backward(*cotangents, control_cache)
        )
        for one, same, old, still in zip(
            outputs, expected, before, other.evaluate(OBSERVATIONS, actions)[0], strict=True
        ):
            assert_same(one, same)
            assert_same(still, old)
            assert (one != old).all()


@pytest.mark.parametrize("way", sorted(set(COPIES) - {"copy"}))
def test_what_was_one_array_is_one_in_the_copy(way):
    """An optimiser that holds the parameters beside the agent goes on holding them."""
    agent = agent_for(ARCHITECTURES[0])
    twin, parameters = COPIES[way]((agent, agent.parameters))
    assert twin.parameters is parameters


def test_assigning_to_the_parameters_writes_into_them():
    """Another array in their place would no longer be what the layers are views of."""
    agent, other = agent_for(ARCHITECTURES[0]), agent_for(ARCHITECTURES[0])
    vector = agent.parameters
    agent.parameters = 2 * vector
    agent.parameters += 1
    other.parameters[:] = 2 * other.parameters + 1
    assert agent.parameters is vector
    assert_same(agent.values(OBSERVATIONS), other.values(OBSERVATIONS))
    with pytest.raises(ValueError, match="could not broadcast"):
        agent.parameters = np.zeros(7)


def test_the_wrong_number_of_parameters_is_refused():
    architecture = ARCHITECTURES[0]
    with pytest.raises(ValueError, match=rf"\(7,\).*\({architecture.size()},\)"):
        Agent(architecture, np.zeros(7))


# Outputs


def by_enumeration(logits, actions):
    """Log-probabilities of the actions and entropies, from nothing but the definition."""
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.log(p[np.arange(len(p)), actions]), -(p * np.log(p)).sum(axis=1)


@every_architecture
def test_evaluate_policy_and_values_agree(architecture):
    agent = agent_for(architecture)
    actions = actions_for(architecture)
    (log_prob, entropy, values), cache = agent.evaluate(OBSERVATIONS, actions)
    distribution = agent.policy(OBSERVATIONS)
    assert_close(values, agent.values(OBSERVATIONS))
    for actual, expected in zip(cache.distribution, distribution, strict=True):
        assert_close(actual, expected)
    if architecture.head == "categorical":
        assert_close(log_prob, by_enumeration(distribution[0], actions)[0])
        assert_close(entropy, by_enumeration(distribution[0], actions)[1])
    elif architecture.head == "multi_categorical":
        logits = np.split(distribution[0], [3, 5], axis=1)
        parts = [by_enumeration(z, actions[:, i]) for i, z in enumerate(logits)]
        assert_close(log_prob, sum(log_prob for log_prob, _ in parts))
        assert_close(entropy, sum(entropy for _, entropy in parts))
    elif architecture.head == "bernoulli":  # a bit is a choice between the logits 0 and z
        pairs = [np.stack([0 * z, z], axis=1) for z in distribution[0].T]
        parts = [by_enumeration(z, actions[:, i]) for i, z in enumerate(pairs)]
        assert_close(log_prob, sum(log_prob for log_prob, _ in parts))
        assert_close(entropy, sum(entropy for _, entropy in parts))
    else:
        mean, log_std = distribution
        density = np.exp(-(((actions - mean) / np.exp(log_std)) ** 2) / 2) / np.exp(log_std)
        assert_close(log_prob, np.log(density / np.sqrt(2 * np.pi)).sum(axis=1))
        assert_close(entropy, (log_std + np.log(2 * np.pi * np.e) / 2).sum())


@every_architecture
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_parameters_rules(architecture, dtype):
    agent = agent_for(architecture, dtype)
    observations = OBSERVATIONS.astype(dtype)
    actions = actions_for(architecture)
    if architecture.head == "gaussian":
        actions = actions.astype(dtype)
    outputs, cache = agent.evaluate(observations, actions)
    cotangents = [np.ones_like(out) for out in outputs]
    for array in (*outputs, *agent.policy(observations), agent.backward(*cotangents, cache)):
        assert array.dtype == dtype


# Actions


def test_categorical_actions_follow_the_probabilities():
    agent = agent_for(ARCHITECTURES[0])
    (logits,) = agent.policy(OBSERVATIONS[:1])
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    n = 100_000
    noise = agent.head.noise(np.random.default_rng(0), (n,))  # (n, A)
    actions = agent.head.sample(np.repeat(logits, n, axis=0), noise)
    assert_close(np.bincount(actions, minlength=A) / n, p, 0.01)  # six standard errors or more
    assert_same(agent.head.mode(logits), np.array([p.argmax()]))


def test_gaussian_actions_are_the_mean_plus_the_noise():
    agent = agent_for(next(a for a in ARCHITECTURES if a.head == "gaussian"))
    mean, log_std = agent.policy(OBSERVATIONS)
    noise = agent.head.noise(np.random.default_rng(0), (N,))
    assert noise.shape == (N, A)
    assert_close(agent.head.sample(mean, log_std, noise), mean + np.exp(log_std) * noise)
    mode = agent.head.mode(mean, log_std)
    assert_same(mode, mean)
    assert not np.shares_memory(mode, mean)


# Initial parameters


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("head", ["categorical", "bernoulli", "gaussian"])
def test_initial_gains(head, shared):
    """All singular values of an orthogonal matrix times a gain are that gain."""
    architecture = Architecture(5, 3, head, (8, 6), "tanh", shared)
    agent = Agent(architecture, initial_parameters(architecture, np.random.default_rng(0), float))
    hidden = [2**0.5] * 2
    trunk, policy, value = (hidden, [], []) if shared else ([], hidden, hidden)
    for layers, gains in [
        (agent.trunk, trunk),
        (agent.policy_layers, [*policy, 0.01]),
        (agent.value_layers, [*value, 1.0]),
    ]:
        for (W, b), gain in zip(layers, gains, strict=True):
            singular = np.linalg.svd(W, compute_uv=False)
            assert_close(singular, np.full(min(W.shape), gain), EXACT)
            assert_same(b, np.zeros_like(b))
    if head == "gaussian":
        assert_same(agent.policy(np.zeros((1, 5)))[1], np.zeros(3))


def test_initial_parameters_depend_on_the_seed_alone():
    architecture = ARCHITECTURES[0]
    one, same, other = (
        initial_parameters(architecture, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert one.dtype == np.float32
    assert_same(one, same)
    assert (one != other).any()
