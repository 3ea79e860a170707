"""npppo against PyTorch, in float64: every formula, then one whole PPO iteration.

    python examples/measure/compare_with_pytorch.py

Part 1 runs each function of the contract on random and on extreme inputs, forward and gradient,
beside PyTorch's own function and autograd; the gradient is that of a random weighting of the
output. An error is the largest difference in an array, relative to its largest entry; the bar is
1e-10. Where PyTorch returns inf or nan, the table says so and compares the other entries; where it
returns finite numbers that are known to be wrong, the row says why and does not count.

Part 2 makes one PPO iteration of 4 epochs x 4 minibatches as CleanRL's ppo.py does it, from the
same weights, data and permutations, and compares the parameters; the bar is 1e-9.

Exit code 0 if everything agrees, 1 if not, 2 without PyTorch.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import npppo
import npppo.contract
from npppo.agents.agent import Agent, Architecture, initial_parameters
from npppo.agents.rollout import Batch
from npppo.algorithms.descent import State
from npppo.algorithms.ppo import PPOConfig, update

try:
    import torch
    import torch.nn.functional as F
    from torch.distributions import Categorical, Normal, kl_divergence
except ImportError:
    print("This comparison needs PyTorch: pip install torch")
    sys.exit(2)

CONTRACT = [name for name in npppo.contract.__all__ if not name.endswith("_backward")]
FORMULA_BAR = 1e-10
ITERATION_BAR = 1e-9
# random by nature, or by PyTorch's own rules
NO_COUNTERPART = {"categorical_sample", "bernoulli_sample", "orthogonal"}


# Part 1: the formulas


@dataclass
class Case:
    """One function on one set of inputs; `wrt` are the positions of its differentiable ones."""

    name: str
    inputs: str
    args: tuple[Any, ...]
    theirs: Callable[..., Any]
    wrt: tuple[int, ...] = ()
    ours: Callable[..., Any] | None = None  # where npppo.NAME(*args) is not the whole story
    fault: str = ""  # what PyTorch is known to get wrong here


def tensors(value: Any) -> Any:
    """The same nest of lists and tuples with a tensor for each array."""
    if isinstance(value, (list, tuple)):
        return type(value)(tensors(item) for item in value)
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def leaves(value: Any) -> list[Any]:
    """The arrays or tensors in a nest of lists and tuples, in order."""
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def compare(case: Case, rng: np.random.Generator) -> tuple[float, float | None, str]:
    """Relative error of the output and of the gradient, and where only PyTorch's are not finite."""
    ours = case.ours or getattr(npppo, case.name)
    their_args = tensors(case.args)
    inputs = leaves([their_args[i] for i in case.wrt])
    for tensor in inputs:
        tensor.requires_grad_()
    their_out = case.theirs(*their_args)
    with np.errstate(over="ignore"):
        result = ours(*case.args)
    if not case.wrt:
        forward, excuse = error(leaves(result), leaves(their_out))
        return forward, None, excuse

    out, cache = result
    forward, excuse = error([out], [their_out])
    excuses = [f"{excuse} in the output"] if excuse else []
    dout = rng.standard_normal(np.shape(out))  # as out
    gradients = leaves(getattr(npppo, f"{case.name}_backward")(dout, cache))
    their_gradients = torch.autograd.grad(their_out, inputs, torch.tensor(dout))
    backward, excuse = error(gradients, their_gradients)
    excuses += [f"{excuse} in the gradient"] if excuse else []
    return forward, backward, ", ".join(excuses)


def error(ours: list[Any], theirs: Any) -> tuple[float, str]:
    """Largest relative error over pairs of arrays; and "inf" or "nan" where only theirs are."""
    worst, excuse = 0.0, ""
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(a), np.asarray(torch.as_tensor(b).detach())
        if a.shape != b.shape:
            return np.inf, excuse
        alone = np.isfinite(a) & ~np.isfinite(b)
        if alone.any():
            excuse = "nan" if np.isnan(b).any() else "inf"
        a, b = a[~alone], b[~alone]
        if not np.array_equal(a[~np.isfinite(a)], b[~np.isfinite(a)], equal_nan=True):
            return np.inf, excuse
        a, b = a[np.isfinite(a)], b[np.isfinite(a)]
        difference, largest = abs(a - b).max(initial=0), abs(b).max(initial=0)
        if difference > 0:
            worst = max(worst, difference / largest if largest else np.inf)
    return float(worst), excuse


def torch_mlp(x: Any, params: Any, activation: str = "tanh") -> Any:
    act = {"tanh": torch.tanh, "relu": torch.relu}[activation]
    for i, (W, b) in enumerate(params):
        x = (act(x) if i else x) @ W + b  # (N, width)
    return x


def torch_mlp_jvp(x: Any, params: Any, dparams: Any, activation: str) -> Any:
    def along(p: Any) -> Any:
        return torch_mlp(x, p, activation)

    return torch.func.jvp(along, (params,), (dparams,))[1]


def torch_log_prob(logits: Any, actions: Any) -> Any:
    return -F.cross_entropy(logits, actions, reduction="none")  # (N,)


def torch_entropy(logits: Any) -> Any:
    return -(torch.softmax(logits, 1) * torch.log_softmax(logits, 1)).sum(1)  # (N,)


def torch_kl(old_logits: Any, logits: Any) -> Any:
    log_p, old_log_p = torch.log_softmax(logits, 1), torch.log_softmax(old_logits, 1)  # (N, A)
    return F.kl_div(log_p, old_log_p, reduction="none", log_target=True).sum(1)  # (N,)


def distribution_log_prob(logits: Any, actions: Any) -> Any:
    return Categorical(logits=logits, validate_args=False).log_prob(actions)  # (N,)


def distribution_entropy(logits: Any) -> Any:
    return Categorical(logits=logits, validate_args=False).entropy()  # (N,)


def distribution_kl(old_logits: Any, logits: Any) -> Any:
    return kl_divergence(Categorical(logits=old_logits), Categorical(logits=logits))  # (N,)


def torch_fisher(logits: Any, v: Any) -> Any:
    """F v as the softmax's Jacobian times v."""
    return torch.func.jvp(lambda z: torch.softmax(z, 1), (logits,), (v,))[1]  # (N, A)


def bit_log_prob(logits: Any, actions: Any) -> Any:
    bits = actions.to(logits.dtype)  # (N, A)
    return -F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(1)  # (N,)


def bit_entropy(logits: Any) -> Any:
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)  # (N, A)
    return -(log_p.exp() * log_p + log_q.exp() * log_q).sum(1)  # (N,)


def bit_kl(old_logits: Any, logits: Any) -> Any:
    both = torch.stack([old_logits, -old_logits]), torch.stack([logits, -logits])  # (2, N, A)
    old_log_p, log_p = map(F.logsigmoid, both)
    return F.kl_div(log_p, old_log_p, reduction="none", log_target=True).sum((0, 2))  # (N,)


def bit_fisher(logits: Any, v: Any) -> Any:
    return torch.func.jvp(torch.sigmoid, (logits,), (v,))[1]  # (N, A)


def normal_fisher(log_std: Any, vmean: Any, vlog_std: Any) -> Any:
    """The Hessian of the KL divergence at equal policies, row by row, times v."""

    def kl(mean: Any, new_log_std: Any) -> Any:
        old = Normal(torch.zeros_like(mean), log_std.exp())
        return kl_divergence(old, Normal(mean, new_log_std.exp())).sum()

    rows = []
    for v in vmean:
        at, along = (torch.zeros_like(v), log_std), (v, vlog_std)
        rows.append(torch.autograd.functional.hvp(kl, at, along)[1])
    return torch.stack([row[0] for row in rows]), rows[0][1]  # (N, A), (A,)


def torch_unclipped(log_prob: Any, old_log_prob: Any, advantages: Any) -> Any:
    return -(torch.exp(log_prob - old_log_prob) * advantages).mean()


def torch_dual_clip(
    log_prob: Any, old_log_prob: Any, advantages: Any, low: float, high: float, bound: float
) -> Any:
    ratio = torch.exp(log_prob - old_log_prob)  # (N,)
    clipped = torch.clamp(ratio, 1 - low, 1 + high)  # (N,)
    smaller = torch.min(ratio * advantages, clipped * advantages)  # (N,)
    bounded = torch.max(smaller, bound * advantages)  # (N,)
    return -torch.where(advantages < 0, bounded, smaller).mean()


def torch_spo(log_prob: Any, old_log_prob: Any, advantages: Any, clip: float) -> Any:
    ratio = torch.exp(log_prob - old_log_prob)  # (N,)
    return -(ratio * advantages - advantages.abs() / (2 * clip) * (ratio - 1) ** 2).mean()


def torch_surrogate(log_prob: Any, old_log_prob: Any, advantages: Any, clip: float) -> Any:
    ratio = torch.exp(log_prob - old_log_prob)  # (N,)
    clipped = torch.clamp(ratio, 1 - clip, 1 + clip)  # (N,)
    return torch.max(-advantages * ratio, -advantages * clipped).mean()


def torch_value_loss(values: Any, targets: Any) -> Any:
    return 0.5 * ((values - targets) ** 2).mean()


def torch_clipped_value_loss(values: Any, old_values: Any, targets: Any, clip: float) -> Any:
    clipped = old_values + torch.clamp(values - old_values, -clip, clip)  # (N,)
    return 0.5 * torch.max((values - targets) ** 2, (clipped - targets) ** 2).mean()


def torch_explained_variance(values: Any, targets: Any) -> Any:
    return 1 - (targets - values).var() / targets.var()


def torch_ppo_loss(
    logits: Any,
    values: Any,
    actions: Any,
    old_log_prob: Any,
    advantages: Any,
    targets: Any,
    clip: float,
    vf_coef: float,
    ent_coef: float,
) -> Any:
    return (
        torch_surrogate(torch_log_prob(logits, actions), old_log_prob, advantages, clip)
        + vf_coef * torch_value_loss(values, targets)
        - ent_coef * torch_entropy(logits).mean()
    )


def torch_gae(
    rewards: Any, values: Any, next_values: Any, term: Any, trunc: Any, gamma: float, lam: float
) -> Any:
    """Schulman et al. 2016, eq. 16, as the sum that it is, one row and column at a time."""
    T, E = rewards.shape
    deltas = rewards + gamma * torch.where(term, 0.0, next_values) - values  # (T, E)
    advantages = torch.zeros_like(rewards)  # (T, E)
    for start in range(T):
        for e in range(E):
            for t in range(start, T):
                advantages[start, e] += (gamma * lam) ** (t - start) * deltas[t, e]
                if term[t, e] or trunc[t, e]:
                    break
    return advantages


def torch_returns(rewards: Any, next_values: Any, term: Any, trunc: Any, gamma: float) -> Any:
    """Reward-to-go: GAE with λ = 1 and values of 0 wherever an episode goes on."""
    last = torch.arange(len(rewards))[:, None] == len(rewards) - 1  # (T, 1)
    bootstrap = torch.where(trunc | last, next_values, 0.0)  # (T, E)
    return torch_gae(rewards, torch.zeros_like(rewards), bootstrap, term, trunc, gamma, 1.0)


def torch_clip_grad_norm(grads: list[Any], max_norm: float) -> Any:
    """Without the 1e-6 that torch.nn.utils.clip_grad_norm_ adds to the norm."""
    norm = torch.nn.utils.get_total_norm(grads)
    return [grad * min(1.0, max_norm / norm) for grad in grads], norm


def torch_steps(optimizer: Any, **settings: Any) -> Callable[..., Any]:
    """The optimizer's steps along given gradients (steps, ...)."""

    def run(param: Any, grads: Any) -> Any:
        param = param.clone().requires_grad_()
        stepper = optimizer([param], **settings)
        for grad in grads:
            param.grad = grad
            stepper.step()
        return param

    return run


def adam_steps(param: Any, grads: Any) -> Any:
    m = v = np.zeros_like(param)
    for step, grad in enumerate(grads, start=1):
        param, m, v = npppo.adam_step(param, grad, m, v, step, 0.1, eps=1e-5)
    return param


def rmsprop_steps(param: Any, grads: Any) -> Any:
    v = np.zeros_like(param)
    for grad in grads:
        param, v = npppo.rmsprop_step(param, grad, v, 0.1, 0.99, 1e-5)
    return param


def layer_cases(rng: np.random.Generator) -> Iterator[Case]:
    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape)

    def network(scale: float) -> Any:
        sizes = [(5, 16), (16, 16), (16, 3)]
        return [(scale * normal(*size) / size[0] ** 0.5, normal(size[1])) for size in sizes]

    for inputs, x_scale, W_scale in (
        ("random", 1, 1),
        ("x of 1e150, W of 1e-140", 1e150, 1e-140),
        ("x of 1e-150, W of 1e-150", 1e-150, 1e-150),
    ):
        x, W, b = x_scale * normal(32, 5), W_scale * normal(5, 7), normal(7)
        yield Case("linear", inputs, (x, W, b), lambda x, W, b: x @ W + b, (0, 1, 2))
    for name in ("tanh", "relu"):
        for inputs, scale in (
            ("random", 1),
            ("of 1e-150", 1e-150),
            ("1 to 1e3", np.logspace(0, 3, 5)),
        ):
            yield Case(name, inputs, (scale * normal(32, 5),), getattr(torch, name), (0,))
        for inputs, scale in (("random", 1), ("weights of 1e-3", 1e-3), ("weights of 1e2", 1e2)):
            args = (normal(32, 5), network(scale))
            yield Case("mlp", f"{name}, {inputs}", (*args, name), torch_mlp, (0, 1))
            tangent = network(1.0)
            yield Case("mlp_jvp", f"{name}, {inputs}", (*args, tangent, name), torch_mlp_jvp)


def policy_cases(rng: np.random.Generator) -> Iterator[Case]:
    N, A = 64, 4
    actions = rng.integers(0, A, N)  # (N,)

    for inputs, scale, offset in (
        ("random", 1, 0),
        ("logits of ±0.1", 0.1, 0),
        ("logits + 1e6", 1, 1e6),
        ("logits of ±1e3, p underflows", 1e3, 0),
        ("logits of ±1e300", 1e300, 0),
        ("logits of ±1.7e308", 1.7e308, 0),
    ):
        unit = rng.uniform(-1, 1, (2, N, A))  # (2, N, A)
        unit[:, 0] = [1, -1, 1, -1]  # a row with both ends and a tie
        unit[:, 1] /= max(scale, 1)  # and an ordinary one
        logits, old_logits = offset + scale * unit  # (N, A) each
        v = rng.standard_normal((N, A))
        yield Case("softmax", inputs, (logits,), lambda z: torch.softmax(z, 1), (0,))
        yield Case("log_softmax", inputs, (logits,), lambda z: torch.log_softmax(z, 1), (0,))
        yield Case("categorical_log_prob", inputs, (logits, actions), torch_log_prob, (0,))
        yield Case("categorical_entropy", inputs, (logits,), torch_entropy, (0,))
        yield Case("categorical_kl", inputs, (old_logits, logits), torch_kl, (1,))
        yield Case("categorical_fisher", inputs, (logits, v), torch_fisher)

        bits = rng.integers(0, 2, (N, A))  # (N, A)
        yield Case("bernoulli_log_prob", inputs, (logits, bits), bit_log_prob, (0,))
        yield Case("bernoulli_entropy", inputs, (logits,), bit_entropy, (0,))
        yield Case("bernoulli_kl", inputs, (old_logits, logits), bit_kl, (1,))
        yield Case("bernoulli_fisher", inputs, (logits, v), bit_fisher)

        # what most PPO programs use
        large = max(scale, offset) > 1
        fault = "z - logsumexp(z) loses digits beside a large z" if large else ""
        kl_fault = "inf where p underflows" if scale > 1 else fault
        for name, args, theirs, wrt, known in (
            ("categorical_log_prob", (logits, actions), distribution_log_prob, (0,), fault),
            ("categorical_entropy", (logits,), distribution_entropy, (0,), fault),
            ("categorical_kl", (old_logits, logits), distribution_kl, (1,), kl_fault),
        ):
            yield Case(name, f"{inputs}, Categorical", args, theirs, wrt, fault=known)

    def log_prob(mean: Any, log_std: Any, actions: Any) -> Any:
        return Normal(mean, log_std.exp()).log_prob(actions).sum(1)  # (N,)

    def gaussian_kl(old_mean: Any, old_log_std: Any, mean: Any, log_std: Any) -> Any:
        old, new = Normal(old_mean, old_log_std.exp()), Normal(mean, log_std.exp())
        return kl_divergence(old, new).sum(1)  # (N,)

    for inputs, scale, width in (
        ("random", 1, 1),
        ("means of 1e3", 1e3, 1),
        ("log_std of ±20", 1, 20),
        ("means of 1e-9", 1e-9, 1),
    ):
        mean, old_mean, taken = scale * rng.standard_normal((3, N, A))
        log_std, old_log_std = width * rng.uniform(-1, 1, (2, A))
        yield Case("gaussian_log_prob", inputs, (mean, log_std, taken), log_prob, (0, 1))
        yield Case(
            "gaussian_entropy",
            inputs,
            (log_std,),
            lambda s: Normal(0, s.exp()).entropy().sum(),
            (0,),
        )
        args = (old_mean, old_log_std, mean, log_std)
        yield Case("gaussian_kl", inputs, args, gaussian_kl, (2, 3))
        yield Case("gaussian_fisher", inputs, (log_std, mean, old_log_std), normal_fisher)


def return_cases(rng: np.random.Generator) -> Iterator[Case]:
    T, E = 40, 3
    for inputs, ends, gamma, lam in (
        ("no episode ends", 0, 0.99, 0.95),
        ("some end", 0.1, 0.99, 0.95),
        ("most end", 0.6, 0.9, 0.5),
        ("γ = λ = 1", 0.1, 1.0, 1.0),
        ("γ = λ = 0", 0.1, 0.0, 0.0),
    ):
        rewards, values, next_values = rng.standard_normal((3, T, E))
        term, trunc = rng.random((2, T, E)) < ends
        args = (rewards, next_values, term, trunc, gamma)
        yield Case("discounted_returns", inputs, args, torch_returns)
        args = (rewards, values, next_values, term, trunc, gamma, lam)
        yield Case("gae", inputs, args, torch_gae)
    behind_ends = np.where(term, np.nan, next_values)  # (T, E)
    args = (rewards, behind_ends, term, trunc, 0.99)
    yield Case("discounted_returns", "nan behind the ends", args, torch_returns)
    args = (rewards, values, behind_ends, term, trunc, 0.99, 0.95)
    yield Case("gae", "nan behind the ends", args, torch_gae)

    def normalize(a: Any) -> Any:
        return (a - a.mean()) / (a.std(correction=0) + 1e-8)

    for inputs, scale in (("random", 1), ("of 1e-9", 1e-9), ("of 1e150", 1e150)):
        yield Case("normalize_advantages", inputs, (scale * rng.standard_normal(64),), normalize)
    yield Case("normalize_advantages", "all equal", (np.full(64, 3.0),), normalize)


def loss_cases(rng: np.random.Generator) -> Iterator[Case]:
    N, A, clip = 64, 4, 0.2

    def sided(low: float, high: float) -> Any:
        return rng.uniform(low, high, N)  # (N,)

    old_log_prob = sided(-2, 0)  # (N,)
    for inputs, log_ratio, advantages in (
        ("random", sided(-0.5, 0.5), rng.standard_normal(N)),
        ("A > 0, r < 1 - clip", sided(-1, -0.3), sided(0.1, 2)),
        ("A > 0, r inside", sided(-0.1, 0.1), sided(0.1, 2)),
        ("A > 0, r > 1 + clip", sided(0.3, 1), sided(0.1, 2)),
        ("A < 0, r < 1 - clip", sided(-1, -0.3), -sided(0.1, 2)),
        ("A < 0, r inside", sided(-0.1, 0.1), -sided(0.1, 2)),
        ("A < 0, r > 1 + clip", sided(0.3, 1), -sided(0.1, 2)),
        ("r = 1, A = 0", np.zeros(N), np.zeros(N)),
        ("r of e^±600", sided(-600, 600), rng.standard_normal(N)),
        ("A > 0, r overflows", sided(800, 900), sided(0.1, 2)),
    ):
        log_prob = old_log_prob + log_ratio  # (N,)
        args = (log_prob, old_log_prob, advantages, clip)
        yield Case("clipped_surrogate_loss", inputs, args, torch_surrogate, (0,))
        yield Case("surrogate_loss", inputs, args[:3], torch_unclipped, (0,))
        limits = (*args[:3], clip, 0.28, 1.5)
        yield Case("dual_clip_loss", inputs, limits, torch_dual_clip, (0,))
        yield Case("spo_loss", inputs, args, torch_spo, (0,))
        # the same ratio for ppo_loss, whose log-probabilities come from logits
        logits, actions = rng.standard_normal((N, A)), rng.integers(0, A, N)
        log_p, _ = npppo.categorical_log_prob(logits, actions)  # (N,)
        args = (logits, rng.standard_normal(N), actions, log_p - log_ratio, advantages)
        args = (*args, rng.standard_normal(N), clip, 0.5, 0.01)
        yield Case("ppo_loss", inputs, args, torch_ppo_loss, (0, 1))

    logits, actions = rng.uniform(-1e3, 1e3, (N, A)), rng.integers(0, A, N)
    log_p, _ = npppo.categorical_log_prob(logits, actions)  # (N,)
    args = (logits, rng.standard_normal(N), actions, log_p + sided(-0.5, 0.5))
    args = (*args, *rng.standard_normal((2, N)), clip, 0.5, 0.01)
    yield Case("ppo_loss", "logits of ±1e3, p underflows", args, torch_ppo_loss, (0, 1))

    for inputs, width in (("random", 0.5), ("equal policies", 0), ("r of e^±600", 600)):
        log_prob = old_log_prob + sided(-width, width)  # (N,)
        pair = (log_prob, old_log_prob)
        yield Case("importance_ratio", inputs, pair, lambda a, b: torch.exp(a - b), (0,))
        yield Case("approx_kl", inputs, pair, lambda a, b: (torch.expm1(a - b) - (a - b)).mean())
        yield Case(
            "clip_fraction",
            inputs,
            (*pair, clip),
            lambda a, b, clip: ((torch.exp(a - b) - 1).abs() > clip).double().mean(),
        )

    for inputs, scale in (("random", 1), ("of 1e150", 1e150), ("of 1e-140", 1e-140)):
        a, values, targets, old_values = scale * rng.standard_normal((4, N))
        yield Case(
            "policy_gradient_loss", inputs, (a, values), lambda lp, adv: -(lp * adv).mean(), (0,)
        )
        yield Case("value_loss", inputs, (values, targets), torch_value_loss, (0,))
        args = (values, old_values, targets, clip * scale)
        yield Case("clipped_value_loss", inputs, args, torch_clipped_value_loss, (0,))
        yield Case("explained_variance", inputs, (values, targets), torch_explained_variance)
    for inputs, side in (("all above the band", 1), ("all below the band", -1)):
        args = (old_values + side * sided(0.3, 9), old_values, targets, clip)
        yield Case("clipped_value_loss", inputs, args, torch_clipped_value_loss, (0,))
    args = (values, np.ones(N))
    yield Case("explained_variance", "equal targets", args, torch_explained_variance)


def optimizer_cases(rng: np.random.Generator) -> Iterator[Case]:
    for inputs, scale, fault in (
        ("random, clipped", 1, ""),
        ("below max_norm", 1e-3, ""),
        ("of 1e150", 1e150, ""),
        ("of 1e-150", 1e-150, ""),
        ("of 1e200", 1e200, "the norm overflows to inf and the gradient becomes 0"),
        ("of 1e-200", 1e-200, "the norm underflows to 0"),
    ):
        grads = [scale * rng.standard_normal(shape) for shape in ((4, 64), (64,), (64, 2))]
        yield Case("clip_grad_norm", inputs, (grads, 0.5), torch_clip_grad_norm, fault=fault)
    for inputs, scale in (("random", 1), ("of 1e-8", 1e-8), ("of 1e8", 1e8), ("zero", 0)):
        param, grads = rng.standard_normal(50), scale * rng.standard_normal((20, 50))
        adam = torch_steps(torch.optim.Adam, lr=0.1, eps=1e-5)
        yield Case("adam_step", f"{inputs}, 20 steps", (param, grads), adam, ours=adam_steps)
        rmsprop = torch_steps(torch.optim.RMSprop, lr=0.1, eps=1e-5)
        yield Case(
            "rmsprop_step", f"{inputs}, 20 steps", (param, grads), rmsprop, ours=rmsprop_steps
        )
        sgd = torch_steps(torch.optim.SGD, lr=0.1)
        yield Case(
            "sgd_step",
            inputs,
            (param, grads[:1]),
            sgd,
            ours=lambda param, grads: npppo.sgd_step(param, grads[0], 0.1),
        )
    Q, _ = np.linalg.qr(rng.standard_normal((20, 20)))
    for inputs, scale in (("random", 1), ("of 1e-150", 1e-150)):
        matrix = (Q * rng.uniform(1, 10, 20)) @ Q.T  # (D, D), positive definite
        yield Case(
            "conjugate_gradient",
            inputs,
            (matrix, scale * rng.standard_normal(20)),
            torch.linalg.solve,
            ours=lambda A, b: npppo.conjugate_gradient(lambda x: A @ x, b, 100, 1e-13),
        )
    for fraction in (0.0, 0.3, 1.0):
        args = (3e-4, 1e-5, fraction)
        yield Case("linear_schedule", f"fraction {fraction}", args, lerp)


def lerp(start: float, end: float, fraction: float) -> Any:
    return torch.lerp(*torch.tensor([start, end, fraction], dtype=torch.float64))


def compare_formulas(rng: np.random.Generator) -> bool:
    sources = (layer_cases, policy_cases, return_cases, loss_cases, optimizer_cases)
    cases = [case for source in sources for case in source(rng)]
    order = {name: i for i, name in enumerate(CONTRACT)}
    print(f"{'function':24} {'inputs':44} {'output':>8} {'gradient':>8}")
    worst = 0.0
    for case in sorted(cases, key=lambda case: order[case.name]):
        forward, backward, note = compare(case, rng)
        gradient = "" if backward is None else f"{backward:8.1e}"
        larger = max(forward, backward or 0)
        if case.fault:
            note = "; ".join(filter(None, ["not counted", f"PyTorch: {case.fault}", note]))
        else:
            worst = max(worst, larger)
            note = f"PyTorch: {note}" if note else ""
            note += f"  ABOVE {FORMULA_BAR}" if larger > FORMULA_BAR else ""
        print(f"{case.name:24} {case.inputs:44} {forward:8.1e} {gradient:8}  {note}".rstrip())
    missing = set(CONTRACT) - {case.name for case in cases} - NO_COUNTERPART
    compared = len(CONTRACT) - len(NO_COUNTERPART | missing)
    print(f"\n{len(cases)} comparisons of {compared} functions;")
    print(f"the largest relative error is {worst:.1e}, the bar {FORMULA_BAR:.0e}.")
    print(f"Without a counterpart in PyTorch: {', '.join(sorted(NO_COUNTERPART | missing))}.")
    return worst <= FORMULA_BAR and not missing


# Part 2: one PPO iteration

T, E, EPOCHS, MINIBATCHES = 128, 4, 4, 4
GAMMA, LAM, CLIP, VF_COEF, ENT_COEF, MAX_NORM, LR = 0.99, 0.95, 0.2, 0.5, 0.01, 0.5, 2.5e-4


class GivenOrders:
    """In the place of a random generator: permutations that were drawn before."""

    def __init__(self, orders: Any) -> None:
        self._orders = iter(orders)

    def permutation(self, n: int) -> Any:
        return next(self._orders)  # (N,)


def make_batch(agent: Agent, rng: np.random.Generator) -> Batch:
    """Data as an older policy might have drawn them, far enough off that every clip is at work."""
    observations = rng.standard_normal((T + 1, E, 4))
    rows = observations[:T].reshape(T * E, 4)
    actions = rng.integers(0, 2, T * E)
    (log_probs, _, _), cache = agent.evaluate(rows, actions)
    values = agent.values(observations.reshape(-1, 4)) + rng.normal(0, 0.3, (T + 1) * E)
    values = values.reshape(T + 1, E)
    return Batch(
        observations[:T],
        actions.reshape(T, E),
        log_probs.reshape(T, E) + rng.normal(0, 0.2, (T, E)),
        (cache.distribution[0].reshape(T, E, 2),),
        values[:T],
        values[1:],
        rng.standard_normal((T, E)),
        rng.random((T, E)) < 0.05,
        np.zeros((T, E), bool),
        np.ones((T, E), bool),
        observations[1:],
        np.zeros(E, bool),
    )


def torch_iteration(
    layers: list[Any], batch: Batch, orders: Any, clip_grad_norm: Callable[..., Any]
) -> Any:
    """CleanRL's iteration, but for the advantages' std: the population's, as in npppo."""

    def sequential(part: Any) -> Any:
        modules = []
        for W, b in part:
            linear = torch.nn.Linear(*W.shape, dtype=torch.float64)
            linear.load_state_dict({"weight": torch.tensor(W.T), "bias": torch.tensor(b)})
            modules += [linear, torch.nn.Tanh()]
        return torch.nn.Sequential(*modules[:-1])

    actor, critic = (sequential(part) for part in layers)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LR, eps=1e-5)

    rewards, values = torch.tensor(batch.rewards), torch.tensor(batch.values)  # (T, E)
    next_value = torch.tensor(batch.next_values[-1])  # (E,)
    dones = torch.tensor(batch.terminated).double()  # (T, E): after the step, not before it
    advantages = torch.zeros_like(rewards)  # (T, E)
    last = torch.zeros(E, dtype=torch.float64)  # (E,)
    for t in reversed(range(T)):
        following = next_value if t == T - 1 else values[t + 1]  # (E,)
        delta = rewards[t] + GAMMA * following * (1 - dones[t]) - values[t]  # (E,)
        last = delta + GAMMA * LAM * (1 - dones[t]) * last  # (E,)
        advantages[t] = last
    returns = (advantages + values).reshape(-1)  # (N,)
    advantages, values = advantages.reshape(-1), values.reshape(-1)  # (N,)
    observations = torch.tensor(batch.observations).reshape(-1, 4)  # (N, D)
    actions = torch.tensor(batch.actions).reshape(-1)  # (N,)
    old_log_prob = torch.tensor(batch.log_probs).reshape(-1)  # (N,)

    for order in orders:
        for rows in np.split(order, MINIBATCHES):
            policy = Categorical(logits=actor(observations[rows]))
            A = advantages[rows]  # (N,)
            A = (A - A.mean()) / (A.std(correction=0) + 1e-8)  # CleanRL: correction=1
            log_prob = policy.log_prob(actions[rows])  # (N,)
            policy_loss = torch_surrogate(log_prob, old_log_prob[rows], A, CLIP)
            new_values = critic(observations[rows]).view(-1)  # (N,)
            value_loss = torch_clipped_value_loss(new_values, values[rows], returns[rows], CLIP)
            loss = policy_loss - ENT_COEF * policy.entropy().mean() + VF_COEF * value_loss
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm(parameters, MAX_NORM)
            optimizer.step()
    pieces = [p.detach().numpy().T.ravel() for p in parameters]  # a weight is (M, D) there
    return np.concatenate(pieces)  # (P,)


def exact_clip_grad_norm_(parameters: list[Any], max_norm: float) -> None:
    """torch.nn.utils.clip_grad_norm_ without the 1e-6 that it adds to the norm."""
    grads, _ = torch_clip_grad_norm([p.grad for p in parameters], max_norm)
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad


def compare_iteration(rng: np.random.Generator) -> bool:
    architecture = Architecture(observation_size=4, actions=2)
    agent = Agent(architecture, initial_parameters(architecture, rng, np.float64))
    batch = make_batch(agent, rng)
    orders = [rng.permutation(T * E) for _ in range(EPOCHS)]
    start = agent.parameters.copy()  # (P,)
    layers = [
        [(W.copy(), b.copy()) for W, b in part]
        for part in (agent.policy_layers, agent.value_layers)
    ]
    config = PPOConfig(
        n_envs=E,
        n_steps=T,
        batch_size=T * E // MINIBATCHES,
        n_epochs=EPOCHS,
        gamma=GAMMA,
        gae_lambda=LAM,
        clip_range_vf=CLIP,
        ent_coef=ENT_COEF,
        vf_coef=VF_COEF,
        max_grad_norm=MAX_NORM,
    )
    state = State(np.zeros_like(start), np.zeros_like(start))
    stats = update(agent, state, batch, config, LR, CLIP, GivenOrders(orders))

    moved = abs(agent.parameters - start).max()
    print("\nOne PPO iteration as in CleanRL's ppo.py: 4 environments x 128 steps, 4 epochs x 4")
    print("minibatches, two 64-64 tanh networks, value clipping, entropy bonus, Adam. CleanRL")
    print("divides by the sample's standard deviation of the advantages, npppo by the")
    print("population's, and so does PyTorch here.")
    print(
        f"Clipped ratios: {stats['clip_fraction']:.0%}. Largest change of a parameter: {moved:.1e}."
    )
    exact = torch_iteration(layers, batch, orders, exact_clip_grad_norm_)  # (P,)
    theirs = torch_iteration(layers, batch, orders, torch.nn.utils.clip_grad_norm_)  # (P,)
    difference = abs(agent.parameters - exact).max()
    print("Largest difference of a parameter, where PyTorch scales the gradient by")
    print(f"    max / norm             {difference:.1e}, the bar {ITERATION_BAR:.0e}")
    print(f"    max / (norm + 1e-6)    {abs(agent.parameters - theirs).max():.1e}")
    print("The second is torch.nn.utils.clip_grad_norm_, which npppo does not copy.")
    return difference <= ITERATION_BAR


if __name__ == "__main__":
    torch.set_num_threads(1)
    agree = [
        compare_formulas(np.random.default_rng(0)),
        compare_iteration(np.random.default_rng(0)),
    ]
    sys.exit(0 if all(agree) else 1)
