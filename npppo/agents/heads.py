"""The heads: what makes a distribution over actions from the policy network's outputs.

A distribution is a tuple of arrays: (logits,) for discrete actions, (mean, log_std) for continuous
ones. The first array has a row for each sample and is the network's output; what follows, if
anything, are parameters of its own, the same for all samples. A head has one family's formulas
under the names that all heads share, so that no algorithm needs to know which one it trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formulas.bernoulli import (
    bernoulli_evaluate,
    bernoulli_evaluate_backward,
    bernoulli_fisher,
    bernoulli_kl,
    bernoulli_kl_backward,
    bernoulli_sample,
)
from ..formulas.categorical import (
    categorical_evaluate,
    categorical_evaluate_backward,
    categorical_fisher,
    categorical_kl,
    categorical_kl_backward,
    gumbel_max,
)
from ..formulas.gaussian import (
    gaussian_evaluate,
    gaussian_evaluate_backward,
    gaussian_fisher,
    gaussian_kl,
    gaussian_kl_backward,
    gaussian_sample,
)
from ..formulas.shapes import Array, Cache

Distribution = tuple[Array, ...]


@dataclass(frozen=True)
class Head:
    """The formulas of one family of distributions; `d` stands for the arrays of a distribution."""

    outputs: int  # of the policy network
    own: int  # parameters besides: the A of a Gaussian's log_std
    noise: Callable[[np.random.Generator, tuple[int, ...]], Array]  # (*shape, outputs)
    sample: Callable[..., Array]  # (*d, noise) -> actions
    mode: Callable[..., Array]  # (*d) -> the likeliest actions
    evaluate: Callable[..., tuple[tuple[Array, Array], Cache]]  # (*d, actions)
    evaluate_backward: Callable[..., Distribution]  # (dlog_prob, dentropy, cache)
    kl: Callable[..., tuple[Array, Cache]]  # (*old d, *d)
    kl_backward: Callable[..., Distribution]  # (dkl, cache)
    fisher: Callable[..., Distribution]  # (d, v) -> F v, with F that of the rows' mean KL


def categorical(n: int) -> Head:
    """One of `n` actions."""
    return Head(
        outputs=n,
        own=0,
        noise=lambda rng, shape: rng.gumbel(size=(*shape, n)),  # (*shape, A)
        sample=gumbel_max,
        mode=lambda logits: logits.argmax(axis=1),  # (N,)
        evaluate=categorical_evaluate,
        evaluate_backward=lambda *args: (categorical_evaluate_backward(*args),),
        kl=categorical_kl,
        kl_backward=lambda *args: (categorical_kl_backward(*args),),
        fisher=lambda d, v: (categorical_fisher(*d, *v) / len(*d),),
    )


def multi_categorical(sizes: tuple[int, ...]) -> Head:
    """Several choices at once, the i-th one of `sizes[i]` actions: categoricals side by side.

    They are independent, so log-probabilities, entropies and divergences add up.
    """
    cuts = np.cumsum(sizes)[:-1].tolist()

    def parts(array: Array) -> list[Array]:  # (N, ΣA) -> (N, A) each
        return np.split(array, cuts, axis=1)

    def side_by_side(arrays: list[Array]) -> Array:  # (N, A) each -> (N, ΣA)
        return np.concatenate(arrays, axis=1)

    def evaluate(logits: Array, actions: Array) -> tuple[tuple[Array, Array], Cache]:
        pairs = [categorical_evaluate(*pair) for pair in zip(parts(logits), actions.T, strict=True)]
        outs, caches = zip(*pairs, strict=True)
        log_probs, entropies = zip(*outs, strict=True)
        return (sum(log_probs), sum(entropies)), caches  # (N,), (N,)

    def evaluate_backward(dlog_prob: Array, dentropy: Array, caches: Cache) -> Distribution:
        # forward: log_prob and entropy are the sums over the parts
        grads = [categorical_evaluate_backward(dlog_prob, dentropy, cache) for cache in caches]
        return (side_by_side(grads),)  # (N, ΣA)

    def kl(old_logits: Array, logits: Array) -> tuple[Array, Cache]:
        pairs = zip(parts(old_logits), parts(logits), strict=True)
        kls, caches = zip(*(categorical_kl(*pair) for pair in pairs), strict=True)
        return sum(kls), caches  # (N,)

    def kl_backward(dkl: Array, caches: Cache) -> Distribution:
        # forward: kl is the sum over the parts
        return (side_by_side([categorical_kl_backward(dkl, cache) for cache in caches]),)

    def fisher(d: Distribution, v: Distribution) -> Distribution:
        pairs = zip(parts(*d), parts(*v), strict=True)
        return (side_by_side([categorical_fisher(*pair) for pair in pairs]) / len(*d),)  # (N, ΣA)

    def sample(logits: Array, noise: Array) -> Array:
        pairs = zip(parts(logits), parts(noise), strict=True)
        return np.stack([gumbel_max(*pair) for pair in pairs], axis=1)  # (N, number of choices)

    return Head(
        outputs=sum(sizes),
        own=0,
        noise=lambda rng, shape: rng.gumbel(size=(*shape, sum(sizes))),  # (*shape, ΣA)
        sample=sample,
        mode=lambda logits: np.stack([part.argmax(axis=1) for part in parts(logits)], axis=1),
        evaluate=evaluate,
        evaluate_backward=evaluate_backward,
        kl=kl,
        kl_backward=kl_backward,
        fisher=fisher,
    )


def bernoulli(n: int) -> Head:
    """`n` bits, each 0 or 1."""
    return Head(
        outputs=n,
        own=0,
        noise=lambda rng, shape: rng.random((*shape, n)),  # (*shape, A)
        sample=bernoulli_sample,
        mode=lambda logits: (logits > 0).astype(np.int64),  # (N, A)
        evaluate=bernoulli_evaluate,
        evaluate_backward=lambda *args: (bernoulli_evaluate_backward(*args),),
        kl=bernoulli_kl,
        kl_backward=lambda *args: (bernoulli_kl_backward(*args),),
        fisher=lambda d, v: (bernoulli_fisher(*d, *v) / len(*d),),
    )


def gaussian(n: int) -> Head:
    """`n` real numbers."""

    def fisher(d: Distribution, v: Distribution) -> Distribution:
        mean, log_std = d
        fmean, flog_std = gaussian_fisher(log_std, *v)  # (N, A), (A,) of each row
        return fmean / len(mean), flog_std

    return Head(
        outputs=n,
        own=n,
        noise=lambda rng, shape: rng.standard_normal((*shape, n)),  # (*shape, A)
        sample=lambda mean, log_std, noise: gaussian_sample(
            mean, log_std, noise.astype(mean.dtype)
        ),
        mode=lambda mean, log_std: mean.copy(),  # (N, A)
        evaluate=gaussian_evaluate,
        evaluate_backward=gaussian_evaluate_backward,
        kl=gaussian_kl,
        kl_backward=gaussian_kl_backward,
        fisher=fisher,
    )


HEADS: dict[str, Callable[[Any], Head]] = {
    "categorical": categorical,
    "multi_categorical": multi_categorical,
    "bernoulli": bernoulli,
    "gaussian": gaussian,
}
