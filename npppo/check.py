"""Is a hand-written backward pass right? The gradient checker, and npppo's own gradients in it.

For `out, cache = forward(*args)` and `grads = backward(dout, cache)` a cotangent `dout` is drawn at
random, and every entry of every gradient is compared with the derivative of the number
<dout, out> = Σ dout · out. That derivative comes from the forward alone, in two independent ways:

    complex step          Im f(x + ih) / h             nothing is subtracted, so h can be tiny and
                                                       the result is exact to rounding
    central difference    (f(x + h) - f(x - h)) / 2h   works for any forward, to about ten digits

The cotangent is never all ones. The outputs of a softmax, say, sum to 1 whatever goes in: for a
cotangent of ones the right gradient is 0, and so is a wrong one times any factor.

The error of a gradient is max|yours - numeric| / max|numeric|, both over all entries of one array.
Rounding is of the size of the largest entry in all of them, so an entry that is small because
terms cancelled has no digits of its own that could be compared.

Source: Squire & Trapp 1998 (complex step).
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from . import categorical, gaussian, layers, losses
from .agent import HEADS, Agent, Architecture
from .shapes import Array, Layers

__all__ = [
    "GradientResult",
    "check_gradient",
    "assert_gradient",
    "check_package",
    "format_table",
]

EPSILON = float(np.finfo(np.float64).eps)  # 2e-16

# The complex step's own error is h² = 1e-60; what remains is the rounding of some thousand
# additions and multiplications.
COMPLEX_STEP = 1e-30
COMPLEX_STEP_BAR = 1e-12

# The central difference is off by h² f'''/6 and, from the subtraction, by EPSILON f / h. At the
# cube root of EPSILON, 6e-6, both are some 1e-11; the bar lets f and f''' be a thousand times
# larger than the gradient.
CENTRAL_STEP = EPSILON ** (1 / 3)
CENTRAL_BAR = 1e-7

# A numeric gradient below this, of numbers of order one, is taken for a rounded 0.
SMALLEST_GRADIENT = 1e-8

Forward = Callable[..., tuple[Any, Any]]
Backward = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class GradientResult:
    """The verdict on the gradient of one argument; `message` says what is wrong, and is else empty.

    An error is nan where there was nothing to compare.
    """

    function: str
    argument: str
    complex_step_error: float
    central_difference_error: float
    ok: bool
    message: str


def check_gradient(
    forward: Forward,
    backward: Backward,
    *args: Any,
    wrt: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    function: str | None = None,
    seed: int | np.random.Generator = 0,
) -> list[GradientResult]:
    """Compare `backward` with numeric derivatives of `forward` at `args`, in float64.

    Gives one result for each array that is differentiated, and one for whatever else breaks the
    convention: something changed in place, a wrong number of gradients. The arrays in a list,
    such as the `params` of `mlp`, are called `params[0][0]`, `params[0][1]` and so on.

    `wrt` names the differentiable arguments in the order in which `backward` returns their
    gradients; without it they are all floating arrays, and lists of them, among `args`. `names`
    are the arguments' names and `function` that of the whole; both are else asked of `forward`.

    A numeric gradient of (almost) 0 is a failure: at such a point the check would prove nothing.
    """
    given = dict(zip(names or _argument_names(forward, len(args)), args, strict=True))
    wrt = list(wrt or [name for name, value in given.items() if _is_differentiable(value)])
    if not wrt or not all(_is_differentiable(given.get(name)) for name in wrt):
        raise ValueError(f"wrt is {wrt}, expected names of floating arrays among {list(given)}")
    probe = _Probe(forward, backward, given, wrt)
    out, rng = probe.out(), np.random.default_rng(seed)
    # no entry is near 0, which would hide the output that goes with it
    dout = np.asarray(rng.choice([-1, 1], out.shape) * rng.uniform(0.5, 1.5, out.shape))

    faults = _misconduct(probe, dout)
    names = [] if "gradients" in faults else list(probe.arrays())

    function = function or _name(forward)
    results = []
    for name in names:
        complex_error, central_error, message = _compare(probe, name, dout)
        message = "; ".join(filter(None, [faults.pop(name, ""), message]))
        results.append(
            GradientResult(function, name, complex_error, central_error, not message, message)
        )
    for name, message in faults.items():
        results.append(GradientResult(function, name, np.nan, np.nan, False, message))
    return results


def assert_gradient(forward: Forward, backward: Backward, *args: Any, **options: Any) -> None:
    """`check_gradient` for use in a test: raises AssertionError saying what is wrong, and where."""
    results = check_gradient(forward, backward, *args, **options)
    failures = [f"{r.function}, {r.argument}: {r.message}" for r in results if not r.ok]
    if failures:
        raise AssertionError("\n".join(failures))


def format_table(results: Sequence[GradientResult]) -> str:
    """The results as a table for the terminal; below it what is wrong, where something is."""
    rows = [("function", "argument", "complex step", "central difference", "verdict")]
    for r in results:
        errors = f"{r.complex_step_error:.1e}", f"{r.central_difference_error:.1e}"
        rows.append((r.function, r.argument, *errors, "ok" if r.ok else "WRONG"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines += [f"\n{r.function}, {r.argument}: {r.message}" for r in results if not r.ok]
    return "\n".join(lines)


# The numeric derivatives of <dout, f(x)> by every entry of x


def complex_step(f: Callable[[Array], Array], x: Array, dout: Array) -> Array:
    gradient = np.empty_like(x)
    for i in range(x.size):
        moved = x.astype(complex)
        moved.flat[i] += 1j * COMPLEX_STEP
        gradient.flat[i] = (dout * f(moved).imag).sum() / COMPLEX_STEP
    return gradient


def central_difference(f: Callable[[Array], Array], x: Array, dout: Array) -> Array:
    gradient = np.empty_like(x)
    for i in range(x.size):
        h = CENTRAL_STEP * max(1.0, abs(x.flat[i]))
        ahead, behind = x.copy(), x.copy()
        ahead.flat[i] += h
        behind.flat[i] -= h
        gradient.flat[i] = (dout * (f(ahead) - f(behind))).sum() / (2 * h)
    return gradient


# The functions under test


@dataclass(frozen=True)
class _Probe:
    """A forward and its backward at one point.

    Every call gets a copy of the arguments, lest a function that changes them spoil the next call.
    """

    forward: Forward
    backward: Backward
    given: dict[str, Any]
    wrt: list[str]

    def point(self, dtype: Any = float) -> dict[str, Any]:
        """The arguments, those that are differentiated by in the dtype asked for."""
        return {n: _copy(v, dtype if n in self.wrt else None) for n, v in self.given.items()}

    def arrays(self) -> dict[str, Array]:
        """The arrays to differentiate by, out of their lists: {"x": x, "params[0][0]": W, ...}."""
        point = self.point()
        return _flat({name: point[name] for name in self.wrt})

    def out(self, name: str = "", x: Array | None = None) -> Array:
        """The output, with the array called `name` replaced by `x`."""
        point = self.point(float if x is None else x.dtype)
        if x is not None:
            _flat(point)[name][...] = x
        with warnings.catch_warnings():
            # where an imaginary part is dropped, the central difference tells
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            out, _ = self.forward(*point.values())
        return np.array(out)

    def gradients(self, dout: Array) -> dict[str, Array]:
        _, cache = self.forward(*self.point().values())
        return self.pulled_back(dout, cache)

    def pulled_back(self, dout: Array, cache: Any) -> dict[str, Array]:
        """What the backward returns, under the names of `arrays`."""
        returned = self.backward(dout[()], cache)  # dout[()] is a number where dout is 0-d
        first, *others = [self.given[name] for name in self.wrt]
        got, expected = _flat({"": returned}), _flat({"": (first, *others) if others else first})
        if list(got) != list(expected):
            raise _WrongGradients(
                f"{_name(self.backward)} returned {len(got)} arrays, expected {len(expected)}, "
                f"nested like {', '.join(self.arrays())}"
            )
        gradients = [np.array(gradient, dtype=float) for gradient in got.values()]
        return dict(zip(self.arrays(), gradients, strict=True))


class _WrongGradients(Exception):
    """The backward returned more or fewer arrays than there are to differentiate by."""


def _misconduct(probe: _Probe, dout: Array) -> dict[str, str]:
    """How the functions break the convention, whatever the numbers: {"x": "changed in …"}."""
    in_forward, in_backward = (
        f"changed in place by {_name(function)}" for function in (probe.forward, probe.backward)
    )
    point, lent = probe.point(), dout.copy()
    _, cache = probe.forward(*point.values())
    faults = dict.fromkeys(_changed(point, probe.point()), in_forward)
    try:
        first = probe.pulled_back(lent, cache)
    except _WrongGradients as error:
        return {**faults, "gradients": str(error)}
    changed = _changed({**point, "dout": lent}, {**probe.point(), "dout": dout})
    faults = {**dict.fromkeys(changed, in_backward), **faults}
    try:
        second = probe.pulled_back(dout.copy(), cache)
        same = not any(_error(second[name], first[name]) > COMPLEX_STEP_BAR for name in first)
    except Exception:  # such as a pop from a list that the first call has emptied
        same = False
    return faults if same else {**faults, "cache": f"{in_backward}, so a second call differs"}


def _changed(point: dict[str, Any], original: dict[str, Any]) -> list[str]:
    now, then = _flat(point), _flat(original)
    arrays = [name for name, value in then.items() if isinstance(value, np.ndarray)]
    return [k for k in arrays if k not in now or not np.array_equal(now[k], then[k])]


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    """{"params": [(W, b)]} as {"params[0][0]": W, "params[0][1]": b}."""
    flat = {}
    for name, value in tree.items():
        if isinstance(value, (list, tuple)):
            flat.update(_flat({f"{name}[{i}]": item for i, item in enumerate(value)}))
        else:
            flat[name] = value
    return flat


def _copy(value: Any, dtype: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_copy(item, dtype) for item in value])
    return np.array(value, dtype) if isinstance(value, np.ndarray) else value


def _is_differentiable(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_differentiable, value))
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _argument_names(forward: Forward, count: int) -> list[str]:
    named = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(forward).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind in named][:count]
    return names + [f"args[{i}]" for i in range(len(names), count)]


# The verdict


def _compare(probe: _Probe, name: str, dout: Array) -> tuple[float, float, str]:
    """The two errors of the gradient by one array, and what is wrong with it."""
    f, x, yours = partial(probe.out, name), probe.arrays()[name], probe.gradients(dout)[name]
    with np.errstate(invalid="ignore"):
        central = central_difference(f, x, dout)
    try:
        exact, refusal = complex_step(f, x, dout), ""
    except TypeError as error:
        exact, refusal = np.full_like(x, np.nan), f" ({error})"
    if yours.shape != x.shape:
        return np.nan, np.nan, _wrong_shape(name, yours, exact)

    complex_error, central_error = _error(yours, exact), _error(yours, central)
    if not np.isfinite(yours).all():
        at = _largest(~np.isfinite(yours))
        message = f"d{_entry(name, at)} is {yours[at]}"
    elif not np.isfinite(central).all():
        message = f"{_name(probe.forward)} is not finite around this point"
    elif _is_rounded_zero(np.fmax(np.abs(exact), np.abs(central)), x, dout * probe.out()):
        message = "the numeric gradient is 0 or next to it and proves nothing: take another point"
    elif not _error(exact, central) <= CENTRAL_BAR:
        at = _largest(np.abs(exact - central))
        agrees = {"the complex step": complex_error, "the central difference": central_error}
        friends = [numeric for numeric, error in agrees.items() if error <= CENTRAL_BAR]
        message = (
            f"complex step and central difference disagree, d{_entry(name, at)} being "
            f"{exact[at]:.9g} and {central[at]:.9g}: either {_name(probe.forward)} has a kink or "
            f"a sharp bend here, or it is not made for complex numbers{refusal}, as abs, norm, "
            f".real and float() are not; the backward agrees with {(*friends, 'neither')[0]}"
        )
    elif complex_error <= COMPLEX_STEP_BAR and central_error <= CENTRAL_BAR:
        message = ""
    else:
        message = _wrong_values(probe, name, yours, exact)
    return complex_error, central_error, message


def _error(yours: Array, expected: Array) -> float:
    largest = np.abs(expected).max(initial=0)
    with np.errstate(invalid="ignore"):
        return float(np.abs(yours - expected).max(initial=0) / largest) if largest else np.nan


def _is_rounded_zero(gradient: Array, x: Array, terms: Array) -> bool:
    """Whether rounding in the terms of <dout, out> could be taken for a gradient of this size."""
    h = CENTRAL_STEP * max(1.0, np.abs(x).max(initial=0))
    rounding = EPSILON * np.abs(terms).max(initial=0) / h
    return bool(gradient.max(initial=0) < max(SMALLEST_GRADIENT, rounding / CENTRAL_BAR))


def _wrong_shape(name: str, yours: Array, expected: Array) -> str:
    hint = ""
    if yours.shape == expected.shape[::-1] and _error(yours.T, expected) <= COMPLEX_STEP_BAR:
        hint = ": it is the transpose of the right one"
    elif yours.size == expected.size and np.allclose(yours.ravel(), expected.ravel()):
        hint = ": the numbers are right, the axes are not"
    elif expected.ndim == 1 and yours.shape == 2 * expected.shape:
        hint = ": an (N, 1) array met an (N,) array and was broadcast?"
    return f"d{name} has shape {yours.shape}, expected {expected.shape}{hint}"


def _wrong_values(probe: _Probe, name: str, yours: Array, expected: Array) -> str:
    deviation = np.abs(yours - expected)
    at = _largest(deviation)
    wrong = (deviation > COMPLEX_STEP_BAR * np.abs(expected).max()).sum()
    ratio = f", ratio {yours[at] / expected[at]:.6g}" if expected[at] else ""
    return (
        f"d{_entry(name, at)} is {yours[at]:.6g}, expected {expected[at]:.6g}{ratio}; "
        f"{wrong} of {yours.size} entries are wrong: {_hint(probe, name, yours, expected)}"
    )


def _hint(probe: _Probe, name: str, yours: Array, expected: Array) -> str:
    """What may have gone wrong, judging from how the gradient differs from the right one."""

    def close(a: Array, b: Array) -> bool:
        return _error(a, b) <= COMPLEX_STEP_BAR

    if not yours.any():
        return "it is 0 everywhere"

    ones = np.ones_like(probe.out())
    for_ones = complex_step(partial(probe.out, name), probe.arrays()[name], ones)
    if close(probe.gradients(ones)[name], for_ones):
        return "it is right for a dout of ones only; is dout used, entry by entry?"

    factor = (yours * expected).sum() / (expected * expected).sum()
    if close(yours, factor * expected):
        rows = next((len(a) for a in _flat(probe.given).values() if np.ndim(a)), 1)
        known = {
            "the sign is flipped": -1,
            "a factor 2 is too much": 2,
            "a factor 2 is missing": 1 / 2,
            f"the 1/N of a mean over N = {rows} is missing": rows,
            f"a 1/N is too much, N = {rows}": 1 / rows,
        }
        reasons = [why for why, k in known.items() if abs(factor / k - 1) <= COMPLEX_STEP_BAR]
        return " or ".join(reasons) or f"every entry is {factor:.12g} times the right one"

    if yours.shape == expected.shape[::-1] and close(yours.T, expected):
        return "it is the transpose of the right one"

    if yours.ndim and yours.shape[-1] > 1:
        rounding = COMPLEX_STEP_BAR * np.abs(expected).max()
        row_sums, your_row_sums = (np.abs(g.sum(axis=-1)).max() for g in (expected, yours))
        shifted = np.ptp(yours - expected, axis=-1).max() <= rounding
        if shifted or row_sums <= rounding < your_row_sums:
            return "a centring term is missing: is a mean to be subtracted, so that rows sum to 0?"
    return "it looks like no common mistake"


def _largest(deviation: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(deviation.argmax(), deviation.shape))


def _entry(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name


# npppo's own gradients


class Case(NamedTuple):
    """A forward and its backward at one point, and the names of what they differentiate by."""

    name: str
    forward: Forward
    backward: Backward
    args: tuple[Any, ...]
    wrt: list[str]


def check_package(seed: int = 0) -> list[GradientResult]:
    """Check every gradient of npppo, at points drawn from the seed."""
    rng = np.random.default_rng(seed)
    results = []
    for name, forward, backward, args, wrt in package_cases(rng):
        results += check_gradient(forward, backward, *args, wrt=wrt, function=name, seed=rng)
    return results


N, D, A = 5, 3, 4  # all different, so that nothing fits by accident
CLIP = 0.2


def package_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Every gradient of npppo at a random point that is off its kinks by construction."""
    yield from _layer_cases(rng)
    yield from _policy_cases(rng)
    yield from _loss_cases(rng)
    yield from _agent_cases(rng)


def _case(module: ModuleType, name: str, wrt: str, *args: Any) -> Case:
    functions = getattr(module, name), getattr(module, f"{name}_backward")
    return Case(name, *functions, args, wrt.split())


def _layer_cases(rng: np.random.Generator) -> Iterator[Case]:
    x = rng.normal(size=(N, D))
    yield _case(layers, "linear", "x W b", x, rng.normal(size=(D, A)), rng.normal(size=A))
    yield _case(layers, "tanh", "x", x)
    yield _case(layers, "relu", "x", x + 0.1 * np.sign(x))
    for activation in layers.ACTIVATIONS:
        params = _layers_off_kinks(rng, x, [D, 6, 5, A])
        network = _case(layers, "mlp", "x params", x, params, activation)
        yield network._replace(name=f"mlp ({activation})")
        dparams = [(rng.normal(size=W.shape), rng.normal(size=b.shape)) for W, b in params]
        yield _jvp_case(x, params, dparams, activation)


def _layers_off_kinks(rng: np.random.Generator, x: Array, widths: list[int]) -> Layers:
    """Layers that put 0, where relu has its kink, into each unit's widest gap between samples."""
    params, h = [], x
    for shape in pairwise(widths):
        W = rng.normal(size=shape)  # (D, M)
        z = np.sort(h @ W, axis=0)  # (N, M)
        gap = np.diff(z, axis=0).argmax(axis=0)  # (M,)
        b = -np.take_along_axis((z[:-1] + z[1:]) / 2, gap[None], axis=0)[0]  # (M,)
        params.append((W, b))
        h = np.maximum(h @ W + b, 0)  # (N, M)
    return params


def _jvp_case(x: Array, params: Layers, dparams: Layers, activation: str) -> Case:
    """`mlp_jvp` as what it is: the derivative by t_n of sample n's output at params + t_n dparams.

    A t for each sample, because a single sum over them all may come out close to 0.
    """

    def forward(t: Array) -> tuple[Array, None]:
        rows = []
        for n in range(len(t)):
            pairs = zip(params, dparams, strict=True)
            moved = [(W + t[n] * dW, b + t[n] * db) for (W, b), (dW, db) in pairs]
            rows.append(layers.mlp(x[n : n + 1], moved, activation)[0])  # (1, A)
        return np.concatenate(rows), None  # (N, A)

    def backward(dout: Array, cache: None) -> Any:
        return (dout * layers.mlp_jvp(x, params, dparams, activation)).sum(axis=1)  # (N,)

    return Case(f"mlp_jvp ({activation})", forward, backward, (np.zeros(len(x)),), ["t"])


def _policy_cases(rng: np.random.Generator) -> Iterator[Case]:
    logits, old_logits = rng.normal(size=(2, N, A))
    actions = rng.integers(A, size=N)
    yield _case(categorical, "softmax", "logits", logits)
    yield _case(categorical, "log_softmax", "logits", logits)
    yield _case(categorical, "categorical_log_prob", "logits", logits, actions)
    yield _case(categorical, "categorical_entropy", "logits", logits)
    yield _case(categorical, "categorical_kl", "logits", old_logits, logits)

    old_mean, mean, samples = rng.normal(size=(3, N, A))
    old_log_std, log_std = rng.uniform(-1, 0.5, size=(2, A))
    yield _case(gaussian, "gaussian_log_prob", "mean log_std", mean, log_std, samples)
    yield _case(gaussian, "gaussian_entropy", "log_std", log_std)
    kl_args = old_mean, old_log_std, mean, log_std
    yield _case(gaussian, "gaussian_kl", "mean log_std", *kl_args)


def _ratios_and_advantages(rng: np.random.Generator) -> tuple[Array, Array]:
    """Ratios on both sides of both clip bounds, each with advantages of both signs; (8,), (8,)."""
    ratio = np.tile([0.6, 0.9, 1.1, 1.5], 2) * rng.uniform(0.95, 1.05, 8)
    return ratio, np.repeat([-1, 1], 4) * rng.uniform(0.5, 2, 8)


def _loss_cases(rng: np.random.Generator) -> Iterator[Case]:
    ratio, advantages = _ratios_and_advantages(rng)
    old_log_prob = rng.uniform(-2, -0.5, 8)
    log_prob = old_log_prob + np.log(ratio)
    yield _case(losses, "importance_ratio", "log_prob", log_prob, old_log_prob)
    yield _case(losses, "policy_gradient_loss", "log_prob", log_prob, advantages)
    surrogate = log_prob, old_log_prob, advantages
    yield _case(losses, "clipped_surrogate_loss", "log_prob", *surrogate, CLIP)

    # Values on both sides of both clip bounds, with targets above and below. The squares of the
    # clipped value loss tie at a target between the value and the bound, at most 0.44 from old.
    old_values = rng.normal(size=8)
    values = old_values + np.tile([-0.4, -0.1, 0.1, 0.4], 2) * rng.uniform(0.9, 1.1, 8)
    targets = old_values + np.repeat([-1, 1], 4) * rng.uniform(0.8, 1.2, 8)
    yield _case(losses, "value_loss", "values", values, targets)
    yield _case(losses, "clipped_value_loss", "values", values, old_values, targets, CLIP)

    outputs = log_prob, rng.uniform(0.5, 1, 8), values
    data = old_log_prob, advantages, targets
    hyperparameters = CLIP, 0.5, 0.1, old_values, CLIP
    wrt = "log_prob entropy values"
    yield _case(losses, "ppo_objective", wrt, *outputs, *data, *hyperparameters)

    logits, actions = rng.normal(size=(8, A)), rng.integers(A, size=8)
    old_log_prob = categorical.categorical_log_prob(logits, actions)[0] - np.log(ratio)
    data = old_log_prob, advantages, targets
    yield _case(losses, "ppo_loss", "logits values", logits, values, actions, *data, CLIP, 0.5, 0.1)


def _agent_cases(rng: np.random.Generator) -> Iterator[Case]:
    """The PPO loss by the one vector that holds every parameter of the agent."""
    for head in HEADS:
        for shared_trunk in (False, True):
            architecture = Architecture(D, A, head, net_arch=(6, 5), shared_trunk=shared_trunk)
            yield _agent_case(rng, architecture)


def _agent_case(rng: np.random.Generator, architecture: Architecture) -> Case:
    ratio, advantages = _ratios_and_advantages(rng)
    observations, targets = rng.normal(size=(8, D)), rng.normal(size=8)
    parameters = rng.normal(scale=0.5, size=architecture.size())
    agent = Agent(architecture, parameters)
    noise = agent.head.noise(rng, (8,), A)
    actions = agent.head.sample(*agent.policy(observations), noise)
    old_log_prob = agent.evaluate(observations, actions)[0][0] - np.log(ratio)

    def forward(parameters: Array) -> tuple[Array, Any]:
        agent = Agent(architecture, parameters)
        outputs, agent_cache = agent.evaluate(observations, actions)
        data = old_log_prob, advantages, targets
        loss, loss_cache = losses.ppo_objective(*outputs, *data, CLIP, vf_coef=0.5, ent_coef=0.1)
        return loss, (agent, agent_cache, loss_cache)

    def backward(dloss: float, cache: Any) -> Any:
        agent, agent_cache, loss_cache = cache
        return agent.backward(*losses.ppo_objective_backward(dloss, loss_cache), agent_cache)

    trunk = "shared trunk" if architecture.shared_trunk else "two networks"
    name = f"agent ({architecture.head}, {trunk})"
    return Case(name, forward, backward, (parameters,), ["parameters"])
